"""The errors that Hexar raises on purpose. Each class owns its canonical code; the server maps it, nobody else does.

::

    HexarError                       INTERNAL
    ├── InvalidArgument              INVALID_ARGUMENT     field, description
    ├── Unauthenticated              UNAUTHENTICATED
    ├── PermissionDenied             PERMISSION_DENIED
    ├── NotFound                     NOT_FOUND
    ├── AlreadyExists                ALREADY_EXISTS
    ├── FailedPrecondition           FAILED_PRECONDITION
    ├── Aborted                      ABORTED
    ├── ResourceExhausted            RESOURCE_EXHAUSTED   retry_after
    ├── Unavailable                  UNAVAILABLE          retry_after
    │   ├── StreamBroken             UNAVAILABLE          last_seq
    │   └── StoreUnavailable         UNAVAILABLE
    │       └── StoreDamaged         UNAVAILABLE
    ├── DeadlineExceeded             DEADLINE_EXCEEDED
    └── Unimplemented                UNIMPLEMENTED

The text of these errors reaches callers: it never carries exception text of a library, a path, or another tenant's data.
"""

from enum import IntEnum
from typing import ClassVar, TypeVar

E = TypeVar("E", bound=BaseException)


class Code(IntEnum):
    """google.rpc.Code, by number, so that the engine needs no gRPC."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class HexarError(Exception):
    """Base of all errors raised on purpose; ``message`` is safe to show a caller."""

    code: ClassVar[Code] = Code.INTERNAL

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidArgument(HexarError):
    """A request field is not usable. ``violations`` pairs each field path with what is wrong with it."""

    code = Code.INVALID_ARGUMENT

    def __init__(self, field: str, description: str, *more: tuple[str, str]) -> None:
        self.violations: tuple[tuple[str, str], ...] = ((field, description), *more)
        super().__init__("; ".join(f"{name}: {text}" for name, text in self.violations))


class Unauthenticated(HexarError):
    """No credential, or one that does not hold. The text never says which."""

    code = Code.UNAUTHENTICATED

    def __init__(self) -> None:
        super().__init__("a valid bearer token is required")


class PermissionDenied(HexarError):
    """The caller is known but lacks ``scope``."""

    code = Code.PERMISSION_DENIED

    def __init__(self, scope: str) -> None:
        super().__init__(f"scope {scope} is required")


class NotFound(HexarError):
    """No such thing for this tenant: an unknown id and another tenant's id read the same."""

    code = Code.NOT_FOUND

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"{kind} {name!r} was not found")


class AlreadyExists(HexarError):
    """The name is taken."""

    code = Code.ALREADY_EXISTS


class FailedPrecondition(HexarError):
    """The request is well formed but the state does not allow it; repeating it changes nothing."""

    code = Code.FAILED_PRECONDITION


class Aborted(HexarError):
    """Something else happened meanwhile; begin again from the start."""

    code = Code.ABORTED


class _Retryable(HexarError):
    """An error that may pass: ``retry_after`` seconds (0: at once) are sent as RetryInfo."""

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ResourceExhausted(_Retryable):
    """A rate or a budget of this caller is used up. ``limit`` names it where there are several; told as part of ErrorInfo."""

    code = Code.RESOURCE_EXHAUSTED

    def __init__(self, message: str, retry_after: float = 1.0, *, limit: str = "") -> None:
        super().__init__(message, retry_after)
        self.limit = limit


class Unavailable(_Retryable):
    """The service cannot answer now: overload, draining, or every source down and nothing cached."""

    code = Code.UNAVAILABLE


class StreamBroken(Unavailable):
    """A stream ended before its answer was complete; ``last_seq`` is the last event that was produced."""

    def __init__(self, message: str, last_seq: int, retry_after: float = 1.0) -> None:
        super().__init__(message, retry_after)
        self.last_seq = last_seq


class StoreUnavailable(Unavailable):
    """The store does not answer: what was to be read is not known, what was to be written may or may not be kept."""


class StoreDamaged(StoreUnavailable):
    """The file of the store cannot be read as one; its operator must act."""


class DeadlineExceeded(HexarError):
    """The caller's time is over."""

    code = Code.DEADLINE_EXCEEDED


class Unimplemented(HexarError):
    """The contract has this method, this server does not."""

    code = Code.UNIMPLEMENTED


def without_frames(error: E) -> E:
    """``error``, which keeps nothing alive any more: neither the frames it came through nor the errors behind it."""
    error.__traceback__ = error.__context__ = error.__cause__ = None
    return error
