"""The outermost interceptor ends every call, and every exception becomes a status, also one raised in the middle of a stream.

Our own errors carry their code and a text that is safe to show. Anything else is a bug of ours: the caller gets INTERNAL with
an error id, the log gets the exception under the same id.
"""

from __future__ import annotations

import asyncio
import os

import grpc
import structlog
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from hexar.core.errors import Code, HexarError, InvalidArgument, without_frames
from hexar.server.calls.rpc import DRAIN_BYTES, DRAIN_STRANGER_BYTES, Call, Handler, Method

log = structlog.get_logger(__name__)

DOMAIN = "hexar"
_STRANGERS = frozenset({Code.UNAUTHENTICATED, Code.PERMISSION_DENIED})
STATUS = {code.value[0]: code for code in grpc.StatusCode}


def errors(method: Method, handler: Handler) -> Handler:
    """Map exceptions of ``handler`` to statuses."""

    async def call_with_errors(call: Call) -> bytes | None:
        try:
            async with call.limited():
                await call.finish(await handler(call))
        except asyncio.CancelledError:
            raise
        except HexarError as error:
            await fail(call, error)
            # Its frames may hold what holds the error: a cycle for each such call.
            without_frames(error)
        except TimeoutError:
            await fail(call, call.overdue())
        except Exception as error:
            if _is_abort(error):
                raise
            error_id = os.urandom(8).hex()
            log.error("internal_error", error_id=error_id, method=method.path, request_id=call.request_id, exc_info=error)
            await fail(call, HexarError(f"internal error {error_id}"), error_id=error_id)
        return None

    return call_with_errors


async def fail(call: Call, error: HexarError, *, error_id: str = "") -> None:
    """End ``call`` with the status of ``error`` and its details as google.rpc messages."""
    status = status_pb2.Status(code=int(error.code), message=error.message)
    for detail in details(error, error_id or call.request_id):
        packed = any_pb2.Any()
        packed.Pack(detail)
        status.details.append(packed)
    trailers: list[tuple[str, str | bytes]] = [*call.trailers, ("grpc-status-details-bin", status.SerializeToString())]
    if call.method.server_streaming:
        trailers.append(("hexar-last-seq", str(max(call.last_seq, getattr(error, "last_seq", 0)))))
    await call.drain(DRAIN_STRANGER_BYTES if error.code in _STRANGERS else DRAIN_BYTES)
    await call.abort(STATUS[int(error.code)], error.message, trailers)


def details(error: HexarError, reference: str) -> list[Message]:
    """The google.rpc details that belong to ``error``."""
    found: list[Message] = []
    if isinstance(error, InvalidArgument):
        violations = [
            error_details_pb2.BadRequest.FieldViolation(field=field, description=text) for field, text in error.violations
        ]
        found.append(error_details_pb2.BadRequest(field_violations=violations))
    retry_after = getattr(error, "retry_after", None)
    if retry_after is not None and error.code in (Code.UNAVAILABLE, Code.RESOURCE_EXHAUSTED):
        delay = duration_pb2.Duration()
        delay.FromMicroseconds(int(retry_after * 1e6))
        found.append(error_details_pb2.RetryInfo(retry_delay=delay))
    metadata = {"reference": reference}
    if limit := getattr(error, "limit", ""):
        metadata["limit"] = limit
    found.append(error_details_pb2.ErrorInfo(reason=type(error).__name__, domain=DOMAIN, metadata=metadata))
    return found


def _is_abort(error: Exception) -> bool:
    # gRPC's own exception for a status that was already set; it must pass.
    return isinstance(error, (grpc.aio.AbortError, grpc.aio.BaseError))
