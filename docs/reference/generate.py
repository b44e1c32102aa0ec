"""Write the reference pages from what they describe: the contract, the settings and the SDK. ``make docs`` runs it.

They are made when they are wanted, into build/reference, so that none can be out of date.
"""

from __future__ import annotations

import inspect
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from grpc_tools import protoc
from pydantic import BaseModel

import hexar_client
from hexar.server.systems import settings_type

ROOT = Path(__file__).resolve().parents[2]
TYPES = {1: "double", 2: "float", 3: "int64", 4: "uint64", 5: "int32", 8: "bool", 9: "string", 12: "bytes", 13: "uint32"}


def contract() -> list[FileDescriptorProto]:
    """The files of the contract with their comments."""
    files = [str(path) for path in sorted((ROOT / "proto").glob("hexar/v1/*.proto"))]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "contract"
        includes = str(Path(protoc.__file__).with_name("_proto"))
        options = ["protoc", f"-I{ROOT / 'proto'}", f"-I{includes}", "--include_source_info", f"--descriptor_set_out={out}"]
        if protoc.main([*options, *files]):
            raise SystemExit("the contract cannot be read")
        return list(FileDescriptorSet.FromString(out.read_bytes()).file)


def api() -> Iterator[str]:
    """The contract: services with their methods, messages with their fields, enums with their values."""
    yield "# API\n\nMade from the comments of `proto/hexar/v1/`.\n"
    for file in contract():
        said = {tuple(place.path): " ".join(place.leading_comments.split()) for place in file.source_code_info.location}
        for at, service in enumerate(file.service):
            yield f"\n## {service.name}\n\n{said.get((6, at), '')}\n"
            for number, method in enumerate(service.method):
                asked = ("stream " if method.client_streaming else "") + method.input_type.rpartition(".")[2]
                given = ("stream " if method.server_streaming else "") + method.output_type.rpartition(".")[2]
                yield f"\n### {service.name}.{method.name}\n\n`{asked}` → `{given}`. {said.get((6, at, 2, number), '')}\n"
        for at, message in enumerate(file.message_type):
            yield f"\n### {message.name}\n\n{said.get((4, at), '')}\n\n"
            if message.field:
                yield "| field | type | |\n|---|---|---|\n"
            for number, field in enumerate(message.field):
                kind = field.type_name.rpartition(".")[2] or TYPES.get(field.type, str(field.type))
                many = "repeated " if field.label == field.LABEL_REPEATED else ""
                yield f"| `{field.name}` = {field.number} | {many}{kind} | {_cell(said.get((4, at, 2, number), ''))} |\n"
        for at, enum in enumerate(file.enum_type):
            yield f"\n### {enum.name}\n\n{said.get((5, at), '')}\n\n| value | |\n|---|---|\n"
            for number, value in enumerate(enum.value):
                yield f"| `{value.name}` = {value.number} | {_cell(said.get((5, at, 2, number), ''))} |\n"


def configuration() -> Iterator[str]:
    """The settings with their types and defaults, section by section."""
    yield "# Configuration\n\nMade from the settings of the server. In the environment, `a.b` stands in capitals, with the\n"
    yield "prefix of docs/operations/settings.md and two underscores for the point.\n\n"
    yield "| setting | type | default | |\n|---|---|---|---|\n"
    yield from _settings(settings_type(), "")


def _settings(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        section = next((each for each in (field.annotation, *get_args(field.annotation)) if _is_section(each)), None)
        default = (
            "required"
            if field.is_required()
            else ""
            if section is not None
            else repr(field.get_default(call_default_factory=True))
        )
        kind = "section" if section is not None else _kind(field.annotation)
        about = field.description or (inspect.getdoc(section) if section is not None else "") or ""
        yield f"| `{prefix}{name}` | {_cell(kind)} | {_cell(default)} | {_cell(about)} |\n"
        if section is not None:
            yield from _settings(section, f"{prefix}{name}.")


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _kind(annotation: Any) -> str:
    return re.sub(r"<class '([^']*)'>", r"\1", str(annotation)).replace("typing.", "").replace("pathlib._local.", "")


def sdk() -> Iterator[str]:
    """What `hexar_client` has: classes with their methods, functions, errors."""
    yield "# Python SDK\n\nMade from the docstrings of `hexar_client`. `AsyncClient` has the same names as `Client`.\n"
    for name in hexar_client.__all__:
        found = getattr(hexar_client, name)
        if not inspect.isclass(found):
            if inspect.isfunction(found):
                yield f"\n## {name}\n\n`{name}{inspect.signature(found)}`\n\n{inspect.getdoc(found)}\n"
            continue
        yield f"\n## {name}\n\n{inspect.getdoc(found) or ''}\n"
        yield from _methods(name, found)
    with hexar_client.Client("localhost:50051") as client:
        for name, part in sorted(vars(client).items()):
            if not name.startswith("_") and type(part).__module__.startswith("hexar_client.") and name != "channel":
                yield f"\n## client.{name}\n\n{inspect.getdoc(type(part)) or ''}\n"
                yield from _methods(f"client.{name}", type(part))


def _methods(name: str, kind: type) -> Iterator[str]:
    for method, found in inspect.getmembers(kind, inspect.isfunction):
        if not method.startswith("_") and found.__module__.startswith("hexar_client"):
            yield f"\n### {name}.{method}\n\n`{method}{inspect.signature(found)}`\n\n{inspect.getdoc(found) or ''}\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main(folder: Path) -> None:
    """Write the pages to ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, page in (("api", api()), ("configuration", configuration()), ("sdk", sdk())):
        (folder / f"{name}.md").write_text("".join(page), encoding="utf-8")
        print(folder / f"{name}.md")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "reference")
