"""Advice: every number is a cited figure, whoever wrote it."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from hexar.agents.llm import ModelConfig, Models
from hexar.agents.llm.metered import MeteredModels
from hexar.agents.market.analysts.advice import Advice, report
from hexar.agents.market.analysts.grounding import ground, supported
from hexar.agents.market.analysts.rules import RULES, Figures, advise
from hexar.agents.market.analysts.state import make_state
from hexar.agents.market.analysts.words import words_of
from hexar.agents.market.demo import write_table
from hexar.agents.market.figures.duck import DuckEngine
from hexar.agents.market.pipeline import MarketPipeline
from hexar.agents.market.request.plan import make_plan
from hexar.agents.market.tables.library import Entry
from hexar.agents.market.tools.result import Result
from hexar.core.deadline import Deadline
from hexar.core.ledger import Ledger
from hexar.core.resilience.dispatch import Dispatcher
from hexar.core.store import Database
from hexar.core.store.migrations import create_tables
from hexar.v1 import market_pb2 as pb
from tests.agents.market.conftest import Reads


def figure(value: float, unit: str = "EUR", name: str = "revenue", **dimensions: str) -> pb.Figure:
    return pb.Figure(id="overview-1", name=name, value=value, unit=unit, dimensions=dimensions)


@pytest.mark.parametrize(
    ("sentence", "given", "right"),
    [
        ("Revenue was 9,229,355.66.", figure(9229355.66), True),
        ("Revenue was 9.2 million.", figure(9229355.66), True),
        ("Revenue was 9.3 million.", figure(9229355.66), False),
        ("Las ventas fueron 9.229.355,66.", figure(9229355.66), True),
        ("Las ventas fueron 9,2 millones.", figure(9229355.66), True),
        ("The margin is 35 %.", figure(0.34999, "ratio", "margin"), True),
        ("The margin is 35.0%.", figure(0.34999, "ratio", "margin"), True),
        ("The margin is 36 %.", figure(0.34999, "ratio", "margin"), False),
        ("El margen bajó 1,8 puntos porcentuales.", figure(-1.84, "percentage points", "margin_change"), True),
        ("The margin fell 1.8 percentage points.", figure(-0.018, "ratio", "margin_change"), False),
        ("Revenue was 35 %.", figure(35, "EUR"), False),
        ("Store ST2778 sold 12 units in 2024-03.", figure(12, "units", "units", store="ST2778", month="2024-03"), True),
        ("Store ST2779 sold 12 units.", figure(12, "units", "units", store="ST2778"), False),
        ("It will double next year.", figure(2.0, "ratio"), False),
        ("Grow it.", figure(1), True),
        ("It fell by 100 to 50.", figure(100), False),
        ("It fell by -100.", figure(-100), True),
        ("Sales were 1 234.5 in all.", figure(1234.5), False),
    ],
)  # fmt: skip
def test_a_number_is_supported_by_a_figure_that_reads_the_same(sentence: str, given: pb.Figure, right: bool) -> None:
    """As many digits as are written, under each way of writing; digits of names are none."""
    assert supported(sentence, [given]) is right


def test_the_sentence_with_a_wrong_number_is_dropped_and_counted() -> None:
    """The others stay; advice without figures is none."""
    text, dropped = ground("Revenue was 100. It will be 250 soon. Act now.", [figure(100)])
    assert (text, dropped) == ("Revenue was 100. Act now.", 1)
    made = report(
        pb.ANALYST_DATA,
        "m",
        [
            Advice("A", "Revenue was 100. It will be 250.", (figure(100),), pb.PRIORITY_LOW),
            Advice("B", "Do it.", (), pb.PRIORITY_HIGH),
            Advice("C", "Only 7.", (figure(100),), pb.PRIORITY_HIGH),
        ],
    )
    assert [(entry.title, entry.text) for entry in made.recommendations] == [("A", "Revenue was 100.")]
    assert made.dropped == 2


@pytest.mark.parametrize("language", ["en", "es"])
def test_rules_say_only_what_figures_hold(duck: DuckEngine, reads: Reads, tmp_path: Any, language: str) -> None:
    """At most three pieces of advice an analyst, the first of high priority; every sentence of every rule is grounded."""
    from hexar.agents.market.figures.aggregates import Frame
    from hexar.agents.market.figures.spans import make_scope
    from hexar.agents.market.tools.registry import TOOLS
    from hexar.agents.market.tools.result import Asked

    read = reads(write_table(tmp_path / "demo.csv"))
    frame = Frame(duck, read.profile, make_scope(read.profile, "month"))
    results = [
        tool.run(frame, Asked()) for number, tool in TOOLS.items() if number != pb.MARKET_TOOL_BUDGET and tool.name != "product"
    ]
    figures = [entry for result in results for entry in result.figures]
    said = []
    for analyst in (pb.ANALYST_DATA, pb.ANALYST_STRATEGY):
        made = report(analyst, "rules", advise(analyst, figures, language))
        assert made.dropped == 0
        assert [entry.priority for entry in made.recommendations] == [pb.PRIORITY_HIGH, pb.PRIORITY_MEDIUM, pb.PRIORITY_LOW]
        assert all(entry.figure_ids for entry in made.recommendations)
        have = Figures(figures, words_of(language))
        for found in (entry for rule in RULES[analyst] if (entry := rule(have)) is not None):
            assert ground(found.text, found.figures) == (found.text, 0)
            said.append(f"{found.title}. {found.text}")
    assert len(said) >= 9
    other = r"\b(the|of|and|rose|fell|from)\b" if language == "es" else r"\b(el|la|las|de|un|y)\b"
    assert not [text for text in said if re.search(other, text)]


def test_the_state_is_small_and_smaller_when_compressed() -> None:
    """The same figures, in fewer bytes."""
    result = Result("overview")
    for at in range(200):
        result.add("revenue", at * 1.5, "EUR", {"brand": f"B{at}"})
    long, short = (make_state([result] * 20, compressed=flag) for flag in (False, True))
    assert [entry.id for entry in long.figures] == [entry.id for entry in short.figures]
    assert len(long.figures) <= 90
    assert short.size < 0.6 * long.size


class Model:
    """An OpenAI-compatible server on loopback that answers what ``say`` makes of the prompt."""

    def __init__(self, say: Callable[[str], str], status: int = 200) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                prompt = request["messages"][-1]["content"]
                chunks = [{"choices": [{"delta": {"content": say(prompt)}, "finish_reason": None}]}]
                chunks.append(
                    {"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 7, "completion_tokens": 5}}
                )
                body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
                self.send_response(status)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Content-Length", str(len(body.encode())))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/v1"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def analyse(duck: DuckEngine, reads: Reads, tmp_path: Any) -> Iterator[Callable[..., Any]]:
    """Analyse the demo's table with a model that says something."""
    read = reads(write_table(tmp_path / "demo.csv"))
    database = Database(f"sqlite:///{tmp_path}/store.db")
    create_tables(database)
    ledger = Ledger(database)
    opened: list[Any] = []

    async def run(say: Callable[[str], str], status: int = 200) -> list[pb.AnalyzeEvent]:
        model = Model(say, status)
        opened.append(model)
        pool = Dispatcher()
        config = ModelConfig(name="writer", base_url=model.url, model="writer-1", input_price=1_000_000, output_price=2_000_000)
        models = MeteredModels(Models([config], pool), ledger)
        entry = Entry(read.description, read.profile, duck, "content")
        plan = make_plan(pb.AnalyzeRequest(table="t", tools=[pb.MARKET_TOOL_OVERVIEW]), "default", entry, None, None)
        events: list[pb.AnalyzeEvent] = []
        try:
            await MarketPipeline(pool, models).produce(plan, events.append, Deadline.after(60))
        finally:
            models.models.close()
            pool.close()
        return events

    yield run
    for model in opened:
        model.close()
    ledger.close()
    database.close()


