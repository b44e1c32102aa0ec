"""The Python SDK of Hexar.

Synchronous::

    from hexar_client import Client

    with Client("localhost:50051") as client:
        for event in client.query("beginner snowboard under $400"):
            print(event.kind, event.body)

Asynchronous: the same names on :class:`AsyncClient`. Streams resume by themselves after a lost connection; errors are the
exceptions of :mod:`hexar_client.errors`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hexar_client._rpc.stream import Event, Restarted
    from hexar_client.client import AsyncClient, Client
    from hexar_client.errors import (
        Aborted,
        AlreadyExists,
        Cancelled,
        ClientClosed,
        DeadlineExceeded,
        FailedPrecondition,
        HexarError,
        Internal,
        InvalidArgument,
        NotFound,
        PermissionDenied,
        ResourceExhausted,
        StreamConsumed,
        Unauthenticated,
        Unavailable,
        Unimplemented,
    )
    from hexar_client.gear import QueryEvents, Ranking, filters, money

__all__ = [
    "Aborted",
    "AlreadyExists",
    "AsyncClient",
    "Cancelled",
    "Client",
    "ClientClosed",
    "DeadlineExceeded",
    "Event",
    "FailedPrecondition",
    "HexarError",
    "Internal",
    "InvalidArgument",
    "NotFound",
    "PermissionDenied",
    "QueryEvents",
    "Ranking",
    "ResourceExhausted",
    "Restarted",
    "StreamConsumed",
    "Unauthenticated",
    "Unavailable",
    "Unimplemented",
    "filters",
    "money",
]

_PLACES = {
    "Event": "_rpc.stream",
    "Restarted": "_rpc.stream",
    "AsyncClient": "client",
    "Client": "client",
    **dict.fromkeys(("QueryEvents", "Ranking", "filters", "money"), "gear"),
}


def __getattr__(name: str) -> Any:
    # The command prints its help without gRPC: what is named here is imported when it is first asked for.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_PLACES.get(name, 'errors')}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
