"""Answers of a real HTTP server through the pool and the loop: whole, in order, or an error that says
why."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import pytest

from hexar.agents.llm import Cancel, Delta, Done, Event, Message, ModelConfig, Models, Request, SegmentReset, Timeouts
from hexar.agents.llm.errors import (
    ModelBusy,
    ModelCut,
    ModelError,
    ModelFailed,
    ModelMalformed,
    ModelRefused,
    ModelRejected,
    ModelTimeout,
)
from hexar.core.deadline import Deadline
from hexar.core.errors import DeadlineExceeded, HexarError, StreamBroken
from hexar.core.resilience import BreakerOpen
from hexar.core.resilience.dispatch import Dispatcher
from tests.agents.llm.conftest import FAST, REQUEST, MakeModels, answer, gather, text
from tests.fix.pace import Pace
from tests.upstream import Upstream


@pytest.mark.parametrize("setting", ["", "fault=crlf", "fault=keepalive", "usage=0", "fault=nodone", "rate=200"])
async def test_an_answer_comes_whole_and_in_order(make_models: MakeModels, setting: str) -> None:
    """Every token once and in order, and one Done with usage and cost at the end, in each dialect of the protocol."""
    models = make_models(f"tokens=50&{setting}")
    events = await gather(models)
    assert [event.text for event in events if isinstance(event, Delta)] == [f"tok{index} " for index in range(50)]
    done = events[-1]
    assert isinstance(done, Done)
    assert done.finish == "stop"
    assert done.usage.estimated is (setting == "usage=0")
    if setting != "usage=0":
        assert (done.usage.prompt_tokens, done.usage.completion_tokens) == (7, 50)
        assert (done.cost_micros, done.currency) == (107, "USD")
    else:
        assert done.usage.completion_tokens >= 50


async def test_a_model_that_thinks_aloud_is_waited_for(make_models: MakeModels) -> None:
    """Reasoning is not part of the answer, but it is progress: only silence ends the wait for the first token."""
    assert text(await gather(make_models("tokens=3&think=1.0"))) == answer(3)


def test_on_uvloop(upstream: Upstream) -> None:
    """The bridge works on the loop that the server uses."""
    uvloop = pytest.importorskip("uvloop")

    async def main() -> str:
        pool = Dispatcher()
        models = Models([ModelConfig("u", base_url=upstream.base_url, model="uv?tokens=5&rate=100")], pool)
        result = text(await gather(models))
        models.close()
        pool.close()
        return result

    assert uvloop.run(main()) == answer(5)


async def test_what_is_sent(make_models: MakeModels, upstream: Upstream) -> None:
    """The request carries the key, the messages and the limits, and asks for usage."""
    models = make_models("tokens=1")
    request = Request((Message("system", "s"), Message("user", "u")), max_tokens=9, temperature=0.5, stop=("x",))
    await gather(models, request)
    sent = (await asyncio.to_thread(upstream.stats))["last_request"]
    assert sent["authorization"] == "Bearer secret-key"
    assert sent["messages"] == [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]
    assert (sent["max_tokens"], sent["temperature"], sent["stop"]) == (9, 0.5, ["x"])
    assert sent["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize(
    ("setting", "error"),
    [
        ("fault=status&status=401", ModelRejected),
        ("fault=status&status=403", ModelRejected),
        ("fault=status&status=404", ModelRejected),
        ("fault=status&status=400", ModelRejected),
        ("fault=status&status=500", ModelFailed),
        ("fault=status&status=503", ModelFailed),
        ("fault=status&status=429&retry=30", ModelBusy),
        ("fault=hang", ModelTimeout),
        ("fault=reset", ModelRefused),
        ("fault=notsse", ModelMalformed),
        ("fault=malformed", ModelMalformed),
        ("fault=error", ModelFailed),
        ("fault=cut", ModelCut),
        ("fault=silent", ModelTimeout),
        ("fault=drip", ModelTimeout),
        ("fault=huge", ModelMalformed),
    ],
)
async def test_a_fault_before_the_first_token(make_models: MakeModels, setting: str, error: type[ModelError]) -> None:
    """Each fault is an error of its own class, in time, and repeats nothing of what the provider said."""
    models = make_models(f"tokens=9&{setting}", attempts=1)
    start = time.monotonic()
    with pytest.raises(error) as caught:
        await gather(models)
    assert time.monotonic() - start < 60
    assert "secret" not in str(caught.value)
    if isinstance(caught.value, ModelBusy):
        assert caught.value.retry_after == 30.0


@pytest.mark.parametrize("fault", ["cut", "cut&hard=1", "malformed", "error", "silent", "drip", "huge"])
@pytest.mark.parametrize("after", [1, 4])
async def test_a_death_in_mid_stream_breaks_the_stream(make_models: MakeModels, fault: str, after: int) -> None:
    """Without a fallback the tokens so far are passed on once, and StreamBroken tells how many they were."""
    models = make_models(f"tokens=9&rate=50&fault={fault}&after={after}", attempts=3)
    seen: list[Event] = []

    async def read() -> None:
        async with aclosing(models.stream(REQUEST, Deadline.after(5))) as batches:
            async for batch in batches:
                seen.extend(batch)

    with pytest.raises(StreamBroken) as caught:
        await read()
    assert [event.text for event in seen if isinstance(event, Delta)] == [f"tok{index} " for index in range(after)]
    assert len(seen) == after
    assert caught.value.last_seq == after


@pytest.mark.parametrize("after", range(10))
async def test_the_fallback_takes_over_after_a_cut_at_each_chunk(make_models: MakeModels, after: int) -> None:
    """Wherever the primary is cut, the answer is the fallback's alone: a reset voids what came before."""
    models = make_models(f"tokens=10&rate=400&fault=cut&after={after}", "tokens=12", attempts=1)
    events = await gather(models)
    resets = [event for event in events if isinstance(event, SegmentReset)]
    assert [reset.discarded for reset in resets] == ([after] if after else [])
    assert text(events) == answer(12)
    done = events[-1]
    assert isinstance(done, Done)
    assert done.model.startswith("model-1")
    # What the broken model has used is paid for as well.
    assert done.usage.completion_tokens >= 12 + after


