"""Calls of the server's own RPCs, from JSON to JSON, over a real channel and with the caller's own token."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

import grpc
from google.protobuf import json_format, message_factory
from google.protobuf.descriptor import FileDescriptor, MethodDescriptor

#: Seconds that a call of the console may take, and a look at the figures.
RUN_SECONDS, LOOK_SECONDS = 120.0, 10.0


class BadRequest(Exception):
    """What the page asked for cannot be sent; the text says why."""


class Bridge:
    """Methods of ``files`` over ``channel``."""

    def __init__(self, channel: grpc.aio.Channel, files: Iterable[FileDescriptor]) -> None:
        self._channel = channel
        self._methods: dict[str, MethodDescriptor] = {
            f"{service.full_name}/{method.name}": method
            for file in files
            for service in file.services_by_name.values()
            for method in service.methods
        }

    @property
    def runnable(self) -> list[str]:
        """What the console may call: methods that answer one request with a stream, but for the operators' own."""
        return [
            path
            for path, method in self._methods.items()
            if method.server_streaming and not method.client_streaming and ".OpsService/" not in path
        ]

    async def ask(self, path: str, request: Mapping[str, Any], token: str) -> dict[str, Any]:
        """The answer of a unary method. Raises grpc.aio.AioRpcError."""
        method = self._methods[path]
        call: Any = self._channel.unary_unary(
            f"/{path}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=message_factory.GetMessageClass(method.output_type).FromString,
        )
        answer = await call(_message(method, request), timeout=LOOK_SECONDS, metadata=_metadata(token))
        return _shown(answer)

    async def run(self, path: str, request: Mapping[str, Any], token: str) -> AsyncIterator[dict[str, Any]]:
        """The events of a streaming method with the milliseconds after which each came, then how it ended.

        Raises BadRequest before anything is sent.
        """
        if path not in self.runnable:
            raise BadRequest("the console does not call this method")
        method = self._methods[path]
        sent = _message(method, request)
        return self._events(path, method, sent, token)

    async def _events(self, path: str, method: MethodDescriptor, sent: Any, token: str) -> AsyncIterator[dict[str, Any]]:
        stream: Any = self._channel.unary_stream(
            f"/{path}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=message_factory.GetMessageClass(method.output_type).FromString,
        )
        begun = time.perf_counter()
        call = stream(sent, timeout=RUN_SECONDS, metadata=_metadata(token))
        try:
            async for event in call:
                yield {"ms": _since(begun), "event": _shown(event)}
        except grpc.aio.AioRpcError:
            pass
        finally:
            call.cancel()
        yield {
            "ms": _since(begun),
            "code": (await call.code()).name,
            "message": await call.details(),
            "metadata": _texts(await call.initial_metadata()) | _texts(await call.trailing_metadata()),
        }


def _message(method: MethodDescriptor, request: Mapping[str, Any]) -> Any:
    try:
        return json_format.ParseDict(dict(request), message_factory.GetMessageClass(method.input_type)())
    except json_format.ParseError as error:
        raise BadRequest(str(error)) from None


def _shown(message: Any) -> dict[str, Any]:
    return json_format.MessageToDict(message, preserving_proto_field_name=True)


def _metadata(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", token),) if token else ()


def _texts(metadata: Any) -> dict[str, str]:
    return {name: value for name, value in metadata or () if isinstance(value, str)}


def _since(begun: float) -> float:
    return round((time.perf_counter() - begun) * 1000, 1)