def say(*rows: dict[str, Any]) -> Callable[[str], str]:
    return lambda _: json.dumps({"recommendations": list(rows)})


async def test_a_model_writes_and_is_held_to_its_figures(analyse: Callable[..., Any]) -> None:
    """An honest sentence stays; an invented number, an unknown figure, and a fourth recommendation do not."""

    def answer(prompt: str) -> str:
        figures = json.loads(prompt.partition("\n")[2])
        revenue = next(row for row in figures if row["name"] == "revenue")
        rows = [
            {
                "title": "T",
                "text": f"Revenue was {revenue['value']}. It will be 123456.",
                "figure_ids": [revenue["id"]],
                "priority": "high",
            },
            {"title": "U", "text": "No figure at all.", "figure_ids": ["none-1"], "priority": "high"},
        ]
        rows += [{"title": "V", "text": "Keep going.", "figure_ids": [revenue["id"]], "priority": "low"}] * 5
        return json.dumps({"recommendations": rows})

    events = await analyse(answer)
    advice = [event.recommendation for event in events if event.HasField("recommendation")]
    assert len(advice) == 6
    assert advice[0].text.startswith("Revenue was ")
    assert "123456" not in advice[0].text
    assert {entry.method for entry in advice} == {"writer"}
    analysts = [event.analyst for event in events if event.HasField("analyst")]
    assert [entry.dropped_sentences for entry in analysts] == [1, 1]
    assert all(entry.tokens_per_second > 0 and not entry.problem for entry in analysts)
    done = events[-1].completed
    assert (done.ai, done.partial, done.usage.prompt_tokens, done.usage.cost.micros) == ("writer", False, 14, 34)


@pytest.mark.parametrize("text", ["I think sales are fine.", '{"recommendations": "none"}', "{broken", ""])
async def test_a_model_that_gives_no_structure_is_replaced_by_rules(analyse: Callable[..., Any], text: str) -> None:
    """And the answer says so; it is not kept as a good one."""
    events = await analyse(lambda _: text)
    done = events[-1].completed
    assert (done.ai, done.partial) == ("unavailable", True)
    assert {event.recommendation.method for event in events if event.HasField("recommendation")} == {"rules"}
    assert all(event.analyst.problem for event in events if event.HasField("analyst"))


async def test_a_model_that_fails_is_replaced_by_rules(analyse: Callable[..., Any]) -> None:
    """Its error is told without its text."""
    events = await analyse(say(), 500)
    assert events[-1].completed.ai == "unavailable"
    assert any(event.HasField("recommendation") for event in events)
