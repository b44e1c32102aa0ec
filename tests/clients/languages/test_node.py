"""Node reads every event as Python reads it: @grpc/grpc-js with @grpc/proto-loader, from the .proto files and by reflection."""

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from tests.clients.languages.examples import ANSWERS, EXAMPLES, ROOT, asked
from tests.clients.languages.recording import Recording

WIDE = {FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64}


@pytest.fixture(scope="module")
def modules() -> Path:
    """The packages of the examples, installed as their package.json says."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("node and npm are not installed: apt-get install nodejs npm")
    wanted = (EXAMPLES / "node" / "package.json").read_text()
    folder = ROOT / "build" / "node"
    stamp = folder / "package.json"
    if not (folder / "node_modules").is_dir() or not stamp.exists() or stamp.read_text() != wanted:
        folder.mkdir(parents=True, exist_ok=True)
        stamp.write_text(wanted)
        install = [npm, "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts"]
        ended = subprocess.run(install, cwd=folder, capture_output=True, text=True, timeout=280, check=False)
        if ended.returncode:
            stamp.unlink()
            pytest.fail(ended.stderr)
    return folder / "node_modules"


def as_loaded(message: Message) -> dict[str, Any]:
    """A message as proto-loader shows it: what was sent, 64-bit numbers as text, enums by name, bytes as base64."""
    shown: dict[str, Any] = {}
    for field, value in message.ListFields():
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            shown[field.name] = {str(key): one(field.message_type.fields_by_name["value"], value[key]) for key in value}
        elif field.is_repeated:
            shown[field.name] = [one(field, each) for each in value]
        else:
            shown[field.name] = one(field, value)
        if field.containing_oneof is not None:
            # A field that is optional is alone in a oneof of its own.
            shown[field.containing_oneof.name] = field.name
    return shown


def one(field: FieldDescriptor, value: Any) -> Any:
    """One value of a field."""
    if field.message_type is not None:
        return as_loaded(value)
    if field.enum_type is not None:
        return field.enum_type.values_by_number[value].name
    if field.cpp_type in WIDE:
        return str(value)
    return base64.b64encode(value).decode() if field.type == FieldDescriptor.TYPE_BYTES else value


def entries_as_maps(value: Any) -> Any:
    """``value`` with lists of entries as maps: so proto-loader shows the maps of descriptors, unlike those of files."""
    if isinstance(value, dict):
        return {key: entries_as_maps(each) for key, each in value.items()}
    if not isinstance(value, list):
        return value
    if value and all(isinstance(each, dict) and set(each) == {"key", "value"} for each in value):
        return {str(each["key"]): entries_as_maps(each["value"]) for each in value}
    return [entries_as_maps(each) for each in value]


@pytest.mark.parametrize("how", ["from files", "by reflection"])
def test_every_answer_has_every_field(modules: Path, recording: Recording, how: str) -> None:
    """Each example prints exactly what the server sent, field by field, from the first event to the last."""
    for name in ANSWERS:
        command = ["node", str(EXAMPLES / "node" / f"{name}.js"), *(["--reflection"] if how == "by reflection" else [])]
        environment = dict(os.environ, NODE_PATH=str(modules))
        if how == "by reflection":
            environment["HEXAR_PROTO"] = str(modules / "no such folder")
        printed, sent = asked(recording, name, command, **environment)
        read = [json.loads(line) for line in printed.splitlines()]
        assert entries_as_maps(read) == entries_as_maps([as_loaded(message) for message in sent]), name


def test_an_error_is_a_status_with_its_text(modules: Path, recording: Recording, tmp_path: Path) -> None:
    """A chat about no portfolio ends with NOT_FOUND and the reason."""
    source = (EXAMPLES / "node" / "chat.js").read_text().replace('"manuals"', '"nowhere"')
    script = tmp_path / "chat.js"
    script.write_text(source.replace("./hexar", str(EXAMPLES / "node" / "hexar")))
    environment = dict(os.environ, NODE_PATH=str(modules))
    command = ["node", str(script), f"127.0.0.1:{recording.port}"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert ended.returncode == 1
    assert ended.stderr.startswith("NOT_FOUND: ")
    assert "nowhere" in ended.stderr
