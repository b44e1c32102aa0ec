"""What can go wrong with a model. No text of the provider is repeated: it may hold keys, prompts or another's data.

::

    Unavailable
    └── ModelError                 retryable, counts_as_failure
        ├── ModelRefused           no connection, or it was closed before an answer            retryable
        │   └── ModelStale         a kept connection had been closed: says nothing about the provider
        ├── ModelRejected          401, 403, 404, 400 …: repeating changes nothing             status
        ├── ModelBusy              429; retry_after as the provider asked                      retryable
        ├── ModelFailed            5xx, or an error event in the stream                        retryable
        ├── ModelMalformed         not HTTP, not an event stream, not JSON, too large          retryable
        ├── ModelCut               the stream ended before its end was announced               retryable
        ├── ModelEmpty             an answer without text
        ├── ModelTimeout           silent for too long: connect, first_token, idle, total      retryable, stage
        └── ModelCancelled         we stopped it ourselves

``retryable`` is about a call that has not yet streamed: after the first token nothing is repeated.
"""

from typing import ClassVar, Literal

from hexar.core.errors import Unavailable

Stage = Literal["connect", "first_token", "idle", "total"]

#: HTTP statuses 4xx that are not about what is in one request: the key, the bill, the address, the method, the proxy, the
#: time, the rate.
_PARTY_FAULTS = frozenset({401, 402, 404, 405, 407, 408, 429})


def blames_request(status: int) -> bool:
    """True where a provider refuses one request for what is in it: too long, a limit too high, a text that it filters.

    That says nothing about the next request.
    """
    return 400 <= status < 500 and status not in _PARTY_FAULTS


class ModelError(Unavailable):
    """Base. ``model`` is the configured name of the model."""

    retryable: ClassVar[bool] = True
    counts_as_failure: bool = True

    def __init__(self, model: str, what: str, retry_after: float = 1.0) -> None:
        super().__init__(f"model {model} {what}", retry_after)
        self.model = model
        self.what = what


class ModelRefused(ModelError):
    """No connection could be made, or it was closed before the answer began."""


class ModelStale(ModelRefused):
    """A kept connection turned out to be closed when it was used again; a new one may work at once."""

    counts_as_failure = False


class ModelRejected(ModelError):
    """The provider will not do this: key, permission, model name or request are wrong (HTTP ``status``).

    Where the request itself is at fault, the provider is not.
    """

    retryable = False

    def __init__(self, model: str, status: int) -> None:
        super().__init__(model, f"rejected the call (HTTP {status})", 30.0)
        self.status = status
        self.counts_as_failure = not blames_request(status)


class ModelBusy(ModelError):
    """HTTP 429. ``retry_after`` is what the provider asked for, seconds."""

    def __init__(self, model: str, retry_after: float) -> None:
        super().__init__(model, "is rate limited", retry_after)


class ModelFailed(ModelError):
    """HTTP 5xx, or an error event inside the stream."""


class ModelMalformed(ModelError):
    """What came is no answer of this protocol."""


class ModelCut(ModelError):
    """The stream ended before the provider said so."""


class ModelEmpty(ModelError):
    """The answer is complete and has no text. ``finish`` is the reason that was given.

    An answer that reached its limit before its first word is the caller's limit, not the provider's fault.
    """

    retryable = False

    def __init__(self, model: str, finish: str) -> None:
        super().__init__(model, "sent an answer without text")
        self.counts_as_failure = finish != "length"


class ModelTimeout(ModelError):
    """Nothing came in time. ``stage`` says which limit passed."""

    def __init__(self, model: str, stage: Stage) -> None:
        super().__init__(model, f"did not answer in time ({stage.replace('_', ' ')})")
        self.stage: Stage = stage


class ModelCancelled(ModelError):
    """The caller left."""

    retryable = False
    counts_as_failure = False

    def __init__(self, model: str) -> None:
        super().__init__(model, "was stopped")
