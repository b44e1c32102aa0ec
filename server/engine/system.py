"""What an answer system is to the server: one declaration, and one object that answers its calls.

A system stands in one list (:mod:`hexar.server.systems`); the engine, the store, the cache and the configuration learn of it
from its declaration alone. docs/how-to/systems.md shows how one is added.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from google.protobuf.descriptor import FileDescriptor
from prometheus_client.core import Metric
from pydantic import BaseModel

from hexar.core.cache import Kind
from hexar.core.jobs.model import Handler as JobHandler
from hexar.core.store import Tables
from hexar.server.calls.rpc import Handler
from hexar.server.engine import Engine, WarmJob
from hexar.server.engine.options import Option
from hexar.v1 import ops_pb2


class Servicer(ABC):
    """A running system: the handlers of its services, and what it adds to the engine beside them.

    It is made before the engine opens, where nothing may be asked of the store yet, in servers as well as in processes that
    run jobs alone.
    """

    @abstractmethod
    def handlers(self) -> Mapping[str, Handler]:
        """Handlers by method path ("hexar.v1.QueryService/Query")."""

    def jobs(self) -> Mapping[str, JobHandler]:
        """What runs background jobs, by kind of job; on a worker thread."""
        return {}

    def gauges(self) -> Iterable[Metric]:
        """Figures for Prometheus, read whenever somebody asks for them."""
        return ()

    def options(self) -> Iterable[Option]:
        """What an operator may turn off and on while the server runs."""
        return ()

    def vendors(self) -> Iterable[str]:
        """The names of the parties outside that it asks."""
        return ()

    def warm_jobs(self, tenant: str, request: ops_pb2.WarmCacheRequest) -> Iterable[WarmJob]:
        """The jobs that fill caches ahead for ``request``. Raises InvalidArgument where it names what is not there."""
        return ()

    async def open(self) -> None:  # noqa: B027  # most have nothing to open
        """Called on the event loop once the engine is open, before the first call."""

    async def close(self) -> None:  # noqa: B027
        """Called when the last call and job have ended, while the engine is still open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """One answer system.

    ``services`` are the .proto files that hold its services. ``servicer`` makes the object that answers them: None for a
    system that is in the contract only; its calls end as UNIMPLEMENTED. ``kinds`` are what it caches, ``tables`` what it keeps.
    ``settings`` is a model whose fields join the configuration; by convention one field, named like the system, that holds a
    section (``HEXAR_<FIELD>__<NAME>``). The servicer reads it with ``engine.settings.section(TheModel)``.
    """

    name: str
    services: tuple[FileDescriptor, ...]
    servicer: Callable[[Engine], Servicer] | None = None
    kinds: tuple[Kind, ...] = ()
    tables: Tables | None = None
    settings: type[BaseModel] | None = None


def tables(systems: Iterable[System]) -> tuple[Tables, ...]:
    """What the systems keep in the store."""
    return tuple(system.tables for system in systems if system.tables is not None)


def kinds(systems: Iterable[System]) -> tuple[Kind, ...]:
    """What the systems cache."""
    return tuple(kind for system in systems for kind in system.kinds)


def contract(systems: Iterable[System]) -> tuple[FileDescriptor, ...]:
    """The files of every service: those of the systems, answered or not, and the operators' own."""
    return (*(file for system in systems for file in system.services), ops_pb2.DESCRIPTOR)


def method_names(files: Iterable[FileDescriptor]) -> frozenset[str]:
    """Every service ("hexar.v1.OpsService") and every method ("hexar.v1.OpsService/GetStatus") of ``files``."""
    services = [service for file in files for service in file.services_by_name.values()]
    methods = (f"{service.full_name}/{method.name}" for service in services for method in service.methods)
    return frozenset((*(service.full_name for service in services), *methods))
