"""What every command shares: where it connects to, how an error reads, and the question before something is removed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from hexar_client.client import AsyncClient, Client
    from hexar_client.commands.output import Form

#: Exit code where a part was rejected and the rest was done.
REJECTED = 3

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Watch = Annotated[bool, typer.Option("--watch", "-w", help="Show it anew every two seconds, until Ctrl-C.")]
WATCH_SECONDS = 2.0


@dataclass(slots=True)
class Target:
    """Where the commands connect to, and how they print."""

    server: str
    token: str = ""
    tls: bool = False
    authority: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    form: Form | None = None

    def open(self) -> Client:
        """A client of it. Raises OSError where a file cannot be read."""
        from hexar_client.client import Client

        tls, pair = self._security()
        return Client(self.server, token=self.token, tls=tls, certificate=pair)

    def open_async(self) -> AsyncClient:
        """As :meth:`open`, for an event loop."""
        from hexar_client.client import AsyncClient

        tls, pair = self._security()
        return AsyncClient(self.server, token=self.token, tls=tls, certificate=pair)

    def _security(self) -> tuple[bool | bytes, tuple[bytes, bytes] | None]:
        tls: bool | bytes = self.authority.read_bytes() if self.authority is not None else self.tls
        pair = (self.key.read_bytes(), self.certificate.read_bytes()) if self.certificate and self.key else None
        return tls or pair is not None, pair


def fail(text: str, code: int = 1) -> typer.Exit:
    """The end of a command that cannot go on, said in one line."""
    from hexar_client.commands.output import visible

    typer.echo(f"hexar: {visible(text)}", err=True)
    return typer.Exit(code)


@contextmanager
def client(context: typer.Context) -> Iterator[Client]:
    """A client for a command; what goes wrong with its calls is one line, and exit code 1."""
    from hexar_client.errors import HexarError

    target: Target = context.obj
    try:
        with target.open() as made:
            yield made
    except HexarError as error:
        raise fail(explain(error, target.server)) from None
    except ValueError as error:
        raise fail(str(error)) from None


#: What gRPC says where something listens that speaks TLS and we do not, or the other way round.
_OTHER_WIRE = ("handshake", "socket closed", "connection reset", "ssl", "goaway")


def explain(error: Exception, server: str) -> str:
    """An error of the SDK in words, with what to do about it where that is known."""
    from hexar_client.errors import DeadlineExceeded, HexarError, NotFound, PermissionDenied, Unauthenticated, Unavailable

    if isinstance(error, Unavailable) and not error.from_server:
        if "certificate_verify_failed" in error.message.lower():
            return f"the certificate of {server} is of no authority that is trusted here: --ca names another"
        if any(word in error.message.lower() for word in _OTHER_WIRE):
            return f"{server} is there, and speaks in another way: is it a Hexar server, and does it want --tls, or none?"
        return f"no server answers at {server}: start one with `hexar serve`, or name another with --server or `hexar context`"
    if isinstance(error, Unauthenticated):
        return f"{server} wants a token: give --token or HEXAR_TOKEN ({error.message})"
    if isinstance(error, PermissionDenied):
        return f"the token may not do this: {error.message}"
    if isinstance(error, DeadlineExceeded):
        return "it took longer than it may; --timeout gives it more time where the command has it"
    if isinstance(error, NotFound) and error.message.startswith("catalogue "):
        return f"{error.message}: `hexar import parts` reads one into the server's store, `hexar import demo` a small one"
    if isinstance(error, HexarError):
        wrong = "; ".join(f"{name}: {text}" for name, text in error.fields.items() if text not in error.message)
        later = f" (again in {error.retry_after:g} s)" if error.retry_after else ""
        return f"{error.message}{f' ({wrong})' if wrong else ''}{later}"
    return str(error)


def confirm(question: str, yes: bool) -> None:
    """Ask before something is removed; where nobody can answer, ``--yes`` has to be said."""
    if yes:
        return
    if not os.isatty(0):
        raise fail(f"{question} Nobody is there to say so: give --yes", 2)
    if not typer.confirm(question):
        raise typer.Exit(1)