@pytest.mark.parametrize("fault", ["status&status=500", "status&status=401", "hang", "reset", "status&status=429&retry=60"])
async def test_the_fallback_answers_where_the_primary_does_not(make_models: MakeModels, fault: str) -> None:
    """Before the first token the switch is silent: there is nothing to reset."""
    models = make_models(f"fault={fault}", "tokens=5", attempts=1)
    events = await gather(models)
    assert not any(isinstance(event, SegmentReset) for event in events)
    assert text(events) == answer(5)


async def test_a_passing_fault_is_repeated(make_models: MakeModels, upstream: Upstream) -> None:
    """An error before the first token that may pass is tried again, up to the policy."""
    models = make_models("tokens=5&fault=status&status=503&times=2", attempts=3)
    assert text(await gather(models)) == answer(5)
    calls = (await asyncio.to_thread(upstream.stats))["calls"]
    assert calls[models.config().model] == 3


async def test_retry_after_is_respected(make_models: MakeModels) -> None:
    """A rate limit that passes soon is waited for."""
    models = make_models("tokens=5&fault=status&status=429&retry=0.3&times=1", attempts=2)
    start = time.monotonic()
    assert text(await gather(models)) == answer(5)
    assert time.monotonic() - start >= 0.3


async def test_what_cannot_pass_is_not_repeated(make_models: MakeModels, upstream: Upstream) -> None:
    """A wrong key is asked once."""
    models = make_models("fault=status&status=401", attempts=3)
    with pytest.raises(ModelRejected):
        await gather(models)
    calls = (await asyncio.to_thread(upstream.stats))["calls"]
    assert calls[models.config().model] == 1


async def test_nothing_is_repeated_after_the_first_token(make_models: MakeModels, upstream: Upstream) -> None:
    """A stream that has begun is never begun again at the same model."""
    models = make_models("tokens=9&fault=cut&after=1", attempts=3)
    with pytest.raises(StreamBroken):
        await gather(models)
    calls = (await asyncio.to_thread(upstream.stats))["calls"]
    assert calls[models.config().model] == 1


