"""What every command shares: the connection, and how messages print."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import typer
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from hexar_client._rpc.stream import Event
from hexar_client.client import Client


@dataclass(frozen=True, slots=True)
class Target:
    """Where the commands connect to."""

    server: str
    token: str
    tls: bool

    def open(self) -> Client:
        """A client of it."""
        return Client(self.server, token=self.token, tls=self.tls)


def client(context: typer.Context) -> Client:
    """The client of a command's context."""
    target: Target = context.obj
    return target.open()


def plain(message: Message) -> dict[str, Any]:
    """A message as JSON values, with the names of the contract."""
    values: dict[str, Any] = MessageToDict(message, preserving_proto_field_name=True)
    return values


def print_event(event: Event[Any, Any]) -> None:
    """One event as one line of JSON."""
    print(json.dumps({"seq": event.seq, event.kind: plain(event.body)}, ensure_ascii=False), flush=True)


def print_message(message: Message) -> None:
    """A message as indented JSON."""
    print(json.dumps(plain(message), ensure_ascii=False, indent=2))
