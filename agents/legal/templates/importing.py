"""Document types from folders with a field schema (``metadata.yaml``) and a Markdown template beside it (``template.md``).

The template's marks become this project's own: ``{name}`` a field, ``{IF x} … {END-IF}`` a condition, ``{FOR m IN list} …
{$m.name} … {END-FOR m}`` a repeated block. Its Markdown becomes plain text: headings begin clauses, emphasis and links lose
their marks. A mark that names no field stays open in the document, as everything else that is not known.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any

import yaml

from hexar.agents.legal.corpus.files import File
from hexar.agents.legal.corpus.jurisdictions import named_in
from hexar.agents.legal.templates.model import BadType, Clause, DocumentType, Field, Kind, label_of
from hexar.agents.legal.templates.rendering import check_type

_KINDS = {
    "string": Kind.TEXT, "text": Kind.TEXT, "date": Kind.DATE, "enum": Kind.CHOICE, "choice": Kind.CHOICE,
    "boolean": Kind.FLAG, "flag": Kind.FLAG, "array": Kind.LIST, "list": Kind.LIST, "number": Kind.NUMBER,
    "integer": Kind.NUMBER, "money": Kind.MONEY, "duration": Kind.DURATION, "party": Kind.PARTY,
}  # fmt: skip
_MARK = re.compile(r"\{\{?\s*(\$?[A-Za-z_][\w.]*)\s*\}?\}")
_BLOCK = re.compile(r"\{\s*(FOR|END-FOR|IF|END-IF)\b\s*([^}]*)\}")
_HEADING = re.compile(r"(#{1,6})\s+(.*)")
_JINJA = re.compile(r"\{[{%#]|[%#}]\}")


def read_folder_types(files: Iterable[File]) -> tuple[list[DocumentType], list[tuple[str, str]]]:
    """(types, what could not be used as (path, reason))."""
    folders: dict[str, dict[str, File]] = {}
    for file in files:
        path = PurePosixPath(file.path)
        folders.setdefault(str(path.parent), {})[path.name.lower()] = file
    types: list[DocumentType] = []
    refused: list[tuple[str, str]] = []
    for folder, held in sorted(folders.items()):
        schema = held.get("metadata.yaml") or held.get("metadata.yml")
        if schema is None:
            continue
        template = held.get("template.md")
        if template is None:
            refused.append((folder, "has a field schema but no Markdown template"))
            continue
        try:
            types.append(read_pair(PurePosixPath(folder).name, schema.content, template.content))
        except BadType as error:
            refused.append((folder, str(error)))
    return types, refused


def read_pair(name: str, schema: bytes, template: bytes) -> DocumentType:
    """A document type from a schema and its template. Raises BadType."""
    try:
        meta: Any = yaml.safe_load(schema.decode("utf-8"))
        text = template.decode("utf-8").replace("\r\n", "\n")
    except (yaml.YAMLError, UnicodeDecodeError):
        raise BadType("its field schema or template is not UTF-8 YAML and Markdown") from None
    if not isinstance(meta, dict) or not isinstance(meta.get("fields", []), list):
        raise BadType("its field schema is no mapping with fields")
    body = _marks(_plain(text), {str(row.get("name")) for row in meta.get("fields", []) if isinstance(row, dict)})
    used = set(re.findall(r"\{\{ (?:\w+\.)?(\w+)", body)) | _controls(body)
    fields = [_field(row, used) for row in meta.get("fields", []) if isinstance(row, dict) and row.get("name")]
    known = {field.name for field in fields}
    fields += [Field(extra, label_of(extra)) for extra in sorted(_unknown(body, known))]
    title = str(meta.get("name") or label_of(name.replace("-", "_")))
    kind = DocumentType(
        name=re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-"),
        language=str(meta.get("language", "en")),
        title=re.sub(r"\s*\([^)]*\)$", "", title),
        fields=tuple(fields),
        clauses=tuple(_clauses(body)),
        jurisdictions=tuple(dict.fromkeys(path for _, _, path in named_in(title))),
        license=str(meta.get("license", "")),
    )
    check_type(kind)
    return kind


def _controls(body: str) -> set[str]:
    return {name for pair in re.findall(r" in (\w+) %\}|\{% if (\w+)", body) for name in pair if name}


def _unknown(body: str, known: set[str]) -> set[str]:
    loops = set(re.findall(r"\{% for (\w+) in", body))
    plain = set(re.findall(r"\{\{ (\w+) \}\}", body))
    return (plain | _controls(body)) - known - loops


def _field(row: dict[str, Any], used: set[str]) -> Field:
    name = str(row["name"])
    kind = _KINDS.get(str(row.get("type", "string")), Kind.TEXT)
    default = row.get("default")
    optional = default is not None or bool(re.search(r"\boptional\b", str(row.get("description", "")), re.IGNORECASE))
    items = tuple(_field(entry, set()) for entry in row.get("items", []) if isinstance(entry, dict) and entry.get("name"))
    return Field(
        name=name,
        label=str(row.get("display_label") or label_of(name)),
        kind=kind if kind is not Kind.CHOICE or row.get("options") else Kind.TEXT,
        required=name in used and not optional and kind not in (Kind.FLAG, Kind.LIST),
        description=str(row.get("description", "")),
        default=str(default) if default not in (None, "") else None,
        choices=tuple(map(str, row.get("options", []))),
        items=items,
    )


def _marks(text: str, names: set[str]) -> str:
    """Marks of the template as Jinja2. Text that looks like Jinja2 already is kept as text."""
    text = _JINJA.sub(lambda found: found.group() if _MARK.match(text, found.start()) else " ".join(found.group()), text)

    def block(found: re.Match[str]) -> str:
        word, rest = found[1], found[2].strip()
        if word == "FOR":
            loop = re.fullmatch(r"(\w+)\s+IN\s+(\w+)", rest, re.IGNORECASE)
            if loop is None:
                raise BadType(f"{found.group()} is no repeated block")
            return f"{{% for {loop[1]} in {loop[2]} %}}"
        if word == "IF":
            if not re.fullmatch(r"[\w.]+", rest):
                raise BadType(f"{found.group()} is no condition")
            return f"{{% if {rest} %}}"
        return "{% endfor %}" if word == "END-FOR" else "{% endif %}"

    text = _BLOCK.sub(block, text)
    return _MARK.sub(lambda found: f"{{{{ {found[1].lstrip('$')} }}}}", text)


def _plain(text: str) -> str:
    """Markdown as plain text; headings stay, for the clauses."""
    text = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"\[\[([^\[\]\n]{1,80})\]\]", r'"\1"', text)
    text = re.sub(r"\*\*(.+?)\*\*", r"\1", text)
    text = re.sub(r"(?<![\w*])\*([^*\n]+)\*(?![\w*])", r"\1", text)
    text = re.sub(r"\[([^\]]+)\]\((?:https?://|#|\.)[^)]*\)", r"\1", text)
    text = re.sub(r"^[ \t]*\|?[ \t]*:?-{3,}:?[ \t]*(\|[ \t]*:?-{3,}:?[ \t]*)*\|?[ \t]*$", "", text, flags=re.MULTILINE)
    text = re.sub(r"\n:[ \t]+", ": ", text)
    return re.sub(r"\\([\\`*_{}\[\]()#+\-.!|>$])", r"\1", text)


def _clauses(body: str) -> list[Clause]:
    clauses: list[Clause] = []
    heading = ""
    rows: list[str] = []
    taken: set[str] = set()

    def close() -> None:
        text = "\n".join(rows).strip("\n")
        if not text and not heading:
            return
        base = re.sub(r"[^a-z0-9]+", "-", heading.lower()).strip("-") or "preamble"
        key = next(name for name in (base, *(f"{base}-{n}" for n in range(2, 1000))) if name not in taken)
        taken.add(key)
        clauses.append(Clause(key=key, heading=heading, text=text, number=False))

    for row in body.split("\n"):
        found = _HEADING.fullmatch(row)
        if found:
            if found[1] == "#" and not clauses and not "".join(rows).strip():
                heading, rows = "", []
                continue
            close()
            heading, rows = found[2].strip(), []
        else:
            rows.append(row)
    close()
    return _joined(clauses)


def _joined(clauses: list[Clause]) -> list[Clause]:
    """Clauses whose repeated blocks are closed: a block that spans headings makes one clause of them."""
    joined: list[Clause] = []
    for clause in clauses:
        if joined and _depth(joined[-1].text) > 0:
            last = joined[-1]
            text = f"{last.text}\n\n{clause.heading}\n\n{clause.text}".strip("\n")
            joined[-1] = Clause(key=last.key, heading=last.heading, text=text, number=False)
        else:
            joined.append(clause)
    return joined


def _depth(text: str) -> int:
    return len(re.findall(r"\{% (?:for|if) ", text)) - len(re.findall(r"\{% end(?:for|if) ", text))
