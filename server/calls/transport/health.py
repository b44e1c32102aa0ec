"""The standard health and reflection services, as handlers by path. Both answer without a token and are never refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message
from grpc_health.v1 import health_pb2
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha._async import ReflectionServicer

#: The types that describe this module know neither ``List`` nor its messages.
_pb2: Any = health_pb2

HEALTH = "grpc.health.v1.Health"
#: Both names of the reflection service; their messages are the same on the wire.
REFLECTION = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")
#: Services that ``List`` names at most, as its protocol has it.
MAX_LISTED = 100

#: Handlers by path.
Handlers = dict[str, Any]
M = TypeVar("M", bound=Message)


class Health(HealthServicer):
    """The health of this process's services; with ``List``, which grpcio's own leaves out."""

    async def List(self, request: Any, context: Any) -> Any:
        """Every service by its full name, and the process as a whole under the empty name."""
        states = dict(list(self._server_status.items())[:MAX_LISTED])
        return _pb2.HealthListResponse(
            statuses={name: health_pb2.HealthCheckResponse(status=status) for name, status in states.items()}
        )

    _server_status: dict[str, Any]

    def handlers(self) -> Handlers:
        """Handlers by path."""
        unary, stream = grpc.unary_unary_rpc_method_handler, grpc.unary_stream_rpc_method_handler
        answer = health_pb2.HealthCheckResponse.SerializeToString
        return {
            f"/{HEALTH}/Check": unary(_checked(self.Check), _read(health_pb2.HealthCheckRequest), answer),
            f"/{HEALTH}/Watch": stream(_checked(self.Watch), _read(health_pb2.HealthCheckRequest), answer),
            f"/{HEALTH}/List": unary(
                _checked(self.List), _read(_pb2.HealthListRequest), _pb2.HealthListResponse.SerializeToString
            ),
        }


def reflection(names: Sequence[str]) -> Handlers:
    """The reflection service over the services of ``names``, under both of its names."""
    handler = grpc.stream_stream_rpc_method_handler(
        ReflectionServicer(names).ServerReflectionInfo,
        # What is no request is answered as one that asks for nothing: with an error in the stream.
        request_deserializer=lambda data: (
            _read(reflection_pb2.ServerReflectionRequest)(data) or reflection_pb2.ServerReflectionRequest()
        ),
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    return {f"/{name}/ServerReflectionInfo": handler for name in REFLECTION}


def _read(message: type[M]) -> Callable[[bytes], M | None]:
    """Reads ``message``; None for bytes that are none, where grpcio would answer UNKNOWN with the exception's text."""

    def read(data: bytes) -> M | None:
        try:
            return message.FromString(data)
        except DecodeError:
            return None

    return read


def _checked(method: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    async def checked(request: Any, context: Any) -> Any:
        if request is None:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the bytes are not a request of this method")
        return await method(request, context)

    return checked


def handlers(health: Health, services: Sequence[str] | None = None) -> Mapping[str, Any]:
    """Health, and reflection over ``services`` where they are given."""
    known = {} if services is None else reflection([*services, HEALTH, *REFLECTION])
    return {**health.handlers(), **known}
