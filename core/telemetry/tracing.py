"""Spans of OpenTelemetry, where a tracer is given (the extra ``otel``); nothing at all where none is.

One span a call of the server, one for each call of an agent (a vendor, a stage that runs on threads) and one for each answer
of a model, each under the one that caused it. No span holds what a caller wrote.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

_tracer: Any = None


def use(tracer: Any) -> None:
    """Make spans with ``tracer``; None: make none."""
    global _tracer
    _tracer = tracer


def enabled() -> bool:
    """Whether spans are made."""
    return _tracer is not None


@contextmanager
def span(name: str, carried: Mapping[str, str] | None = None, **attributes: str | int | float) -> Iterator[Any]:
    """A span that is current while it lasts. ``carried`` is metadata that may name its parent (``traceparent``)."""
    if _tracer is None:
        yield None
        return
    parent = None
    if carried is not None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        parent = TraceContextTextMapPropagator().extract(carried)
    # The text of an exception may hold what a caller wrote: only its class is told.
    options = {"record_exception": False, "set_status_on_exception": False}
    with _tracer.start_as_current_span(name, context=parent, attributes=attributes, **options) as made:
        try:
            yield made
        except BaseException as error:
            _failed(made, type(error).__name__)
            raise


def begin(name: str, **attributes: str | int | float) -> Any:
    """A span under the current one that never becomes current: for what is handed over piece by piece. None where off."""
    return None if _tracer is None else _tracer.start_span(name, attributes=attributes)


def end(made: Any, failure: str = "", **attributes: str | int | float) -> None:
    """End what :meth:`begin` gave; ``failure`` names what kept it from ending well."""
    if made is None:
        return
    for key, value in attributes.items():
        made.set_attribute(key, value)
    if failure:
        _failed(made, failure)
    made.end()


def _failed(made: Any, failure: str) -> None:
    from opentelemetry.trace import StatusCode

    made.set_status(StatusCode.ERROR, failure)


def exporting(endpoint: str, version: str, instance: str) -> Any:
    """A provider that sends spans to ``endpoint`` (OTLP over HTTP), already in use; shut it down at the end.

    Raises ImportError where the extra is not installed.
    """
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource.create({"service.name": "hexar", "service.version": version, "service.instance.id": instance})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    use(provider.get_tracer("hexar"))
    return provider
