"""Counts and times of every call. A cancelled or failed call is counted with its code and its time is left out."""

from __future__ import annotations

import asyncio
import time

from hexar.core.errors import HexarError
from hexar.core.telemetry.metrics import Metrics
from hexar.server.calls.rpc import Call, Handler, Method


class Observe:
    """The interceptor over ``metrics``."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def __call__(self, method: Method, handler: Handler) -> Handler:
        """Observe the calls of ``handler``."""
        metrics, path = self._metrics, method.path

        async def observed(call: Call) -> bytes | None:
            metrics.in_flight += 1
            code = "OK"
            try:
                return await handler(call)
            except HexarError as error:
                code = error.code.name
                raise
            except asyncio.CancelledError:
                # The deadline of the call cancels it from within; what is left of it tells the two apart.
                code = "DEADLINE_EXCEEDED" if call.deadline.expired else "CANCELLED"
                raise
            except Exception:
                code = "INTERNAL"
                raise
            finally:
                metrics.in_flight -= 1
                first = None if call.first_event_at is None else call.first_event_at - call.started
                metrics.request_ended(path, code, time.monotonic() - call.started, first)

        return observed
