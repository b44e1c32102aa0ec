"""The exceptions of the SDK; :data:`BY_CODE` is the one table from status to exception.

::

    HexarError
    ├── InvalidArgument      fields: what is wrong with which field
    ├── Unauthenticated
    ├── PermissionDenied
    ├── NotFound
    ├── AlreadyExists
    ├── FailedPrecondition
    ├── Aborted              the run that was being resumed is no longer kept
    ├── ResourceExhausted    retry_after
    ├── Unavailable          retry_after, last_seq
    ├── DeadlineExceeded
    ├── Cancelled
    ├── Unimplemented
    ├── Internal             every other status; reference names it in the server's log
    ├── ClientClosed         a call on a client that was closed; no server saw it
    └── StreamConsumed       a stream that was iterated before; no server saw it
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

DETAILS = "grpc-status-details-bin"
LAST_SEQ = "hexar-last-seq"


class HexarError(Exception):
    """Base of all. ``message`` is the server's text, ``reference`` its id of the error, ``from_server`` whether it sent one."""

    code: ClassVar[grpc.StatusCode] = grpc.StatusCode.UNKNOWN

    def __init__(
        self,
        message: str,
        *,
        fields: Mapping[str, str] | None = None,
        retry_after: float | None = None,
        last_seq: int = 0,
        reference: str = "",
        from_server: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        #: Field path → what is wrong with it.
        self.fields = dict(fields or {})
        #: Seconds after which to try again; None where the server did not say.
        self.retry_after = retry_after
        #: The last event that the server wrote to a stream that broke.
        self.last_seq = last_seq
        self.reference = reference
        self.from_server = from_server


class InvalidArgument(HexarError):
    """A field of the request is not usable."""

    code = grpc.StatusCode.INVALID_ARGUMENT


class Unauthenticated(HexarError):
    """The token is missing or does not hold."""

    code = grpc.StatusCode.UNAUTHENTICATED


class PermissionDenied(HexarError):
    """The token lacks a scope."""

    code = grpc.StatusCode.PERMISSION_DENIED


class NotFound(HexarError):
    """No such thing for this tenant."""

    code = grpc.StatusCode.NOT_FOUND


class AlreadyExists(HexarError):
    """The name is taken."""

    code = grpc.StatusCode.ALREADY_EXISTS


class FailedPrecondition(HexarError):
    """The state does not allow it; repeating changes nothing."""

    code = grpc.StatusCode.FAILED_PRECONDITION


class Aborted(HexarError):
    """The run that was being resumed is no longer kept; ask again from the start."""

    code = grpc.StatusCode.ABORTED


class ResourceExhausted(HexarError):
    """A rate or a budget is used up."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED


class Unavailable(HexarError):
    """The server cannot be reached, or cannot answer now."""

    code = grpc.StatusCode.UNAVAILABLE


class DeadlineExceeded(HexarError):
    """The time given to the call is over."""

    code = grpc.StatusCode.DEADLINE_EXCEEDED


class Cancelled(HexarError):
    """The call was cancelled."""

    code = grpc.StatusCode.CANCELLED


class Unimplemented(HexarError):
    """The server does not answer this method."""

    code = grpc.StatusCode.UNIMPLEMENTED


class Internal(HexarError):
    """A fault of the server, or a status that has no exception of its own."""

    code = grpc.StatusCode.INTERNAL


class ClientClosed(HexarError):
    """The client was closed before the call."""


class StreamConsumed(HexarError):
    """The stream was iterated before; its events come once. Ask again for another one."""


#: The one table from status to exception.
BY_CODE: Mapping[grpc.StatusCode, type[HexarError]] = {
    error.code: error
    for error in (
        InvalidArgument, Unauthenticated, PermissionDenied, NotFound, AlreadyExists, FailedPrecondition, Aborted,
        ResourceExhausted, Unavailable, DeadlineExceeded, Cancelled, Unimplemented, Internal,
    )
}  # fmt: skip


def convert(code: grpc.StatusCode, message: str | None, trailers: Iterable[Any] | None) -> HexarError:
    """The exception of a status. This is the only place where one becomes the other."""
    values = dict(trailers or ())
    fields: dict[str, str] = {}
    retry_after: float | None = None
    reference = ""
    details = values.get(DETAILS)
    if isinstance(details, bytes):
        try:
            status = status_pb2.Status.FromString(details)
        except DecodeError:
            status = status_pb2.Status()
        for detail in status.details:
            bad, retry, info = error_details_pb2.BadRequest(), error_details_pb2.RetryInfo(), error_details_pb2.ErrorInfo()
            if detail.Unpack(bad):
                fields.update((violation.field, violation.description) for violation in bad.field_violations)
            elif detail.Unpack(retry):
                retry_after = retry.retry_delay.ToMicroseconds() / 1e6
            elif detail.Unpack(info):
                reference = info.metadata.get("reference", "")
    last_seq = str(values.get(LAST_SEQ, "0"))
    return BY_CODE.get(code, Internal)(
        message or code.name,
        fields=fields,
        retry_after=retry_after,
        last_seq=int(last_seq) if last_seq.isdigit() else 0,
        reference=reference,
        from_server=isinstance(details, bytes),
    )


def convert_rpc(error: grpc.RpcError) -> HexarError:
    """The exception of an error that grpc or grpc.aio raised."""
    code = error.code() or grpc.StatusCode.UNKNOWN
    return convert(code, error.details(), error.trailing_metadata())
