"""The systems that this server answers, and what follows from the list."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hexar.server.engine.system import System, contract, kinds, method_names, tables
from hexar.server.servicers import chat, legal, market, parts, query
from hexar.server.settings.config import Settings

#: One line a system.
SYSTEMS: tuple[System, ...] = (query.SYSTEM, chat.SYSTEM, parts.SYSTEM, market.SYSTEM, legal.SYSTEM)


def settings_type(systems: Iterable[System] = SYSTEMS) -> type[Settings]:
    """The configuration of a server of ``systems``."""
    systems = tuple(systems)
    sections = [system.settings for system in systems if system.settings is not None]
    return Settings.composed(sections, method_names(contract(systems)), (kind.name for kind in kinds(systems)))


#: What the systems of the list keep in the store.
TABLES = tables(SYSTEMS)
_SETTINGS = settings_type()


def make_settings(**values: Any) -> Settings:
    """The configuration of a server of all systems: ``values``, over the environment, over the file.

    Raises ValidationError where a value is wrong, ValueError where the file is.
    """
    return _SETTINGS(**values)
