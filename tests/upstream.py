"""A local OpenAI-compatible server for tests and benchmarks, in a process of its own so that its work is not ours.

``with Upstream() as upstream:`` starts it on a free port. What it does is asked for by the model's name: settings after
``?``, as in ``"fast?tokens=40&rate=20&fault=cut&after=7"``:

``tokens``   content chunks of an answer (20)            ``rate``   chunks a second (0: all at once)
``think``    seconds of reasoning chunks first (0)
``first``    seconds before the first chunk (0)          ``usage``  0: send no usage even where it is asked for
``fault``    none, status, cut, malformed, silent, drip, error, notsse, hang, reset, keepalive, crlf, nodone, huge, onlydone, whole
``after``    chunks before the fault (0)                 ``status`` with ``fault=status`` (500)
``retry``    seconds of Retry-After                      ``times``  the fault strikes only the first N calls of this
model
``dialect``  openai, mistral, ollama, vllm, llamacpp, azure: asks and answers as that server does
``tags``     seconds of reasoning between <think> tags first (0)
``endtag``   pieces of reasoning that only an end tag ends
``finish``   the reason to finish (stop)                 ``counts`` usage: null, negative, huge, text
``claims``   honest, false, opposite: claims about the products of the user's message, as JSON, in place of tokens
``schema``   0: an answer by a schema is refused with 400

Chunk ``i`` of an answer is ``"tok{i} "``: a lost, doubled or reordered chunk shows in the text. ``GET /stats`` tells
the calls, the streams that are open, and how many were cut off by the client; ``GET /timings`` the seconds from a request to
its first token written, by the user's last message, for models with ``timed=1``; ``/v1/embeddings`` answers unit vectors
made of the text's hash.
"""

import argparse
import asyncio
import hashlib
import json
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl

#: Counts that a broken server may send as usage.
_COUNTS: dict[str, Any] = {"null": None, "negative": -5, "huge": 10**19, "text": "seven"}

_REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    422: "Unprocessable Entity",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


