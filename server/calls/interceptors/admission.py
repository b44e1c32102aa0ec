"""The gate: more calls than the process can carry are refused early, with the time after which to come back.

Calls that only replay from memory are refused last of all: they pass up to a higher limit. No tenant takes more than its share,
so that what one holds open never keeps the others out; where there is one tenant only, its share is the whole.
"""

from __future__ import annotations

from collections import Counter

from hexar.core.errors import ResourceExhausted, Unavailable
from hexar.server.calls.rpc import Call, Handler, Method

#: Share of the limit that is kept for calls that a cache in memory answers.
REPLAY_HEADROOM = 0.25
#: Share of all calls that one tenant of several may hold, and of those the part that may be uploads.
TENANT_SHARE = 0.5
UPLOAD_SHARE = 0.25


class Admission:
    """Counts calls in progress. ``limit`` calls of the systems may work at once; operators' calls always pass.

    ``shared``: there are several tenants, and none may hold more than its share.
    """

    def __init__(self, limit: int, *, shared: bool = False) -> None:
        self.limit = limit
        self.shared = shared
        self._held: Counter[tuple[str, bool]] = Counter()
        self.draining = False
        self.working = 0
        self.inside = 0

    def __call__(self, method: Method, handler: Handler) -> Handler:
        """Guard ``handler``."""
        if method.service.endswith(".OpsService"):
            return handler
        ceiling = int(self.limit * (1 + REPLAY_HEADROOM))
        upload = method.client_streaming
        share = max(1, int(ceiling * TENANT_SHARE)) if self.shared else ceiling
        uploads = max(1, int(share * UPLOAD_SHARE))

        async def admitted(call: Call) -> bytes | None:
            if self.draining:
                raise Unavailable("the server is shutting down", 1.0)
            if self.inside >= ceiling:
                raise ResourceExhausted("too many calls are in progress", 1.0)
            held, key = self._held, (call.tenant, upload)
            if upload and held[key] >= uploads:
                raise ResourceExhausted("too many uploads of this tenant are in progress", 1.0)
            if held[key] + held[(call.tenant, not upload)] >= share:
                raise ResourceExhausted("too many calls of this tenant are in progress", 1.0)
            self.inside += 1
            held[key] += 1
            try:
                return await handler(call)
            finally:
                self.inside -= 1
                held[key] -= 1
                if not held[key]:
                    del held[key]

        return admitted

    def work(self) -> _Work:
        """Enter the part of a call that does more than replay. Raises ResourceExhausted at the limit."""
        if self.working >= self.limit:
            raise ResourceExhausted("too many calls are in progress", 1.0)
        return _Work(self)


class _Work:
    def __init__(self, gate: Admission) -> None:
        self._gate = gate

    def __enter__(self) -> None:
        self._gate.working += 1

    def __exit__(self, *_: object) -> None:
        self._gate.working -= 1
