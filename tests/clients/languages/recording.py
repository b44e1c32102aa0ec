"""A gRPC server that passes every call on to another one, and keeps the bytes that it passes back.

With it a test compares what a client in another language printed with the very messages that it was sent: two calls need not
give the same answer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc


class Recording(grpc.GenericRpcHandler):
    """Listens on :attr:`port` and passes on to ``target``; :meth:`taken` gives the responses of a method so far."""

    def __init__(self, target: str) -> None:
        self._lock = threading.Lock()
        self._responses: list[tuple[str, bytes]] = []
        self._channel = grpc.insecure_channel(target)
        self._server = grpc.server(ThreadPoolExecutor(8), handlers=(self,))
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    def taken(self, method: str) -> list[bytes]:
        """The responses to ``method`` ("hexar.v1.QueryService/Query") in their order; they are forgotten."""
        with self._lock:
            found = [data for name, data in self._responses if name == f"/{method}"]
            self._responses.clear()
        return found

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        """Any method: on the wire, all four kinds are streams both ways."""
        return grpc.stream_stream_rpc_method_handler(self._pass_on(str(handler_call_details.method)))

    def _pass_on(self, method: str) -> Callable[[Iterator[bytes], Any], Iterator[bytes]]:
        def answer(requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
            metadata = tuple(pair for pair in context.invocation_metadata() if not pair[0].startswith(("grpc-", "user-agent")))
            left = context.time_remaining()
            # A call without a deadline says that it has centuries left, which is more than another call can be given.
            call: Any = self._channel.stream_stream(method)(requests, None if left is None or left > 1e6 else left, metadata)
            context.add_callback(call.cancel)
            try:
                for data in call:
                    with self._lock:
                        self._responses.append((method, data))
                    yield data
            except grpc.RpcError as error:
                context.abort(error.code(), error.details())  # type: ignore[attr-defined]

        return answer

    def close(self) -> None:
        """Stop listening."""
        self._server.stop(0).wait()
        self._channel.close()
