"""The keywords of the SDK's methods: fields of the contract's messages by name, so that a misspelt one fails type checking.

None is as good as not given.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypedDict

from hexar.v1 import common_pb2, legal_pb2, market_pb2, parts_pb2, portfolio_pb2, query_pb2


class QueryFields(TypedDict, total=False):
    """Fields of QueryRequest beside its text."""

    filters: query_pb2.Filters | None
    user_id: str | None
    user: query_pb2.UserContext | None
    limit: int | None
    cache_policy: common_pb2.CachePolicy | str | None
    vendors: Iterable[str] | None
    ordering: query_pb2.Ordering | str | None


class ChatFields(TypedDict, total=False):
    """Fields of ChatRequest beside portfolio and message."""

    conversation_id: str | None
    agent_id: str | None
    language: str | None
    cache_policy: common_pb2.CachePolicy | str | None
    top_k: int | None
    max_tokens: int | None
    ephemeral: bool | None


class SearchFields(TypedDict, total=False):
    """Fields of SearchRequest beside portfolio and query."""

    top_k: int | None
    mode: portfolio_pb2.RetrievalMode | str | None
    language: str | None
    cache_policy: common_pb2.CachePolicy | str | None


class MatchFields(TypedDict, total=False):
    """Fields of MatchPartsRequest beside the names."""

    catalogue: str | None
    vehicle: parts_pb2.VehicleQuery | None
    limit: int | None
    min_score: float | None


class ReportFields(TypedDict, total=False):
    """Fields of DiscoverRequest beside vehicle and components."""

    cache_policy: common_pb2.CachePolicy | str | None
    catalogue: str | None
    max_parts: int | None
    skip_propagation: bool | None


class ArticleFields(TypedDict, total=False):
    """Fields of ListArticlesRequest: what the articles belong to."""

    catalogue: str | None
    variant_id: str | None
    category_id: str | None
    product_group_id: str | None


class AnalysisFields(TypedDict, total=False):
    """Fields of AnalyzeRequest beside table, question, tools and level."""

    budget: common_pb2.Money | None
    horizon: int | None
    cache_policy: common_pb2.CachePolicy | str | None
    kind: market_pb2.AnalysisKind | str | None
    analysts: Iterable[market_pb2.Analyst | str] | None
    skip_analysts: bool | None
    filters: market_pb2.AnalyzeFilters | None
    top_n: int | None
    granularity: market_pb2.Granularity | str | None
    confidence: float | None
    spend_table: str | None
    budget_bounds: Iterable[market_pb2.BudgetBound] | None
    currency_code: str | None


class TableFields(TypedDict, total=False):
    """Fields of TableOptions beside name and columns."""

    currency_code: str | None
    date_order: market_pb2.DateOrder | str | None
    decimal_separator: str | None
    replace: bool | None
    sheet: str | None


class DraftFields(TypedDict, total=False):
    """Fields of DraftRequest beside document type, jurisdiction and its own fields."""

    request: str | None
    sequential: bool | None
    cache_policy: common_pb2.CachePolicy | str | None
    language: str | None
    corpus: legal_pb2.CorpusRef | None
    as_of: legal_pb2.CalendarDate | None
    formats: Iterable[legal_pb2.LegalFormat | str] | None
    strict: bool | None


class ReviseFields(TypedDict, total=False):
    """Fields of ReviseRequest beside the draft, the instruction and its own fields."""

    formats: Iterable[legal_pb2.LegalFormat | str] | None


class CiteFields(TypedDict, total=False):
    """Fields of CiteRequest beside text and jurisdiction."""

    corpus: legal_pb2.CorpusRef | None
    as_of: legal_pb2.CalendarDate | None


class AuthorityFields(TypedDict, total=False):
    """Fields of SearchAuthoritiesRequest beside query and jurisdiction."""

    limit: int | None
    topic: str | None
    corpus: legal_pb2.CorpusRef | None
    as_of: legal_pb2.CalendarDate | None
