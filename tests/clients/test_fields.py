"""The keywords of the SDK's methods are the fields of the contract's messages."""

from typing import Any, get_args

import pytest
from google.protobuf.message import Message

from hexar.v1 import chat_pb2, legal_pb2, market_pb2, parts_pb2, portfolio_pb2, query_pb2
from hexar_client._rpc import fields
from hexar_client.chat import ChatEvents
from hexar_client.gear import QueryEvents
from hexar_client.legal import DraftEvents
from hexar_client.market import AnalyzeEvents
from hexar_client.parts import DiscoverEvents


@pytest.mark.parametrize(
    ("keywords", "message", "beside"),
    [
        (fields.QueryFields, query_pb2.QueryRequest, {"text", "wait_for_analysis", "resume_after"}),
        (fields.ChatFields, chat_pb2.ChatRequest, {"portfolio_id", "message", "resume_after"}),
        (fields.SearchFields, portfolio_pb2.SearchRequest, {"portfolio_id", "query"}),
        (fields.MatchFields, parts_pb2.MatchPartsRequest, {"names"}),
        (fields.ReportFields, parts_pb2.DiscoverRequest, {"vehicle", "components", "resume_after"}),
        (fields.ArticleFields, parts_pb2.ListArticlesRequest, {"page"}),
        (fields.AnalysisFields, market_pb2.AnalyzeRequest, {"table", "question", "tools", "optimization", "resume_after"}),
        (fields.TableFields, market_pb2.TableOptions, {"name", "columns"}),
        (fields.DraftFields, legal_pb2.DraftRequest, {"document_type", "jurisdiction", "fields", "resume_after"}),
    ],
)
def test_every_field_of_a_request_is_a_keyword(keywords: type, message: type[Message], beside: set[str]) -> None:
    """None is missing, none is too many: what is given in another way is named here."""
    assert set(keywords.__annotations__) == set(message.DESCRIPTOR.fields_by_name) - beside


@pytest.mark.parametrize(
    ("events", "message"),
    [
        (QueryEvents, query_pb2.QueryEvent),
        (ChatEvents, chat_pb2.ChatEvent),
        (DiscoverEvents, parts_pb2.DiscoverEvent),
        (AnalyzeEvents, market_pb2.AnalyzeEvent),
        (DraftEvents, legal_pb2.DraftEvent),
    ],
)
def test_every_kind_of_event_has_its_type(events: Any, message: type[Message]) -> None:
    """A kind is the name of a field of the contract, its body that field's message; a stream may also begin anew."""
    typed = {}
    for event in get_args(events):
        kind, body = get_args(event)
        typed[get_args(kind)[0]] = body.DESCRIPTOR.full_name if hasattr(body, "DESCRIPTOR") else body.__name__
    contract = message.DESCRIPTOR.oneofs_by_name["event"].fields
    assert typed == {field.name: field.message_type.full_name for field in contract} | {"restarted": "Restarted"}
