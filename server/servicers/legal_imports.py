"""ImportCorpus: files in pieces, read off the event loop, put in place at once."""

from __future__ import annotations

import asyncio

from hexar.agents.legal.corpus.corpora import Corpora, ImportReport
from hexar.agents.legal.corpus.files import File, unpacked
from hexar.agents.legal.corpus.reading import Reading
from hexar.agents.legal.corpus.store import DEFAULT
from hexar.agents.legal.messages import contract
from hexar.agents.legal.request.checks import MAX_NAME, Violations
from hexar.core.errors import InvalidArgument, Unavailable
from hexar.core.store import STORE_ERRORS
from hexar.server.calls.rpc import Call
from hexar.server.calls.transport.texts import check_strings
from hexar.server.engine import Engine
from hexar.v1 import legal_pb2 as pb

#: Bytes and files of one call, seconds between two reports of progress, and problems that a report carries.
MAX_BYTES, MAX_FILES = 512 * 1024 * 1024, 100_000
EVERY = 0.25
MAX_PROBLEMS = 20


class CorpusImports:
    """The handler of ImportCorpus."""

    def __init__(self, corpora: Corpora, engine: Engine) -> None:
        self._corpora = corpora
        self._engine = engine

    async def import_corpus(self, call: Call) -> None:
        """Replace a corpus of the caller's tenant."""
        with self._engine.gate.work(call):
            name, jurisdiction, files = await self._received(call)
            latest = Reading()

            def progress(reading: Reading) -> None:
                nonlocal latest
                latest = reading

            def work() -> ImportReport:
                held = [inside for file in files for inside in unpacked(file)]
                return self._corpora.replace(call.tenant, name, held, jurisdiction, progress)

            task = asyncio.create_task(self._engine.database.run(work))
            # Where the caller leaves, nobody asks how it ended.
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
            while not (await asyncio.wait({task}, timeout=EVERY))[0]:
                sent = pb.ImportCorpusResponse(read=len(latest.passages), refused=latest.refused)
                await call.send([sent.SerializeToString()])
            try:
                report = task.result()
            except Unavailable:
                raise
            except STORE_ERRORS as error:
                raise Unavailable("the store cannot be written now") from error
            done = pb.ImportCorpusResponse(
                read=report.read,
                refused=report.refused,
                problems=contract.problems(report.problems[:MAX_PROBLEMS]),
                corpus=contract.corpus(report.corpus),
            )
            await call.send([done.SerializeToString()])

    async def _received(self, call: Call) -> tuple[str, str, list[File]]:
        """(corpus, jurisdiction, files)."""
        name = jurisdiction = ""
        pieces: list[tuple[str, bytearray]] = []
        total = 0
        first = True
        async for request in call.decode_stream(pb.ImportCorpusRequest):
            check_strings(request)
            if first:
                wrong = Violations()
                wrong.text("corpus", request.corpus, MAX_NAME)
                jurisdiction = wrong.place("jurisdiction", request.jurisdiction, ())
                wrong.end()
                name, first = request.corpus.strip() or DEFAULT, False
            if request.path:
                if len(request.path) > 1000 or ".." in request.path.split("/") or request.path.startswith("/"):
                    raise InvalidArgument("path", f"{request.path[:100]!r} is no path inside an import")
                if len(pieces) >= MAX_FILES:
                    raise InvalidArgument("path", f"an import has at most {MAX_FILES} files")
                pieces.append((request.path, bytearray()))
            if request.content:
                if not pieces:
                    raise InvalidArgument("path", "must name the file that the content belongs to")
                total += len(request.content)
                if total > MAX_BYTES:
                    raise InvalidArgument("content", f"an import has at most {MAX_BYTES} bytes")
                pieces[-1][1].extend(request.content)
        return name, jurisdiction, [File(path, bytes(content)) for path, content in pieces]
