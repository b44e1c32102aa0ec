"""What requests to the portfolio system may hold. Raises InvalidArgument with the field's path."""

import math
import re

from hexar.core.errors import InvalidArgument
from hexar.v1 import chat_pb2, common_pb2, portfolio_pb2

#: Code points of a message and of a search.
MESSAGE_CHARACTERS = 8000
QUERY_CHARACTERS = 4000
PROMPT_CHARACTERS = 8000
MAX_TOP_K = 50
MAX_SEARCH = 100
MAX_TOKENS = 16_000
PAGE_SIZE, MAX_PAGE_SIZE = 100, 1000

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_MADE_ID = re.compile(r"[a-z]-[0-9a-f]{16,64}")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")
_POLICIES = frozenset(common_pb2.CachePolicy.values())


def check_text(field: str, text: str, limit: int, *, required: bool = True) -> None:
    """Refuse a text that is empty (where required), longer than ``limit`` code points, or holds control characters."""
    if required and not text.strip():
        raise InvalidArgument(field, "must not be empty")
    if len(text) > limit:
        raise InvalidArgument(field, f"must have at most {limit} characters")
    if _CONTROL.search(text):
        raise InvalidArgument(field, "must not hold control characters")


def check_name(field: str, name: str, *, required: bool = True) -> None:
    """Refuse an identifier that is not 1 to 100 letters, digits, dots, dashes and underscores, beginning with a letter or
    digit."""
    if not name and not required:
        return
    if not _NAME.fullmatch(name):
        raise InvalidArgument(field, "must be 1 to 100 letters, digits, dots, dashes or underscores")


def check_made_id(field: str, value: str, *, required: bool = True) -> None:
    """Refuse what cannot be an identifier that this service made."""
    if (value or required) and not (_MADE_ID.fullmatch(value) or _NAME.fullmatch(value)):
        raise InvalidArgument(field, "is not an identifier of this service")


def check_language(field: str, language: str) -> None:
    """Refuse what is no BCP 47 language tag; empty is allowed."""
    if language and not _LANGUAGE.fullmatch(language):
        raise InvalidArgument(field, "must be a language tag such as 'en' or 'es'")


def check_policy(field: str, policy: int) -> None:
    """Refuse a cache policy that the contract does not have."""
    if policy not in _POLICIES:
        raise InvalidArgument(field, "is not a known cache policy")


def check_chat(request: chat_pb2.ChatRequest) -> None:
    """Refuse a ChatRequest that cannot be answered."""
    check_name("portfolio_id", request.portfolio_id)
    check_text("message", request.message, MESSAGE_CHARACTERS)
    check_made_id("conversation_id", request.conversation_id, required=False)
    check_name("agent_id", request.agent_id, required=False)
    check_language("language", request.language)
    check_policy("cache_policy", request.cache_policy)
    if request.top_k > MAX_TOP_K:
        raise InvalidArgument("top_k", f"must be at most {MAX_TOP_K}")
    if request.max_tokens > MAX_TOKENS:
        raise InvalidArgument("max_tokens", f"must be at most {MAX_TOKENS}")
    if request.ephemeral and request.conversation_id:
        raise InvalidArgument("ephemeral", "a conversation cannot be continued without being kept")


def check_search(request: portfolio_pb2.SearchRequest) -> None:
    """Refuse a SearchRequest that cannot be answered."""
    check_name("portfolio_id", request.portfolio_id)
    check_text("query", request.query, QUERY_CHARACTERS)
    check_language("language", request.language)
    check_policy("cache_policy", request.cache_policy)
    if request.top_k > MAX_SEARCH:
        raise InvalidArgument("top_k", f"must be at most {MAX_SEARCH}")
    allowed = set(portfolio_pb2.RetrievalMode.values()) - {portfolio_pb2.RETRIEVAL_MODE_NONE}
    if request.mode not in allowed:
        raise InvalidArgument("mode", "is not a mode that can be asked for")


def check_agent(agent: chat_pb2.Agent, *, new: bool) -> None:
    """Refuse an Agent that cannot be kept."""
    check_name("agent.agent_id", agent.agent_id, required=not new)
    check_text("agent.title", agent.title, 200, required=False)
    check_text("agent.prompt", agent.prompt, PROMPT_CHARACTERS, required=False)
    check_text("agent.model", agent.model, 200, required=False)
    if agent.HasField("temperature") and not (math.isfinite(agent.temperature) and 0 <= agent.temperature <= 2):
        raise InvalidArgument("agent.temperature", "must be from 0 to 2")
    if agent.top_k_cap > MAX_TOP_K:
        raise InvalidArgument("agent.top_k_cap", f"must be at most {MAX_TOP_K}")


def page_size(page: common_pb2.PageRequest) -> int:
    """The size of a page; 100 where none is given."""
    if page.size > MAX_PAGE_SIZE:
        raise InvalidArgument("page.size", f"must be at most {MAX_PAGE_SIZE}")
    return int(page.size) or PAGE_SIZE
