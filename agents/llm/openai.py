"""Models behind an OpenAI-compatible endpoint: OpenAI, Mistral, Azure, vLLM, Ollama, llama.cpp and others.

What is said is :mod:`hexar.agents.llm.dialect`, how it travels is :mod:`hexar.agents.llm.transport`.
"""

from collections.abc import Iterator

from hexar.agents.llm import dialect
from hexar.agents.llm.config import ModelConfig
from hexar.agents.llm.errors import ModelStale
from hexar.agents.llm.transport.client import Call, Client
from hexar.agents.llm.types import Event, Request
from hexar.agents.transport.cancel import Cancel
from hexar.core.deadline import Deadline


class OpenAIProvider:
    """One configured model. ValueError where its configuration lacks something.

    Thread-safety: all methods may be called from any thread; an iterator or Call belongs to one thread at a time.
    """

    extractive = False
    blocking = False

    def __init__(self, config: ModelConfig) -> None:
        if not config.base_url.startswith(("http://", "https://")):
            raise ValueError(f"model {config.name}: base_url must begin with http:// or https://")
        if not config.model:
            raise ValueError(f"model {config.name}: model is empty")
        self.config = config
        self.client = Client(config, "chat/completions", dialect.headers(config))

    @property
    def name(self) -> str:
        return self.config.name

    def open(self, request: Request, deadline: Deadline, cancel: Cancel, *, fresh: bool = False) -> Call:
        """See :class:`hexar.agents.llm.types.Provider`."""
        reader = dialect.ChunkReader(self.name, request)
        return self.client.send(dialect.payload(self.config, request), reader, deadline, cancel, fresh=fresh)

    def stream(self, request: Request, deadline: Deadline, cancel: Cancel) -> Iterator[Event]:
        """See :class:`hexar.agents.llm.types.Provider`."""
        try:
            yield from self.client.read(self.open(request, deadline, cancel), cancel)
        except ModelStale:
            yield from self.client.read(self.open(request, deadline, cancel, fresh=True), cancel)

    def close(self) -> None:
        """Close the kept connections; running calls end by themselves."""
        self.client.close()
