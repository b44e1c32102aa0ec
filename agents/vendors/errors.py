"""What can go wrong between us and a vendor. The pipeline names the missing vendor and why, and shows only ``message``.

::

    hexar.core.errors.Unavailable
    └── VendorError                failure        retryable  counts_as_failure
        ├── VendorTimeout          "timeout"      yes        when the vendor had a fair time to answer
        ├── VendorUnreachable      "unreachable"  yes        yes
        ├── VendorStatus           "status"       429, 5xx   429, 5xx
        ├── VendorMalformed        "malformed"    no         yes
        ├── VendorRefused          "refused"      no         no
        └── VendorCancelled        "cancelled"    no         no

``retryable`` says that the same call may succeed a moment later; ``counts_as_failure`` that the circuit breaker of the
vendor counts it. Messages hold the vendor's configured name and our own words: no library's text, no page content.
"""

from __future__ import annotations

from typing import ClassVar

from hexar.core.errors import Unavailable


class VendorError(Unavailable):
    """Base of everything that makes a vendor's answer missing. ``vendor`` is its configured name."""

    failure: ClassVar[str] = "unreachable"
    retryable: bool = False
    counts_as_failure: bool = True

    def __init__(self, vendor: str, reason: str, retry_after: float = 0.0) -> None:
        super().__init__(f"vendor {vendor}: {reason}", retry_after)
        self.vendor = vendor
        self.reason = reason


class VendorTimeout(VendorError):
    """Time was over before the answer was complete. ``fair`` is False when the caller left the vendor too little of it."""

    failure = "timeout"
    retryable = True

    def __init__(self, vendor: str, reason: str = "did not answer in time", *, fair: bool = True) -> None:
        super().__init__(vendor, reason)
        self.counts_as_failure = fair


class VendorUnreachable(VendorError):
    """The name did not resolve, the connection or the TLS handshake failed, or the connection broke."""

    failure = "unreachable"
    retryable = True


class VendorStatus(VendorError):
    """An HTTP ``status`` that is not a success; ``retry_after`` seconds where the vendor named them, else 0."""

    failure = "status"

    def __init__(self, vendor: str, status: int, retry_after: float = 0.0) -> None:
        super().__init__(vendor, f"answered with status {status}", retry_after)
        self.status = status
        self.retryable = status in (408, 429) or status >= 500
        self.counts_as_failure = self.retryable


class VendorMalformed(VendorError):
    """The answer is not what the adapter's format promises, or is larger than allowed."""

    failure = "malformed"


class VendorRefused(VendorError):
    """We refused to go there: a private address, a forbidden port or scheme, a bad URL, too many redirects."""

    failure = "refused"
    counts_as_failure = False


class VendorCancelled(VendorError):
    """Nobody waits for the answer any more."""

    failure = "cancelled"
    counts_as_failure = False
