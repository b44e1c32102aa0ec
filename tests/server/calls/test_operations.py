"""Operating a server: health, reflection, figures, configuration, drain."""

import asyncio
import gc
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from pydantic import ValidationError

from hexar.core.telemetry.calls import CallRecord
from hexar.core.telemetry.histogram import Slot
from hexar.core.telemetry.metrics import MAX_PENDING, Metrics
from hexar.server.demo import DemoShops
from hexar.server.process.app import App
from hexar.server.settings.config import Settings
from hexar.server.systems import make_settings
from hexar.v1 import ops_pb2, ops_pb2_grpc, query_pb2, query_pb2_grpc
from tests.fix.pace import Pace

ROOT = Path(__file__).resolve().parents[3]


async def reflect(channel: grpc.aio.Channel, version: str, **request: str) -> reflection_pb2.ServerReflectionResponse:
    call = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    async for response in call(iter([reflection_pb2.ServerReflectionRequest(**request)])):
        return response
    raise AssertionError("no answer")


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_a_client_without_stubs_can_call_every_service(channel: grpc.aio.Channel, version: str) -> None:
    """By reflection alone, as grpcurl does it: list the services, fetch the descriptors, make a call with them."""
    listed = await reflect(channel, version, list_services="")
    names = {service.name for service in listed.list_services_response.service}
    assert names >= {f"hexar.v1.{name}Service" for name in ("Query", "Chat", "Portfolio", "Parts", "Market", "Legal", "Ops")}
    pool = descriptor_pool.DescriptorPool()
    files: dict[str, descriptor_pb2.FileDescriptorProto] = {}

    async def fetch(**request: str) -> None:
        response = await reflect(channel, version, **request)
        for data in response.file_descriptor_response.file_descriptor_proto:
            file = descriptor_pb2.FileDescriptorProto.FromString(data)
            if file.name not in files:
                files[file.name] = file
                for needed in file.dependency:
                    await fetch(file_by_filename=needed)
                pool.Add(file)

    await fetch(file_containing_symbol="hexar.v1.OpsService")
    method = pool.FindServiceByName("hexar.v1.OpsService").methods_by_name["GetStatus"]
    request = message_factory.GetMessageClass(method.input_type)()
    data = await channel.unary_unary("/hexar.v1.OpsService/GetStatus")(request.SerializeToString())
    status = message_factory.GetMessageClass(method.output_type).FromString(data)
    assert status.ready


async def test_health_follows_the_server(app: App) -> None:
    """Built services are SERVING, and all are NOT_SERVING once the server drains."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{app.port}") as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for name in ("", "hexar.v1.QueryService", "hexar.v1.OpsService"):
            answer = await health.Check(health_pb2.HealthCheckRequest(service=name))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        watch = health.Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        stopping = asyncio.create_task(app.stop(1.0))
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        watch.cancel()
        await stopping


def test_the_time_of_a_failure_enters_no_latency() -> None:
    """A call that failed is counted with its code; mean, median and 95th percentile are of the others alone."""
    metrics = Metrics()
    times = ((0.01, "OK"), (0.02, "OK"), (0.03, "OK"), (1000.0, "UNAVAILABLE"))
    metrics.count(CallRecord(0.0, "m", code, seconds, None, "r", "acme", "", "") for seconds, code in times)
    (row,) = metrics.operations.dump()
    window = Slot.load(row["windows"][0])
    assert (row["count"], row["errors"], window.samples, row["max"]) == (4, {"UNAVAILABLE": 1}, 3, 0.03)
    assert window.mean == pytest.approx(0.02)
    assert metrics.registry.get_sample_value("hexar_request_seconds_sum", {"method": "m"}) == pytest.approx(0.06)
    assert metrics.registry.get_sample_value("hexar_requests_total", {"method": "m", "code": "UNAVAILABLE"}) == 1


async def test_a_call_is_counted_before_figures_are_read() -> None:
    """Calls wait to be counted together, and none is missing from what is read."""
    metrics, told = Metrics(), list[str]()
    metrics.on_call = lambda call: told.append(call.request_id)
    for number in range(MAX_PENDING + 1):
        metrics.call_ended(CallRecord(0.0, "m", "OK", 0.01, 0.005, str(number), "acme", "hit", "memory"), remembered=number > 0)
    assert metrics.registry.get_sample_value("hexar_requests_total", {"method": "m", "code": "OK"}) == MAX_PENDING + 1
    assert metrics.registry.get_sample_value("hexar_first_event_seconds_count", {"method": "m"}) == MAX_PENDING + 1
    assert metrics.answers == {"hit": MAX_PENDING + 1}
    assert told == [str(number) for number in range(MAX_PENDING + 1)]
    assert "0" not in [call["request_id"] for call in metrics.calls.dump(1)["recent"]]


async def test_prometheus_reads_the_same_figures(settings: Callable[..., Settings]) -> None:
    """The metrics endpoint holds requests, caches, breakers, the queue and the loop's lag."""
    app = App(settings(metrics_port=0))
    await app.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{app.port}") as channel:
            await ops_pb2_grpc.OpsServiceStub(channel).GetStatus(ops_pb2.GetStatusRequest())
        port = app.metrics_port
        text = await asyncio.to_thread(lambda: urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode())
    finally:
        await app.stop(0)
    assert 'hexar_requests_total{code="OK",method="hexar.v1.OpsService/GetStatus"} 1.0' in text
    for name in ("hexar_cache_memory_bytes", "hexar_jobs_queued", "hexar_loop_lag_seconds", "hexar_request_seconds_bucket"):
        assert name in text


