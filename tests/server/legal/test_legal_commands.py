"""``hexar import corpus``, ``hexar import templates`` and ``hexar legal`` as a person types them."""

import io
import json
from pathlib import Path

import pytest
from docx import Document as DocxFile
from typer.testing import CliRunner

from hexar.agents.legal.corpus.corpora import Corpora
from hexar.agents.legal.corpus.files import files_of
from hexar.agents.legal.demo import CORPUS
from hexar.server.commands.imports import app as import_app
from hexar.server.process.app import App
from hexar_client.cli import app as client_app


def test_a_corpus_and_templates_are_imported_by_command(tmp_path: Path) -> None:
    """With counts, what was refused and why, and one line where a file is not there."""
    data = tmp_path / "data"
    rows = [{"quote": "A text.", "jurisdiction": "US-CA"}, {"quote": "A text without a place."}, {"quote": ""}]
    (tmp_path / "law.jsonl").write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
    runner = CliRunner()
    done = runner.invoke(import_app, ["corpus", str(tmp_path / "law.jsonl"), "--data-dir", str(data)])
    assert done.exit_code == 3, done.output
    assert "2 passages of 1 jurisdictions" in done.output
    assert "1 name no jurisdiction" in done.output
    assert "has no quote" in done.output
    folder = tmp_path / "types" / "letter"
    folder.mkdir(parents=True)
    (folder / "metadata.yaml").write_text("name: Letter\nfields: [{name: sender, type: string}]\n", "utf-8")
    (folder / "template.md").write_text("# Letter\n\n## Text\n\n{sender} writes.\n", "utf-8")
    done = runner.invoke(import_app, ["templates", str(tmp_path / "types"), "--data-dir", str(data)])
    assert done.exit_code == 0, done.output
    assert "1 document types" in done.output
    gone = runner.invoke(import_app, ["corpus", str(tmp_path / "gone.jsonl"), "--data-dir", str(data)])
    assert gone.exit_code == 1


@pytest.fixture
async def server(app: App) -> str:
    """The address of a server with the demo corpus."""
    corpora = Corpora(app.engine.database, app.engine.versions, None)
    await app.engine.database.run(corpora.replace, "", "", list(files_of(CORPUS)))
    return f"127.0.0.1:{app.port}"


async def test_a_document_is_drafted_checked_and_searched_by_command(app: App, server: str, tmp_path: Path) -> None:
    """The file is written, the text shown while it forms, and an invalid text ends with exit code 1."""

    async def hexar(*words: str) -> tuple[int, str]:
        done = await app.engine.database.run(CliRunner().invoke, client_app, ["--server", server, "legal", *words])
        return done.exit_code, done.output

    out = tmp_path / "nda.docx"
    values = ("--set", "party_a=Acme Inc.", "--set", "party_b=Beta LLC", "--set", "effective_date=1 May 2026")
    code, shown = await hexar("draft", "--type", "nda", "-j", "us/california", *values, "--out", str(out))
    assert code == 0, shown
    assert "not legal advice" in shown
    assert "4 citations" in shown
    assert any("Acme Inc." in paragraph.text for paragraph in DocxFile(io.BytesIO(out.read_bytes())).paragraphs)
    code, shown = await hexar("search", "Is a non-compete void?", "-j", "US-CA")
    assert "16600" in shown
    text = tmp_path / "contract.md"
    text.write_text("This Agreement is governed by the laws of Texas.", "utf-8")
    code, shown = await hexar("validate", str(text), "-j", "US-CA")
    assert code == 1
    assert "governing_law failed" in shown
    code, shown = await hexar("types")
    assert code == 0
    assert "service-agreement" in shown