class _Server:
    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.open = self.most_open = 0
        self.abandoned = 0
        self.last_abandoned = 0.0
        self.last_request: dict[str, Any] = {}
        self.timings: dict[str, float] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gone: asyncio.Event) -> None:
        try:
            while True:
                try:
                    head = await reader.readuntil(b"\r\n\r\n")
                except (asyncio.IncompleteReadError, ConnectionError):
                    return
                line, *rows = head.decode("latin-1").split("\r\n")
                method, path, _ = line.split(" ", 2)
                headers = {k.lower(): v.strip() for k, _, v in (row.partition(":") for row in rows if row)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                if not await self._route(method, path, headers, body, writer, gone):
                    return
        except ConnectionError:
            return
        finally:
            writer.close()

    async def _route(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        writer: asyncio.StreamWriter,
        gone: asyncio.Event,
    ) -> bool:
        if path == "/stats":
            stats = {
                "calls": dict(self.calls),
                "open": self.open,
                "most_open": self.most_open,
                "abandoned": self.abandoned,
                "last_abandoned": self.last_abandoned,
                "last_request": self.last_request,
            }
            return self._json(writer, 200, stats)
        if path == "/timings":
            return self._json(writer, 200, self.timings)
        target, _, query = path.partition("?")
        if target.endswith("/embeddings"):
            request = json.loads(body)
            self.last_request = {"target": path, **{name: headers.get(name, "") for name in ("authorization", "api-key")}}
            texts = [request["input"]] if isinstance(request["input"], str) else request["input"]
            rows = [{"index": i, "object": "embedding", "embedding": embed(text)} for i, text in enumerate(texts)]
            return self._json(writer, 200, {"data": rows, "usage": {"prompt_tokens": sum(len(t.split()) for t in texts)}})
        if target.endswith("/chat/completions"):
            request = json.loads(body)
            self.last_request = {**request, "authorization": headers.get("authorization", ""), "target": path}
            refused = _refused(request, query, headers)
            if refused is not None:
                return self._json(writer, *refused)
            return await self._chat(request, writer, gone)
        return self._json(writer, 404, {"error": {"message": "no such path"}})

    def _json(self, writer: asyncio.StreamWriter, status: int, value: object, extra: str = "") -> bool:
        data = json.dumps(value).encode()
        writer.write(
            f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: application/json\r\n"
            f"{extra}Content-Length: {len(data)}\r\n\r\n".encode()
            + data
        )
        return True

    async def _chat(self, request: dict[str, Any], writer: asyncio.StreamWriter, gone: asyncio.Event) -> bool:
        received = time.perf_counter()
        model = request["model"]
        settings = dict(parse_qsl(model.partition("?")[2]))

        def number(name: str, default: float) -> float:
            return float(settings.get(name, default))

        self.calls[model] += 1
        tokens, rate, after = int(number("tokens", 20)), number("rate", 0), int(number("after", 0))
        fault = settings.get("fault", "")
        if "times" in settings and self.calls[model] > number("times", 0):
            fault = ""
        if settings.get("schema") == "0" and "response_format" in request:
            return self._json(writer, 400, {"error": {"message": "response_format is not supported"}})
        if fault == "status":
            status = int(number("status", 500))
            extra = f"Retry-After: {settings['retry']}\r\n" if "retry" in settings else ""
            return self._json(writer, status, {"error": {"message": "secret upstream text"}}, extra)
        if fault == "hang":
            await gone.wait()
            return False
        if fault == "reset":
            writer.transport.abort()
            return False
        if fault == "notsse":
            return self._json(writer, 200, {"hello": "world"})
        if fault == "whole" or not request.get("stream"):
            text = "".join(f"tok{i} " for i in range(tokens))
            choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
            return self._json(writer, 200, {"choices": [choice], "usage": {"prompt_tokens": 7, "completion_tokens": tokens}})
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        watcher = asyncio.ensure_future(gone.wait())
        try:
            work = asyncio.ensure_future(
                self._stream(request, settings, fault, tokens, rate, after, number("first", 0), received, writer)
            )
            done, _ = await asyncio.wait({work, watcher}, return_when=asyncio.FIRST_COMPLETED)
            if work not in done:
                work.cancel()
                self.abandoned += 1
                self.last_abandoned = time.time()
                return False
            try:
                return work.result()
            except ConnectionError:
                self.abandoned += 1
                self.last_abandoned = time.time()
                return False
        finally:
            self.open -= 1
            watcher.cancel()
            await asyncio.gather(watcher, return_exceptions=True)

    async def _stream(
        self,
        request: dict[str, Any],
        settings: dict[str, str],
        fault: str,
        tokens: int,
        rate: float,
        after: int,
        first: float,
        received: float,
        writer: asyncio.StreamWriter,
    ) -> bool:
        newline = b"\r\n" if fault == "crlf" else b"\n"

        def send(data: bytes) -> None:
            writer.write(b"%x\r\n%s\r\n" % (len(data), data))

        def event(value: object) -> bytes:
            return b"data: " + json.dumps(value).encode() + newline + newline

        dialect = DIALECTS[settings.get("dialect", "openai")](request)
        delta = dialect.delta
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        if first:
            await asyncio.sleep(first)
        if fault == "onlydone":
            send(b"data: [DONE]" + newline + newline)
            writer.write(b"0\r\n\r\n")
            return True
        for opening in dialect.opening():
            send(event(opening))
        for _ in range(int(float(settings.get("think", 0)) * 10)):
            send(event(dialect.thought("hm")))
            await asyncio.sleep(0.1)
        if "tags" in settings:
            send(event(delta("<thi")) + event(delta("nk>")))
            for _ in range(int(float(settings["tags"]) * 10)):
                send(event(delta("hm [1] ")))
                await asyncio.sleep(0.1)
            send(event(delta("</think>\n\n")))
        for index in range(int(settings.get("endtag", 0)), 0, -1):
            send(event(delta("hm [1] ")) + (event(delta("\n</thi")) + event(delta("nk>\n\n")) if index == 1 else b""))
        if "claims" in settings:
            send(event(delta(claims(request["messages"][-1]["content"], settings["claims"]))))
            tokens = 0
        before, behind = event(delta("\0")).split(b"\\u0000")
        loop = asyncio.get_running_loop()
        start = loop.time()
        for index in range(tokens):
            if rate:
                await asyncio.sleep(max(0.0, start + index / rate - loop.time()))
            if fault and index == after:
                if fault == "cut":
                    await writer.drain()
                    writer.transport.abort() if settings.get("hard") else writer.close()
                    return False
                if fault == "malformed":
                    send(b"data: {not json" + newline + newline)
                if fault == "error":
                    send(event({"error": {"message": "secret upstream text", "code": 500}}))
                if fault == "silent":
                    await asyncio.sleep(3600)
                if fault == "huge":
                    for _ in range(64):
                        send(b"x" * 65536)
                        await writer.drain()
                if fault == "drip":
                    for byte in event(delta(f"tok{index} ")) * 100:
                        send(bytes([byte]))
                        await asyncio.sleep(0.05)
            if fault == "keepalive":
                send(b": ping" + newline + newline)
            send(before + b"tok%d " % index + behind)
            if not index and "timed" in settings:
                self.timings[request["messages"][-1]["content"]] = time.perf_counter() - received
            if not rate and index % 64 == 0:
                await writer.drain()
        usage: dict[str, Any] = {"prompt_tokens": 7, "completion_tokens": tokens, "total_tokens": 7 + tokens}
        if "counts" in settings:
            usage = dict.fromkeys(usage, _COUNTS[settings["counts"]])
        for closing in dialect.closing(settings.get("finish", "stop"), usage if settings.get("usage") != "0" else None):
            send(event(closing))
        if fault != "nodone":
            send(b"data: [DONE]" + newline + newline)
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True


def _refused(request: dict[str, Any], query: str, headers: dict[str, str]) -> tuple[int, dict[str, Any]] | None:
    """Status and body where the server of this dialect refuses the request before it looks at the model."""
    dialect = dict(parse_qsl(request["model"].partition("?")[2])).get("dialect", "openai")
    if dialect == "mistral" and "stream_options" in request:
        detail = [{"type": "extra_forbidden", "loc": ["body", "stream_options"], "msg": "Extra inputs are not permitted"}]
        return 422, {"object": "error", "message": {"detail": detail}, "type": "invalid_request_error"}
    if dialect == "azure" and "api-version" not in dict(parse_qsl(query)):
        return 404, {"error": {"code": "404", "message": "Resource not found"}}
    if dialect == "azure" and not headers.get("api-key"):
        return 401, {"error": {"code": "401", "message": "Access denied due to invalid subscription key"}}
    return None


class OpenAI:
    """The chunks of OpenAI's own service: a role first, null usage until a chunk of its own, which must be asked for."""

    def __init__(self, request: dict[str, Any]) -> None:
        self.request = request
        self.asked = bool((request.get("stream_options") or {}).get("include_usage"))

    def chunk(self, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": self.request["model"]}
        return {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    def delta(self, content: str) -> dict[str, Any]:
        return self.chunk({"content": content})

    def thought(self, text: str) -> dict[str, Any]:
        return self.chunk({"reasoning_content": text})

    def opening(self) -> list[dict[str, Any]]:
        return [self.chunk({"role": "assistant", "content": "", "refusal": None})]

    def closing(self, finish: str, usage: dict[str, Any] | None) -> list[dict[str, Any]]:
        counted = [{**self.chunk({}), "choices": [], "usage": usage}] if usage and self.asked else []
        return [self.chunk({}, finish), *counted]


class Mistral(OpenAI):
    """Mistral: thinking as parts of the content, text as a part behind it, usage unasked beside the reason to finish."""

    def __init__(self, request: dict[str, Any]) -> None:
        super().__init__(request)
        self.thought_before = False

    def delta(self, content: str) -> dict[str, Any]:
        parts, self.thought_before = self.thought_before, False
        return self.chunk({"content": [{"type": "text", "text": content}] if parts else content})

    def thought(self, text: str) -> dict[str, Any]:
        self.thought_before = True
        return self.chunk({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": text}]}]})

    def opening(self) -> list[dict[str, Any]]:
        return [self.chunk({"role": "assistant", "content": ""})]

    def closing(self, finish: str, usage: dict[str, Any] | None) -> list[dict[str, Any]]:
        return [{**self.chunk({"content": ""}, finish), **({"usage": usage} if usage else {})}]


class Ollama(OpenAI):
    """Ollama: a role in every chunk, reasoning under its own name."""

    def chunk(self, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        made = super().chunk({"role": "assistant", "content": "", **delta}, finish)
        return {**made, "system_fingerprint": "fp_ollama"}

    def thought(self, text: str) -> dict[str, Any]:
        return self.chunk({"reasoning": text})


class Vllm(OpenAI):
    """vLLM: nulls where others leave a field out."""

    def chunk(self, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        made = super().chunk({"reasoning_content": None, "tool_calls": None, **delta}, finish)
        made["choices"][0] |= {"logprobs": None, "stop_reason": None, "token_ids": None}
        return {**made, "usage": None}

    def thought(self, text: str) -> dict[str, Any]:
        return self.chunk({"content": None, "reasoning_content": text})


class LlamaCpp(OpenAI):
    """llama.cpp's server: null content beside the role, timings at the end."""

    def opening(self) -> list[dict[str, Any]]:
        return [self.chunk({"role": "assistant", "content": None})]

    def closing(self, finish: str, usage: dict[str, Any] | None) -> list[dict[str, Any]]:
        *chunks, last = super().closing(finish, usage)
        return [*chunks, {**last, "timings": {"prompt_n": 7, "predicted_n": 3, "predicted_per_second": 41.5}}]


class Azure(OpenAI):
    """Azure OpenAI: filter results first and last, in chunks without choices or without a delta."""

    def opening(self) -> list[dict[str, Any]]:
        filtered = {"prompt_index": 0, "content_filter_results": {"hate": {"filtered": False, "severity": "safe"}}}
        return [{**self.chunk({}), "choices": [], "prompt_filter_results": [filtered]}, *super().opening()]

    def closing(self, finish: str, usage: dict[str, Any] | None) -> list[dict[str, Any]]:
        offsets = {"check_offset": 0, "start_offset": 0, "end_offset": 9}
        late = {"index": 0, "finish_reason": None, "content_filter_offsets": offsets, "content_filter_results": {}}
        return [*super().closing(finish, usage), {**self.chunk({}), "choices": [late]}]


DIALECTS = {"openai": OpenAI, "mistral": Mistral, "ollama": Ollama, "vllm": Vllm, "llamacpp": LlamaCpp, "azure": Azure}


def claims(message: str, kind: str) -> str:
    """Claims about each product: true ones, ten false ones, or a good word for what a review complains of."""
    made: list[dict[str, Any]] = []
    for product in json.loads(message)["products"]:
        texts = {row["source"]: row["text"] for row in product["texts"]}
        first = texts.get("r1", "nothing").partition(".")[0] + "."
        good = {"product": product["product"], "kind": "pro", "aspect": "ride", "source": "r1", "quote": first}
        if kind == "false":
            lies = {"quote": "It never breaks."}, {"quote": ""}, {"quote": "It"}, {"source": "r99"}, {"product": 999}
            more = {"kind": "price"}, {"aspect": "only 9 EUR"}, {"aspect": ""}, {"quote": 5}, {"source": "s1", "quote": "best"}
            made += [{**good, **lie} for lie in (*lies, *more)]
        else:
            made.append(good)
    return json.dumps({"claims": made})


def embed(text: str, dimensions: int = 64) -> list[float]:
    """A unit vector that depends on the text alone."""
    digest = hashlib.shake_256(text.encode()).digest(dimensions)
    raw = [byte / 127.5 - 1.0 for byte in digest]
    norm = sum(value * value for value in raw) ** 0.5 or 1.0
    return [value / norm for value in raw]


class _Protocol(asyncio.StreamReaderProtocol):
    """Tells at once when the client closed or reset the connection."""

    def __init__(self, server: _Server) -> None:
        gone = asyncio.Event()
        super().__init__(asyncio.StreamReader(), lambda reader, writer: server.serve(reader, writer, gone))
        self._gone = gone

    def eof_received(self) -> bool | None:
        self._gone.set()
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone.set()
        super().connection_lost(exc)


class Upstream:
    """The server as a child process; ``base_url`` is what a client is configured with."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self.port = 0

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def start(self) -> Self:
        self._process = subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        return self

    def stop(self) -> None:
        """End the server; open streams break, later calls are refused."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()
            self._process = None

    def stats(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/stats", timeout=10) as response:
            value: dict[str, Any] = json.load(response)
            return value

    def timings(self) -> dict[str, float]:
        """Seconds from each request to its first token written, by its message."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/timings", timeout=10) as response:
            value: dict[str, float] = json.load(response)
            return value

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()


async def _main() -> None:
    parser = argparse.ArgumentParser(description="OpenAI-compatible server for tests")
    parser.add_argument("--port", type=int, default=0)
    shared = _Server()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Protocol(shared), "127.0.0.1", parser.parse_args().port, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    # The parent holds our standard input open: when it dies, even killed, we end too.
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    try:
        import uvloop

        uvloop.run(_main())
    except ImportError:
        asyncio.run(_main())
