"""One pipeline for the log: what libraries say comes as JSON too, with the process' number."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import grpc
import orjson
import pytest
import structlog

from hexar.server.process.app import App
from hexar.server.process.startup import configure_logging
from hexar.server.settings.config import Settings
from hexar.v1 import ops_pb2 as pb
from hexar.v1 import ops_pb2_grpc


@pytest.fixture
def _as_before() -> Iterator[None]:
    """Leave logging as other tests expect it."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.usefixtures("_as_before")
def test_what_a_library_logs_is_json_too(settings: Callable[..., Settings], capsys: pytest.CaptureFixture[str]) -> None:
    """With level, time, its name and the process' number; its chatter is left out."""
    configure_logging(settings(log_format="json"), worker=3)
    logging.getLogger("grpc._server").warning("a connection of %s broke", "somebody")
    logging.getLogger("grpc._server").info("chatter")
    lines = [orjson.loads(line) for line in capsys.readouterr().err.splitlines()]
    (line,) = lines
    assert (line["event"], line["level"], line["logger"], line["worker"]) == (
        "a connection of somebody broke",
        "warning",
        "grpc._server",
        3,
    )
    assert line["timestamp"].endswith("Z")


async def test_an_alert_is_a_problem_and_in_the_report(settings: Callable[..., Settings]) -> None:
    """Of a running server, from its rules; once however often it is looked at."""
    rule = {"metric": "queued_jobs", "above": -1, "for_seconds": 0, "text": "jobs are counted"}
    app = App(settings(monitor={"rules": {"always": rule}, "look_seconds": 0.05}))
    with structlog.testing.capture_logs() as lines:
        await app.start()
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{app.port}") as channel:
                stub = ops_pb2_grpc.OpsServiceStub(channel)
                report = await stub.GetReport(pb.GetReportRequest())
                while not report.alerts:
                    report = await stub.GetReport(pb.GetReportRequest())
                status = await stub.GetStatus(pb.GetStatusRequest())
            for _ in range(5):
                await app.monitor.look()
        finally:
            await app.stop(0)
    (alert,) = [one for one in report.alerts if one.rule == "always"]
    assert alert.firing
    assert any(problem.startswith("alert always: jobs are counted") for problem in status.problems)
    assert [line["rule"] for line in lines if line["event"] == "alert_fired"].count("always") == 1
