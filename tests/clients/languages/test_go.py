"""Go reads every event as Python reads it: grpc-go over stubs that are generated as anybody would."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import json_format

from tests.clients.languages.examples import ANSWERS, EXAMPLES, ROOT, asked
from tests.clients.languages.recording import Recording

#: Where the distribution keeps the sources of Go libraries.
LIBRARIES = Path("/usr/share/gocode")
PACKAGES = (
    "golang-go golang-google-grpc-dev golang-google-protobuf-dev golang-github-golang-protobuf-1-5-dev "
    "protoc-gen-go protoc-gen-go-grpc"
)


@pytest.fixture(scope="module")
def program() -> Path:
    """The examples, built; made anew where the contract or they have changed."""
    tools = ("go", "protoc-gen-go", "protoc-gen-go-grpc")
    if any(shutil.which(tool) is None for tool in tools) or not (LIBRARIES / "src/google.golang.org/protobuf").is_dir():
        pytest.skip(f"Go and its gRPC are not installed: apt-get install {PACKAGES}")
    protos = sorted((ROOT / "proto").glob("hexar/v1/*.proto"))
    folder, source = ROOT / "build" / "go", EXAMPLES / "go" / "main.go"
    made = folder / "hexar-examples"
    if made.exists() and made.stat().st_mtime > max(path.stat().st_mtime for path in (source, *protos)):
        return made
    (folder / "src").mkdir(parents=True, exist_ok=True)
    out = [f"--go_out={folder / 'src'}", f"--go-grpc_out={folder / 'src'}"]
    _run([sys.executable, "-m", "grpc_tools.protoc", f"-I{ROOT / 'proto'}", *out, *map(str, protos)])
    _run(["go", "build", "-o", str(made), str(source)], GOPATH=f"{folder}:{LIBRARIES}", GOCACHE=str(folder / "cache"))
    return made


def _run(command: list[str], **environment: str) -> None:
    ended = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=290,
        check=False,
        env=dict(os.environ, GO111MODULE="off", GOFLAGS="", **environment),
    )
    assert ended.returncode == 0, ended.stderr


@pytest.mark.chaos  # building takes most of it
@pytest.mark.timeout(600)
def test_every_answer_has_every_field(program: Path, recording: Recording) -> None:
    """Each example prints exactly what the server sent, field by field, from the first event to the last."""
    for name, (_, kind) in ANSWERS.items():
        printed, sent = asked(recording, name, [str(program), name])
        assert [json_format.Parse(line, kind()) for line in printed.splitlines()] == sent, name
