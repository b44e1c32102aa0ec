"""How long does a document take, what do its layers cost side by side, and what does the cache of research save?

Three measurements over a real server on a free port:

- stages of 300 ms each (the real layers, slowed down), to see that review and validation run side by side, that research is
  answered from its cache, and that documents of one bulk are made side by side;
- a document end to end without a model, over the imported corpus (``HEXAR_DATA/legal``, else the demo corpus), every time with
  other fields so that nothing is cached;
- the bytes of the state between the layers.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from hexar.agents.legal.corpus.corpora import Corpora
from hexar.agents.legal.corpus.files import files_of
from hexar.agents.legal.demo import CORPUS
from hexar.agents.legal.drafting.layers import LAYERS, Layers
from hexar.server.process.app import App
from hexar.server.servicers.legal import LegalServicer
from hexar.server.systems import make_settings
from hexar.v1 import legal_pb2 as pb
from hexar.v1 import legal_pb2_grpc
from hexar_client.legal import draft_request
from tests.bench.harness import data_folder, options, report

STAGE = 0.3


def slowed(layers: Layers) -> Layers:
    """The layers, each at least ``STAGE`` seconds long."""

    def slow(function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any) -> Any:
            started = time.perf_counter()
            result = function(*args)
            time.sleep(max(0.0, STAGE - (time.perf_counter() - started)))
            return result

        return run

    return Layers(
        *(slow(function) for function in (layers.research, layers.draft, layers.review, layers.validate, layers.cite))
    )


def request(number: int, **more: Any) -> pb.DraftRequest:
    """One of many different documents."""
    fields = {"party_a": f"Acme {number} Inc.", "party_b": "Beta LLC", "effective_date": "1 May 2026"}
    return draft_request("nda", "US-CA", fields, **more)


async def timed(stub: Any, wanted: pb.DraftRequest) -> tuple[float, dict[int, float], pb.DraftCompleted]:
    """(seconds, seconds by layer, the last event)."""
    started = time.perf_counter()
    layers: dict[int, float] = {}
    completed = pb.DraftCompleted()
    async for event in stub.Draft(wanted):
        if event.WhichOneof("event") == "progress" and event.progress.outcome:
            layers[event.progress.layer] = event.progress.elapsed.ToNanoseconds() / 1e9
        elif event.WhichOneof("event") == "completed":
            completed = event.completed
    return time.perf_counter() - started, layers, completed


async def bulk(stub: Any, requests: list[pb.DraftRequest]) -> float:
    """Seconds that a bulk takes."""
    started = time.perf_counter()
    async for _ in stub.DraftBulk(pb.DraftBulkRequest(draft=wanted) for wanted in requests):
        pass
    return time.perf_counter() - started


async def measure(app: App, stub: Any, rounds: int) -> dict[str, float]:
    servicer = next(entry for entry in app.servicers if isinstance(entry, LegalServicer))
    await timed(stub, request(0))  # the corpus comes into memory
    cold = [await timed(stub, request(1000 + number)) for number in range(rounds)]
    servicer.pipeline.layers = slowed(LAYERS)
    one, layers, completed = await timed(stub, request(1))
    wanted = layers[1] + layers[2] + max(layers[3], layers[4]) + layers[5]
    # The same document made anew, its research kept: as after the documents' own time to live.
    servicer.pipeline.layers = replace(slowed(LAYERS), draft=LAYERS.draft, review=LAYERS.review, validate=LAYERS.validate)
    kept = [(await timed(stub, request(1, formats=[pb.LEGAL_FORMAT_MARKDOWN, pb.LEGAL_FORMAT_DOCX]))) for _ in range(1)]
    servicer.pipeline.layers = slowed(LAYERS)
    many = await bulk(stub, [request(100 + number) for number in range(10)])
    return {
        "wall_ratio": round(one / wanted, 4),
        "cached_research_speedup": round(layers[1] / max(kept[0][1][1], 1e-9), 1),
        "bulk_speedup": round(10 * one / many, 2),
        "state_bytes": completed.state_bytes,
        "draft_p50_ms": round(1e3 * statistics.median(seconds for seconds, _, _ in cold), 2),
    }


async def main() -> None:
    """Print one JSON object."""
    wanted = options(__doc__ or "")
    data = data_folder()
    with tempfile.TemporaryDirectory(prefix="hexar-bench-") as folder:
        app = App(make_settings(port=0, data_dir=Path(folder), vendors=Path(folder) / "vendors.yaml", log_level="warning"))
        await app.start()
        corpora = Corpora(app.engine.database, app.engine.versions, None)
        source = data / "legal" / "passages.jsonl" if data is not None else CORPUS
        imported = await app.engine.database.run(corpora.replace, "", "", list(files_of(source)))
        async with grpc.aio.insecure_channel(f"127.0.0.1:{app.port}") as channel:
            figures = await measure(app, legal_pb2_grpc.LegalServiceStub(channel), 10 if wanted.quick else 40)
        await app.stop(0)
    report("legal", {"passages": imported.read, **figures})


if __name__ == "__main__":
    asyncio.run(main())
