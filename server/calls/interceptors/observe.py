"""Counts and times of every call, the list of the last ones, and a line of the log for each.

A cancelled or failed call is counted with its code and its time is left out.
"""

from __future__ import annotations

import asyncio
import time

from hexar.core.errors import HexarError
from hexar.core.telemetry.calls import CallRecord
from hexar.core.telemetry.metrics import Metrics
from hexar.core.telemetry.tracing import enabled, span
from hexar.server.calls.rpc import Call, Handler, Method


class Observe:
    """The interceptor over ``metrics``."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def __call__(self, method: Method, handler: Handler) -> Handler:
        """Observe the calls of ``handler``."""
        metrics, path = self._metrics, method.path
        # A page that looks at the figures every second would soon be all that is seen of the last calls.
        remembered = not method.service.endswith(".OpsService")

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
                seconds = time.monotonic() - call.started
                first = None if call.first_event_at is None else call.first_event_at - call.started
                record = CallRecord(
                    time.time(), path, code, seconds, first, call.request_id, call.tenant, call.cache, call.tier
                )
                metrics.call_ended(record, remembered=remembered)

        async def traced(call: Call) -> bytes | None:
            carried = {"traceparent": call.text("traceparent"), "tracestate": call.text("tracestate")}
            with span(
                path, carried, **{"rpc.system": "grpc", "rpc.service": method.service, "rpc.method": method.name}
            ) as made:
                try:
                    return await observed(call)
                finally:
                    if made is not None:
                        made.set_attribute("hexar.request_id", call.request_id)
                        made.set_attribute("hexar.cache", call.cache)

        return traced if enabled() else observed
