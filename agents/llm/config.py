"""How a model is configured. Prices and times come from here; nothing is guessed."""

from dataclasses import dataclass, field

from hexar.agents.llm.types import TokenUsage


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. All are bounded by the caller's deadline.

    ``connect``: until the connection is there, TLS included. ``first_token``: from the sent request to the first piece
    of the answer. ``idle``: between two pieces; comments and half an event do not count as one. ``total``: all of it.
    """

    connect: float = 5.0
    first_token: float = 30.0
    idle: float = 20.0
    total: float = 240.0


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """One model.

    ``name`` is how Hexar calls it, ``model`` how its provider does; ``kind`` is one of :data:`hexar.agents.llm.models.KINDS`.
    ``base_url`` ends before ``/chat/completions`` (``https://api.openai.com/v1``, ``http://localhost:11434/v1``); its query
    string goes with every call. Prices are micros of ``currency`` per million tokens (2_500_000 is 2.50); None: no price is
    known, and usage is counted without cost. ``include_usage`` asks for the usage chunk (None: where the kind understands
    that); ``max_tokens_field`` is what the provider calls the limit of the answer (empty: as its kind does; newer OpenAI
    models: ``max_completion_tokens``). ``threads`` and ``queue`` are the bulkhead of calls that are being opened; an open
    stream holds no thread.
    """

    name: str
    kind: str = "openai"
    base_url: str = ""
    api_key: str = field(default="", repr=False)
    model: str = ""
    input_price: int | None = None
    output_price: int | None = None
    currency: str = "USD"
    timeouts: Timeouts = field(default_factory=Timeouts)
    include_usage: bool | None = None
    max_tokens_field: str = ""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    ca_file: str = ""
    threads: int = 16
    queue: int = 1024

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("a model needs a name")
        for value in (*[text for pair in self.headers for text in pair], self.api_key):
            if not value.isprintable() or not value.isascii():
                raise ValueError(f"model {self.name}: key and headers must be printable ASCII")

    @property
    def priced(self) -> bool:
        return self.input_price is not None or self.output_price is not None

    def cost_micros(self, usage: TokenUsage) -> int | None:
        """What ``usage`` costs, micros of ``currency``, rounded up; None without a price."""
        if not self.priced:
            return None
        micros = usage.prompt_tokens * (self.input_price or 0) + usage.completion_tokens * (self.output_price or 0)
        return -(-micros // 1_000_000)
