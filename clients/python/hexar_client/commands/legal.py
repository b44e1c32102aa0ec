"""``hexar legal``: draft a document, search authorities, check a text, list what can be drafted."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hexar.v1 import legal_pb2 as pb
from hexar_client.commands import common, output
from hexar_client.legal import Document, draft_request, parts_of

app = typer.Typer(
    add_completion=False, no_args_is_help=True, rich_markup_mode=None, help="Draft, check and cite legal documents."
)

_FORMATS = {".md": pb.LEGAL_FORMAT_MARKDOWN, ".docx": pb.LEGAL_FORMAT_DOCX}
_LAYERS = {
    pb.LEGAL_LAYER_RESEARCH: "research",
    pb.LEGAL_LAYER_DRAFT: "draft",
    pb.LEGAL_LAYER_REVIEW: "review",
    pb.LEGAL_LAYER_VALIDATE: "validate",
    pb.LEGAL_LAYER_CITE: "citations",
}
_OUTCOMES = {pb.CHECK_OUTCOME_PASSED: "passed", pb.CHECK_OUTCOME_FAILED: "failed", pb.CHECK_OUTCOME_NOT_RUN: "not run"}
_COLOURS = {pb.CHECK_OUTCOME_PASSED: "green", pb.CHECK_OUTCOME_FAILED: "red", pb.CHECK_OUTCOME_NOT_RUN: "yellow"}

Jurisdiction = Annotated[str, typer.Option("--jurisdiction", "-j", help='"us/california", "US-CA" or "California".')]
Type = Annotated[str, typer.Option("--type", "-t", help="Document type; see hexar legal types.")]
Corpus = Annotated[str, typer.Option(help="Name of the corpus.")]


@app.command()
@output.answers
def draft(
    context: typer.Context,
    request: Annotated[str, typer.Argument(help="What is wanted, in words.")] = "",
    document_type: Type = "",
    jurisdiction: Jurisdiction = "",
    values: Annotated[list[str] | None, typer.Option("--set", help="field=value; repeat for more.")] = None,
    language: Annotated[str, typer.Option(help="Language of the document.")] = "",
    corpus: Corpus = "",
    out: Annotated[Path | None, typer.Option("--out", help="File to write: .docx or .md.")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds that the whole answer may take.")] = 120.0,
) -> None:
    """Draft a document; it is shown while it forms."""
    wanted = _FORMATS.get(out.suffix.lower()) if out is not None else pb.LEGAL_FORMAT_MARKDOWN
    if wanted is None:
        raise typer.BadParameter("must end in .docx or .md", param_hint="--out")
    rest: dict[str, Any] = {"corpus": pb.CorpusRef(name=corpus)} if corpus else {}
    message = draft_request(
        document_type, jurisdiction, _fields(values or []), request=request, language=language, formats=[wanted], **rest
    )
    document = Document()
    console = output.console()
    with common.client(context) as client:
        for event in client.legal.draft(message, timeout=timeout):
            document.apply(event)
            if output.is_json(context):
                output.print_event(event)
            else:
                show(console, event, document)
    if out is not None:
        out.write_bytes(document.files[wanted])
        if not output.is_json(context):
            console.print(f"written to {out}", highlight=False, markup=False)


def _fields(values: list[str]) -> dict[str, str]:
    fields: dict[str, str] = {}
    for entry in values:
        name, equals, value = entry.partition("=")
        if not equals or not name.strip():
            raise typer.BadParameter(f"{entry!r} is not field=value", param_hint="--set")
        fields[name.strip()] = value.strip()
    return fields


def show(console: Console, event: Any, document: Document) -> None:
    """Print one event of a document for a person; ``document`` has taken it already."""
    if isinstance(event.body, pb.DraftParts):
        for _, part in parts_of(event.body):
            _show(console, part, document)
    else:
        _show(console, event.body, document)


def _show(console: Console, body: Any, document: Document) -> None:
    if isinstance(body, pb.DraftStarted):
        console.print(f"[bold]{escape(body.title)}[/]  {body.jurisdiction}, valid on {_day(body.as_of)}", highlight=False)
        console.print(body.notice, style="italic", highlight=False, markup=False)
    elif isinstance(body, pb.LegalProgress):
        _show_progress(console, body)
    elif isinstance(body, pb.SectionBegun):
        number = f"{body.number}. " if body.number else ""
        console.print(f"\n[bold]{escape(number + body.heading)}[/]", highlight=False)
    elif isinstance(body, pb.SectionToken):
        console.print(body.text, end="", highlight=False, markup=False)
    elif isinstance(body, pb.SectionReset):
        console.print(f"\n(written anew: {body.reason})", style="yellow", highlight=False, markup=False)
    elif isinstance(body, pb.Check):
        _show_check(console, body)
    elif isinstance(body, pb.LegalCitation):
        authority = document.authorities.get(body.authority_id, pb.Authority())
        console.print(f"[cyan]\\[{body.number}][/] {escape(authority.citation or authority.title)}: “{escape(body.quote)}”")
    elif isinstance(body, pb.RemovedCitation):
        console.print(f"no support: {body.text!r} {body.reason}", style="yellow", highlight=False, markup=False)
    elif isinstance(body, pb.DraftCompleted):
        _show_end(console, body)


def _day(day: pb.CalendarDate) -> str:
    return f"{day.year:04}-{day.month:02}-{day.day:02}"


def _show_progress(console: Console, progress: pb.LegalProgress) -> None:
    if not progress.outcome:
        return
    name = _LAYERS.get(progress.layer, "?")
    how = f": {progress.fallback}" if progress.fallback else ", from the cache" if progress.cached else ""
    style = "yellow" if progress.fallback else "dim"
    milliseconds = progress.elapsed.ToMilliseconds()
    console.print(f"\n{progress.percent} % {name}, {milliseconds} ms{how}", style=style, highlight=False, markup=False)


def _show_check(console: Console, check: pb.Check) -> None:
    if check.outcome == pb.CHECK_OUTCOME_PASSED and not check.findings:
        return
    reason = f" ({check.not_run_reason})" if check.not_run_reason else ""
    console.print(f"[{_COLOURS[check.outcome]}]{check.name} {_OUTCOMES[check.outcome]}[/]{escape(reason)}", highlight=False)
    for finding in check.findings:
        place = f"section {finding.section}: " if finding.HasField("section") else ""
        mend = f" → {finding.suggestion.splitlines()[0][:60]}" if finding.suggestion else ""
        console.print(f"  {place}{finding.message}{mend}", highlight=False, markup=False)


def _show_end(console: Console, end: pb.DraftCompleted) -> None:
    state = "valid" if end.valid else "not valid yet"
    opened = f"; open: {', '.join(end.open_fields)}" if end.open_fields else ""
    console.print(
        f"\n{state}, {end.citations} citations{opened}; draft {end.draft_id}", style="bold", highlight=False, markup=False
    )


@app.command()
@output.answers
def revise(
    context: typer.Context,
    draft_id: Annotated[str, typer.Argument(help="Id of a kept draft.")],
    instruction: Annotated[str, typer.Argument(help='"make the notice 60 days".')] = "",
    values: Annotated[list[str] | None, typer.Option("--set", help="field=value; repeat for more.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="File to write: .docx or .md.")] = None,
) -> None:
    """Make a new document from a kept draft."""
    wanted = _FORMATS.get(out.suffix.lower()) if out is not None else pb.LEGAL_FORMAT_MARKDOWN
    if wanted is None:
        raise typer.BadParameter("must end in .docx or .md", param_hint="--out")
    document, console = Document(), output.console()
    with common.client(context) as client:
        for event in client.legal.revise(draft_id, instruction, _fields(values or []), formats=[wanted]):
            document.apply(event)
            if output.is_json(context):
                output.print_event(event)
            else:
                show(console, event, document)
    if out is not None:
        out.write_bytes(document.files[wanted])


@app.command()
@output.answers
def search(
    context: typer.Context,
    query: Annotated[str, typer.Argument(help="A question or words.")],
    jurisdiction: Jurisdiction = "",
    corpus: Corpus = "",
    limit: Annotated[int, typer.Option(help="Authorities wanted.")] = 10,
) -> None:
    """Search authorities."""
    rest: dict[str, Any] = {"corpus": pb.CorpusRef(name=corpus)} if corpus else {}
    with common.client(context) as client:
        response = client.legal.search(query, jurisdiction, limit=limit, **rest)
    if output.is_json(context):
        output.print_json(response)
        return
    console = output.console()
    if not response.hits:
        console.print("nothing that applies was found", style="yellow")
    for hit in response.hits:
        authority = hit.authority
        where = ", ".join(authority.jurisdictions[:3])
        console.print(f"[bold]{escape(authority.citation or authority.title)}[/]  {where}  {hit.score:.2f}", highlight=False)
        console.print(f"  {authority.quote}", highlight=False, markup=False)


def _text_of(file: Path) -> str:
    if str(file) == "-":
        return sys.stdin.read()
    if file.suffix.lower() == ".docx":
        raise typer.BadParameter("send the text: .md or .txt", param_hint="FILE")
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{file}: {getattr(error, 'strerror', None) or 'is not UTF-8'}", param_hint="FILE") from None


@app.command()
@output.answers
def validate(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="Markdown or plain text; - reads standard input.")],
    document_type: Type = "",
    jurisdiction: Jurisdiction = "",
) -> None:
    """Check a finished text; exit code 1 where it is not valid."""
    text = _text_of(file)
    with common.client(context) as client:
        response = client.legal.validate(text, document_type, jurisdiction)
    if output.is_json(context):
        output.print_json(response)
    else:
        console = output.console()
        for check in response.checks:
            _show_check(console, check)
        console.print("valid" if response.valid else "not valid", style="bold")
    if not response.valid:
        raise typer.Exit(1)


@app.command()
@output.answers
def types(context: typer.Context) -> None:
    """List what can be drafted, with the fields."""
    with common.client(context) as client:
        found = list(client.legal.document_types())
    console = output.console()
    for entry in found:
        if output.is_json(context):
            output.print_lines([entry])
            continue
        where = f"  for {', '.join(entry.jurisdictions)}" if entry.jurisdictions else ""
        console.print(f"[bold]{entry.name}[/]  {escape(entry.title)}  ({', '.join(entry.languages)}){where}", highlight=False)
        table = Table(box=None, pad_edge=False, show_header=False)
        for field in entry.fields:
            kind = pb.FieldKind.Name(field.kind).removeprefix("FIELD_KIND_").lower()
            need = "required" if field.required else f"default {field.default}" if field.default else "optional"
            table.add_row(f"  {field.name}", kind, escape(need), escape(field.description))
        console.print(table)


@app.command()
@output.answers
def corpora(context: typer.Context) -> None:
    """List the corpora with their coverage."""
    with common.client(context) as client:
        found = list(client.legal.corpora())
    console = output.console()
    for entry in found:
        if output.is_json(context):
            output.print_lines([entry])
            continue
        places = ", ".join(f"{row.jurisdiction or 'none'} {row.passages}" for row in entry.coverage)
        console.print(
            f"[bold]{escape(entry.ref.name)}[/]  version {entry.ref.version}, {entry.passages} passages", highlight=False
        )
        console.print(f"  {places}", highlight=False, markup=False)
