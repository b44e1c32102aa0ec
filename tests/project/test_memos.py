"""What is remembered of a text is bounded in bytes: a bound in number is none where a stranger writes the text."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: Files whose functions are asked for values that the project or the operator writes: tables, templates, certificates, demo goods.
CLOSED = {
    "agents/gear/request/reading.py",
    "agents/legal/corpus/jurisdictions.py",
    "agents/legal/templates/library.py",
    "agents/legal/templates/rendering.py",
    "agents/legal/validation/governing.py",
    "agents/legal/validation/wording/nouns.py",
    "agents/llm/embeddings.py",
    "agents/text/queries.py",
    "agents/vendors/transport/http.py",
    "core/text/small_talk.py",
}


def test_functions_of_texts_are_memos() -> None:
    """Elsewhere in the engine, the agents and the server, nothing is kept by functools.lru_cache."""
    sources = [path for part in ("core", "agents", "server") for path in sorted((ROOT / part).rglob("*.py"))]
    used = {path.relative_to(ROOT).as_posix() for path in sources if re.search(r"\blru_cache\(", path.read_text("utf-8"))}
    used = {name for name in used if not name.startswith("server/demo/")}
    assert used - CLOSED == set()
    assert CLOSED - used == set(), "a file of the list has none any more"
