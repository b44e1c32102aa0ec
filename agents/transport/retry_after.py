"""How long a server asks its callers to wait (RFC 9110, section 10.2.3)."""

import math
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

#: The longest wait that is believed, seconds.
MAX_SECONDS = 3600.0


def retry_after(headers: Mapping[str, str], default: float) -> float:
    """Seconds, from headers with lower-case names; ``default`` where there is no ``Retry-After`` that can be read.

    A date is counted from the ``Date`` of the same answer: the clocks of two machines differ, but not that of one from itself.
    """
    text = headers.get("retry-after", "").strip()
    try:
        seconds = float(text)
    except ValueError:
        until = _seconds_since_1970(text)
        now = _seconds_since_1970(headers.get("date", ""))
        seconds = math.nan if until is None else max(0.0, until - (time.time() if now is None else now))
    return min(seconds, MAX_SECONDS) if seconds >= 0 else default


def _seconds_since_1970(date: str) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
