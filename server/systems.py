"""The systems that this server answers, and what follows from the list."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from google.protobuf.descriptor import FileDescriptor

from hexar.core.cache import Kind
from hexar.core.store import Tables
from hexar.server.config import Settings
from hexar.server.contract import method_names
from hexar.server.servicers import chat, legal, market, parts, query
from hexar.server.system import System
from hexar.v1 import ops_pb2

#: One line a system.
SYSTEMS: tuple[System, ...] = (query.SYSTEM, chat.SYSTEM, parts.SYSTEM, market.SYSTEM, legal.SYSTEM)


def tables(systems: Iterable[System] = SYSTEMS) -> tuple[Tables, ...]:
    """What the systems keep in the store."""
    return tuple(system.tables for system in systems if system.tables is not None)


def kinds(systems: Iterable[System] = SYSTEMS) -> tuple[Kind, ...]:
    """What the systems cache."""
    return tuple(kind for system in systems for kind in system.kinds)


def contract(systems: Iterable[System] = SYSTEMS) -> tuple[FileDescriptor, ...]:
    """The files of every service: those of the systems, answered or not, and the operators' own."""
    return (*(file for system in systems for file in system.services), ops_pb2.DESCRIPTOR)


def settings_type(systems: Iterable[System] = SYSTEMS) -> type[Settings]:
    """The configuration of a server of ``systems``."""
    systems = tuple(systems)
    sections = [system.settings for system in systems if system.settings is not None]
    return Settings.composed(sections, method_names(contract(systems)), (kind.name for kind in kinds(systems)))


_SETTINGS = settings_type()


def make_settings(**values: Any) -> Settings:
    """The configuration of a server of all systems: ``values``, over the environment, over the file.

    Raises ValidationError where a value is wrong, ValueError where the file is.
    """
    return _SETTINGS(**values)
