"""Reading large pages in another process: an HTML parser takes quadratic time for some, and holds the interpreter meanwhile.

A small page is read where it is: the worst of it takes some hundredths of a second. A task is JSON and so is its answer.
"""

from __future__ import annotations

from dataclasses import asdict

import orjson

from hexar.agents.transport.cancel import Cancel as CancelCall
from hexar.agents.vendors.errors import VendorCancelled, VendorMalformed
from hexar.agents.vendors.model import Listing
from hexar.agents.vendors.page import reader
from hexar.agents.vendors.page.common import ReadContext
from hexar.agents.vendors.page.reader import PageListings
from hexar.core.deadline import Deadline
from hexar.core.processes import Cancel, ProcessPool, TaskFailed, TaskTimedOut

#: Characters of a page that is read in this process.
SMALL_PAGE = 24_000
#: Seconds and megabytes that one page may take.
SECONDS = 5.0
MEMORY_MB = 1024

_pool = ProcessPool(f"{__name__}:task", processes=2, seconds=SECONDS, memory_mb=MEMORY_MB)


def find(html: str, reading: ReadContext, deadline: Deadline, cancel: CancelCall | None = None) -> PageListings:
    """As :func:`hexar.agents.vendors.page.reader.find`. VendorMalformed where the page takes too much, VendorCancelled."""
    if len(html) <= SMALL_PAGE:
        return reader.find(html, reading)
    told = Cancel()
    detach = cancel.attach(told.cancel) if cancel is not None else None
    try:
        head = orjson.dumps(asdict(reading))
        answer = _pool.run(head + b"\n" + html[: reader.MAX_PAGE].encode("utf-8", "replace"), deadline, told)
    except TaskTimedOut:
        if told.cancelled:
            raise VendorCancelled(reading.vendor, "nobody waits any more") from None
        raise VendorMalformed(reading.vendor, "the page takes too long to read") from None
    except TaskFailed:
        raise VendorMalformed(reading.vendor, "the page takes too much memory to read") from None
    finally:
        if detach is not None:
            detach()
    found = orjson.loads(answer)
    return PageListings([Listing.from_json(row) for row in found["listings"]], found["heading"], found["broken"])


def task(payload: bytes) -> bytes:
    """In the other process: one page."""
    head, _, html = payload.partition(b"\n")
    try:
        found = reader.find(html.decode(), ReadContext(**orjson.loads(head)))
    except RecursionError:
        found = PageListings([], "", broken=True)
    rows = [listing.to_json() for listing in found.listings]
    return orjson.dumps({"listings": rows, "heading": found.heading, "broken": found.broken})