async def test_refused(dispatcher: Dispatcher) -> None:
    """Nobody listens: an error at once."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        models = Models([ModelConfig("m", base_url=f"http://127.0.0.1:{unused.getsockname()[1]}", model="x")], dispatcher)
        with pytest.raises(ModelRefused):
            await gather(models)


async def test_a_server_that_never_accepts(dispatcher: Dispatcher) -> None:
    """A full backlog or a black hole ends with the connect timeout, and a cancel is noticed before it."""
    # A listener whose backlog is full: further connections hang in SYN.
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        address = deaf.getsockname()
        held = []
        for _ in range(4):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(address)
            held.append(sock)
        config = ModelConfig(
            "m", base_url=f"http://127.0.0.1:{address[1]}", model="x", timeouts=Timeouts(connect=0.5, first_token=0.5)
        )
        models = Models([config], dispatcher)
        start = time.monotonic()
        with pytest.raises(ModelTimeout):
            await gather(models)
        assert time.monotonic() - start < 60
        models.close()
        for sock in held:
            sock.close()


async def test_the_deadline_wins(make_models: MakeModels) -> None:
    """The caller's deadline ends a silent call, whatever the timeouts say."""
    models = make_models("fault=hang", timeouts=Timeouts())
    start = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        await gather(models, seconds=0.3)
    assert time.monotonic() - start < Timeouts().first_token


async def test_a_deadline_in_mid_stream_breaks_it(make_models: MakeModels) -> None:
    """An answer that is not complete in time is broken, with the count of what was sent."""
    models = make_models("tokens=100&rate=20", timeouts=Timeouts())
    with pytest.raises(StreamBroken) as caught:
        await gather(models, seconds=1.5)
    assert 1 <= caught.value.last_seq <= 35


async def test_the_total_timeout(make_models: MakeModels) -> None:
    """A stream that never falls silent still ends."""
    models = make_models("tokens=1000&rate=50", timeouts=Timeouts(first_token=5, idle=5, total=1.5))
    with pytest.raises(StreamBroken):
        await gather(models)


