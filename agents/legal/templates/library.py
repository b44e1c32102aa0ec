"""All document types: those that ship, and those that were imported."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import orjson
import sqlalchemy as sa
import yaml
from rapidfuzz import fuzz, process

from hexar.agents.legal.tables import document_types
from hexar.agents.legal.templates.model import DocumentType, read_type, to_row
from hexar.agents.legal.templates.rendering import check_type
from hexar.core.cache.versions import Versions
from hexar.core.cachekey import normalize_text
from hexar.core.store import Database, insert_or

#: The folder of the types that ship.
SHIPPED = Path(__file__).parent.parent / "demo" / "types"
#: The version that an import of types raises.
DEPENDENCY = "legal_types"


@lru_cache(maxsize=1)
def shipped() -> tuple[DocumentType, ...]:
    """The types that ship, by name and language."""
    found = [read_type(yaml.safe_load(path.read_text("utf-8"))) for path in sorted(SHIPPED.glob("*.yaml"))]
    for kind in found:
        check_type(kind)
    return tuple(found)


class Library:
    """Document types by name. Imported ones take the place of shipped ones of the same name and language.

    Thread-safety: all methods may be called from any thread; they block on the store where types were imported since.
    """

    def __init__(self, database: Database, versions: Versions) -> None:
        self._database = database
        self._versions = versions
        self._lock = threading.Lock()
        self._read = -1
        self._types: dict[str, dict[str, DocumentType]] = {}

    def types(self) -> dict[str, dict[str, DocumentType]]:
        """name → language → type; the default language first."""
        version = self._versions.get(DEPENDENCY)
        with self._lock:
            if self._read != version:
                found: dict[str, dict[str, DocumentType]] = {}
                for kind in (*shipped(), *self._imported()):
                    found.setdefault(kind.name, {})[kind.language] = kind
                self._types = {name: found[name] for name in sorted(found)}
                self._read = version
            return self._types

    def find(self, name: str) -> dict[str, DocumentType] | None:
        """A type by name or alias, in all its languages."""
        types = self.types()
        wanted = re.sub(r"[\s_]+", "-", normalize_text(name))
        if wanted in types:
            return types[wanted]
        for held in types.values():
            for kind in held.values():
                names = {re.sub(r"[\s_]+", "-", normalize_text(alias)) for alias in (*kind.aliases, kind.title)}
                if wanted in names:
                    return held
        return None

    def nearest(self, name: str) -> list[str]:
        """Up to three names that ``name`` may have meant."""
        spellings: dict[str, str] = {}
        for key, held in self.types().items():
            for kind in held.values():
                spellings |= dict.fromkeys((key.replace("-", " "), normalize_text(kind.title), *kind.aliases), key)
        found = process.extract(normalize_text(name).replace("-", " "), list(spellings), scorer=fuzz.WRatio, limit=9)
        return list(dict.fromkeys(spellings[row[0]] for row in found))[:3]

    def named_in(self, text: str) -> list[str]:
        """Types whose title or alias stands in a request, the one of the longest name first."""
        folded = f" {normalize_text(text)} "
        found: dict[str, int] = {}
        for key, held in self.types().items():
            for kind in held.values():
                for name in (kind.title, key.replace("-", " "), *kind.aliases):
                    if re.search(rf"(?<!\w){re.escape(normalize_text(name))}(?!\w)", folded):
                        found[key] = max(found.get(key, 0), len(name))
        return sorted(found, key=lambda key: (-found[key], key))

    def keep(self, types: Sequence[DocumentType]) -> None:
        """Keep imported types, at once for later requests."""
        with self._database.write() as connection:
            for kind in types:
                record = orjson.dumps(to_row(kind)).decode()
                statement = insert_or(connection, document_types).values(name=kind.name, language=kind.language, record=record)
                connection.execute(
                    statement.on_conflict_do_update(index_elements=["name", "language"], set_={"record": record})
                )
        self._versions.bump(DEPENDENCY)

    def _imported(self) -> list[DocumentType]:
        statement = sa.select(document_types.c.record).order_by(document_types.c.name, document_types.c.language)
        with self._database.read() as connection:
            return [read_type(orjson.loads(record)) for (record,) in connection.execute(statement)]