async def test_the_loop_is_not_blocked_by_many_callers(
    settings: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pace: Pace
) -> None:
    """While 200 callers are served cold and warm, the event loop waits for no shop, and no step of it works for long.

    The first is a matter of the clock, with a shop that is slower than any machine makes the loop; the second of the
    processor time of the loop's thread, since a busy machine makes every step last longer.
    """
    run, worked = asyncio.Handle._run, [0.0]

    def measured(handle: asyncio.Handle) -> None:
        began = time.thread_time()
        run(handle)
        worked.append(time.thread_time() - began)

    pace.slack()
    # As the server's process does. What the tests before this one left would be looked through in one long step.
    gc.collect()
    gc.freeze()
    with DemoShops(delay=2.0) as shops:
        (tmp_path / "vendors.yaml").write_text(shops.vendors_yaml())
        app = App(settings())
        await app.start()
        monkeypatch.setattr(asyncio.Handle, "_run", measured)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{app.port}") as channel:
            stub = query_pb2_grpc.QueryServiceStub(channel)

            async def ask(text: str) -> int:
                return sum([1 async for _ in stub.Query(query_pb2.QueryRequest(text=text), timeout=60)])

            for _ in range(5):
                await asyncio.gather(*(ask(text) for text in ("tent", "boots", "snowboard", "jacket") for _ in range(10)))
            worst = app.engine.loop_lag.worst
        monkeypatch.undo()
        await app.stop(0)
    gc.unfreeze()
    assert worst < 2.0 + pace.slack()
    # The callers share the loop with the server here: what is measured holds the client's work too.
    assert max(worked) < 0.25


def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Environment wins over the file; an unknown name in the file and a bad value are errors that name the setting."""
    config = tmp_path / "hexar.yaml"
    config.write_text("port: 1234\ncache: {memory_mb: 7}\n")
    monkeypatch.setenv("HEXAR_CONFIG", str(config))
    monkeypatch.setenv("HEXAR_CACHE__MEMORY_MB", "9")
    read = make_settings()
    assert (read.port, read.cache.memory_mb) == (1234, 9)
    config.write_text("cache: {memroy_mb: 7}\n")
    with pytest.raises(ValidationError, match="memroy_mb"):
        make_settings()
    config.write_text("prot: 1\n")
    with pytest.raises(ValidationError, match="prot"):
        make_settings()
    monkeypatch.setenv("HEXAR_PORT", "70000")
    config.write_text("")
    with pytest.raises(ValidationError, match="port"):
        make_settings()
    monkeypatch.setenv("HEXAR_CONFIG", str(tmp_path / "nowhere.yaml"))
    with pytest.raises(ValueError, match=r"nowhere\.yaml"):
        make_settings()


def environment(tmp_path: Path, **more: str) -> dict[str, str]:
    return os.environ | {"HEXAR_PORT": "0", "HEXAR_DATA_DIR": str(tmp_path / "data"), "HEXAR_LOG_FORMAT": "json"} | more


def test_a_bad_setting_ends_the_command_with_one_line(tmp_path: Path) -> None:
    """``python -m hexar.server`` with a bad setting says which and exits with 2, without a traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "hexar.server"],
        env=environment(tmp_path, HEXAR_PORT="x"), cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("hexar: port:")
    assert "Traceback" not in done.stderr


async def test_sigterm_lets_streams_end(tmp_path: Path) -> None:
    """On SIGTERM the server, started from any folder, finishes the running answer, refuses new calls, and exits with 0."""
    with DemoShops(delay=1.5) as shops:
        (tmp_path / "vendors.yaml").write_text(shops.vendors_yaml())
        process = subprocess.Popen(  # noqa: ASYNC220 (it must outlive cancellation of the test)
            [sys.executable, "-m", "hexar.server"], env=environment(tmp_path), cwd=tmp_path, stderr=subprocess.PIPE, text=True
        )
        assert process.stderr is not None
        line = await asyncio.to_thread(process.stderr.readline)
        port = int(line.split('"port": ')[1].split(",")[0])
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = query_pb2_grpc.QueryServiceStub(channel)
            call = stub.Query(query_pb2.QueryRequest(text="snowboard"))
            stream = aiter(call)
            assert (await anext(stream)).HasField("started")
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            events = [event async for event in stream]
            assert events[-1].HasField("completed")
            assert not events[-1].completed.partial
            assert await asyncio.to_thread(process.wait, 20) == 0
            assert time.monotonic() - began < 15
        process.stderr.close()


async def test_status_names_postgresql_without_redis(settings: Callable[..., Settings], postgres_url: str) -> None:
    """A store that a second process could open, and nothing that would tell the two of each other's changes."""
    app = App(settings(database_url=postgres_url))
    await app.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{app.port}") as channel:
            status = await ops_pb2_grpc.OpsServiceStub(channel).GetStatus(ops_pb2.GetStatusRequest())
    finally:
        await app.stop(0)
    assert any("PostgreSQL without Redis" in problem for problem in status.problems)
