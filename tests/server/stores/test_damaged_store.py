"""A store file that is damaged ends the start with one line: which file, and what to do."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hexar.server.engine.store import StoreNotReady
from hexar.server.process.app import App
from hexar.server.settings.config import Settings


@pytest.mark.parametrize(
    "content", [b"this is no database\n" * 100, bytes(range(256)) * 64, b"SQLite format 3\0" + b"\xff" * 4096]
)
async def test_a_damaged_store_is_told_with_its_path(settings: Callable[..., Settings], tmp_path: Path, content: bytes) -> None:
    """Whatever stands in it; nothing of it is changed."""
    path = tmp_path / "data" / "store.db"
    path.parent.mkdir()
    path.write_bytes(content)
    app = App(settings())
    try:
        with pytest.raises(StoreNotReady, match=r"store\.db cannot be read as a store .*: restore a backup") as caught:
            await app.start()
    finally:
        await app.stop(0)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == content
