"""The gate: more calls than the process can carry are refused early, with the time after which to come back.

What is refused first and last: bulk work (uploads, and calls that say ``hexar-priority: bulk``) at a share of the limit,
interactive work at the limit, and calls that only replay from memory at a higher one; health and operators' calls pass always.
The limit follows what the event loop can carry, up to the configured number (:mod:`hexar.core.resilience.gradient`).

No tenant takes more than its share, so that what one holds open never keeps the others out; where there is one tenant only,
its share is the whole.
"""

from __future__ import annotations

from hexar.core.errors import ResourceExhausted, Unavailable
from hexar.core.resilience.gradient import GradientLimit
from hexar.server.calls.rpc import Call, Handler, Method

#: Share of the limit that is kept for calls that a cache in memory answers.
REPLAY_HEADROOM = 0.25
#: Calls of headroom at least: where the limit is small, a burst that is about to be refused would keep replays out meanwhile.
REPLAY_ROOM = 64
#: Share of the limit beyond which bulk work is refused.
BULK_SHARE = 0.7
#: Share of all calls that one tenant of several may hold, and of those the part that may be uploads.
TENANT_SHARE = 0.5
UPLOAD_SHARE = 0.25
#: What a caller says of work that can wait, and how.
PRIORITY = "hexar-priority"
BULK = "bulk"
#: Seconds after which refused interactive and bulk calls are told to come back.
COME_BACK = 1.0
COME_BACK_BULK = 5.0


class Admission:
    """Counts calls in progress. At most ``limit`` calls of the systems work at once; operators' calls always pass.

    ``shared``: there are several tenants, and none may hold more than its share.
    """

    def __init__(self, limit: int, *, shared: bool = False) -> None:
        self.gradient = GradientLimit(limit)
        self.shared = shared
        #: Calls in progress by tenant, uploads apart from the rest.
        self._held: dict[tuple[str, bool], int] = {}
        self.draining = False
        self.working = 0
        self.inside = 0

    def __call__(self, method: Method, handler: Handler) -> Handler:
        """Guard ``handler``."""
        if method.service.endswith(".OpsService"):
            return handler
        whole = int(self.gradient.maximum * (1 + REPLAY_HEADROOM))
        ceiling = max(whole, self.gradient.maximum + REPLAY_ROOM)
        upload = method.client_streaming
        share = max(1, int(whole * TENANT_SHARE)) if self.shared else ceiling
        uploads = max(1, int(min(share, whole) * UPLOAD_SHARE))
        # A stream of the server's works only where its answer is not at hand; it says so itself.
        works = not method.server_streaming

        async def admitted(call: Call) -> bytes | None:
            if self.draining:
                raise Unavailable("the server is shutting down", 1.0)
            if self.inside >= ceiling:
                raise ResourceExhausted("too many calls are in progress", COME_BACK, limit="calls")
            held, key = self._held, (call.tenant, upload)
            mine = held.get(key, 0)
            if upload and mine >= uploads:
                raise ResourceExhausted("too many uploads of this tenant are in progress", COME_BACK, limit="tenant uploads")
            if mine + held.get((call.tenant, not upload), 0) >= share:
                raise ResourceExhausted("too many calls of this tenant are in progress", COME_BACK, limit="tenant calls")
            self.inside += 1
            held[key] = mine + 1
            try:
                if not works:
                    return await handler(call)
                with self.work(call):
                    return await handler(call)
            finally:
                self.inside -= 1
                held[key] -= 1
                if not held[key]:
                    del held[key]

        return admitted

    def work(self, call: Call) -> _Work:
        """Enter the part of ``call`` that does more than replay. Raises ResourceExhausted at its limit."""
        limit = self.gradient.value
        if self.working >= limit:
            raise ResourceExhausted("too many calls are in progress", COME_BACK, limit="work")
        if self.working >= limit * BULK_SHARE and (call.method.client_streaming or call.text(PRIORITY) == BULK):
            raise ResourceExhausted("too much work is in progress for bulk work", COME_BACK_BULK, limit="bulk work")
        return _Work(self)

    def observe(self, delay: float) -> None:
        """Take in by how much the event loop was late, seconds."""
        self.gradient.sample(delay, self.working)


class _Work:
    def __init__(self, gate: Admission) -> None:
        self._gate = gate

    def __enter__(self) -> None:
        self._gate.working += 1

    def __exit__(self, *_: object) -> None:
        self._gate.working -= 1