async def stats_until(upstream: Upstream, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The upstream's statistics, once they are such."""
    for _ in range(500):
        stats = await asyncio.to_thread(upstream.stats)
        if holds(stats):
            return stats
        await asyncio.sleep(0.02)
    raise AssertionError(stats)


@pytest.mark.parametrize("setting", ["tokens=1000&rate=20", "fault=hang", "tokens=5&fault=silent", "tokens=9&first=30"])
async def test_cancel_reaches_the_socket(make_models: MakeModels, upstream: Upstream, pace: Pace, setting: str) -> None:
    """When the caller leaves, the server sees the connection close within a quarter second."""
    models = make_models(setting, timeouts=Timeouts())
    before = await asyncio.to_thread(upstream.stats)
    task = asyncio.create_task(gather(models))
    called = models.config().model
    await stats_until(upstream, lambda stats: stats["calls"].get(called, 0) == 1)
    await asyncio.sleep(0.3)
    assert not task.done()
    pace.slack()
    start = time.time()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    if setting == "fault=hang":
        return
    after = await stats_until(upstream, lambda stats: stats["abandoned"] > before["abandoned"])
    assert after["abandoned"] == before["abandoned"] + 1
    assert after["last_abandoned"] - start < 0.25 + pace.slack()


async def test_leaving_the_loop_of_events_closes_the_socket(make_models: MakeModels, upstream: Upstream) -> None:
    """A consumer that stops early ends the call as a cancellation does."""
    models = make_models("tokens=1000&rate=100", timeouts=Timeouts())
    before = (await asyncio.to_thread(upstream.stats))["abandoned"]
    async with aclosing(models.stream(REQUEST, Deadline.after(10))) as batches:
        async for _ in batches:
            break
    after = await stats_until(upstream, lambda stats: stats["abandoned"] > before)
    assert after["abandoned"] == before + 1


async def test_a_slow_consumer_stops_the_reading(make_models: MakeModels) -> None:
    """Unread events are bounded: the socket is not read on, and goes on when the consumer does. Nothing is lost."""
    tokens = 60_000
    models = make_models(f"tokens={tokens}", timeouts=Timeouts())
    received: list[str] = []
    async with aclosing(models.stream(REQUEST, Deadline.after(60))) as batches:
        async for batch in batches:
            assert len(batch) < 5000
            received += [event.text for event in batch if isinstance(event, Delta)]
            if len(received) < 10_000:
                await asyncio.sleep(0.05)
    assert received == [f"tok{index} " for index in range(tokens)]


async def test_a_breaker_spares_a_dead_primary(make_models: MakeModels, upstream: Upstream) -> None:
    """After repeated failures the primary is left alone and the fallback asked at once."""
    models = make_models("fault=status&status=500", "tokens=2", attempts=1)
    for _ in range(7):
        assert text(await gather(models)) == answer(2)
    calls = (await asyncio.to_thread(upstream.stats))["calls"]
    assert calls[models.config().model] == 5
    lonely = models.candidates()[:1]
    with pytest.raises(BreakerOpen):
        await anext(models.bridge.stream(lonely, REQUEST, Deadline.after(1)))


async def test_many_streams_at_once_lose_nothing(make_models: MakeModels) -> None:
    """Two hundred streams side by side: each is whole, and one reader thread serves them."""
    models = make_models("tokens=40&rate=100&first=0.1", timeouts=Timeouts())
    before = threading.active_count()
    answers = await asyncio.gather(*(gather(models) for _ in range(200)))
    assert {text(events) for events in answers} == {answer(40)}
    assert threading.active_count() - before <= 16 + 1


def test_blocking_stream_and_complete(upstream: Upstream) -> None:
    """The same models answer on a plain thread, without a loop."""
    pool = Dispatcher()
    cut = ModelConfig("a", base_url=upstream.base_url, model="blocking-a?tokens=9&fault=cut&after=4", timeouts=FAST)
    good = ModelConfig("b", base_url=upstream.base_url, model="blocking-b?tokens=6", timeouts=FAST)
    models = Models([cut, good], pool, fallback="b")
    result = models.complete(REQUEST, Deadline.after(5))
    assert (result.text, result.resets, result.done.model) == (answer(6), 1, "b")
    models.close()
    pool.close()


@pytest.mark.parametrize("setting", ["tokens=1000&rate=20", "tokens=5&fault=silent", "fault=hang"])
def test_cancel_ends_a_blocking_stream(upstream: Upstream, pace: Pace, setting: str) -> None:
    """A cancel from another thread ends a blocking read within a quarter second."""
    pool = Dispatcher()
    models = Models([ModelConfig("a", base_url=upstream.base_url, model=f"cancel?{setting}")], pool)
    cancel = Cancel()
    ended: list[float] = []

    def read() -> None:
        with pytest.raises(HexarError):
            models.complete(REQUEST, Deadline.after(20), cancel=cancel)
        ended.append(time.monotonic())

    thread = threading.Thread(target=read)
    thread.start()
    time.sleep(0.3)
    assert thread.is_alive()
    pace.slack()
    start = time.monotonic()
    cancel.cancel()
    thread.join(15)
    assert ended[0] - start < 0.25 + pace.slack()
    models.close()
    pool.close()


def test_configuration_is_checked() -> None:
    """A model that cannot work is refused when it is configured."""
    for url, model, key in (("ftp://x", "m", ""), ("http://x", "", ""), ("http://x", "m", "a\r\nb")):
        with pytest.raises(ValueError):
            Models([ModelConfig("m", base_url=url, model=model, api_key=key)], Dispatcher())
    with pytest.raises(ValueError, match="kind must be one of openai, "):
        Models([ModelConfig("m", kind="other", base_url="http://x", model="m")], Dispatcher())
    with pytest.raises(ValueError):
        ModelConfig("", base_url="http://x", model="m")
    config = ModelConfig("m", base_url="http://x", model="m", api_key="hidden")
    assert "hidden" not in repr(config)
    with pytest.raises(ValueError):
        Models([config], Dispatcher(), fallback="other")
    with pytest.raises(ValueError):
        Models([config, config], Dispatcher())
