"""Bad requests are refused with the path of every wrong field."""

import pytest
from google.protobuf.duration_pb2 import Duration

from hexar.agents.gear.request.validation import check
from hexar.core.errors import InvalidArgument
from hexar.v1 import common_pb2, query_pb2

VENDORS = ("alpha", "beta")


def money(micros: int, currency: str = "USD") -> common_pb2.Money:
    return common_pb2.Money(currency_code=currency, micros=micros)


def raw_enum(field_number: int, value: int) -> bytes:
    """A message that holds ``value`` in an enum field: unknown values travel in proto3."""
    return bytes([field_number << 3, value])


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({}, "text"),
        ({"text": " \t\n "}, "text"),
        ({"text": "a" * 1001}, "text"),
        ({"text": "snow\0board"}, "text"),
        ({"text": "snow\x1bboard"}, "text"),
        ({"text": "a", "limit": 101}, "limit"),
        ({"text": "a", "resume_after": 2**63}, "resume_after"),
        ({"text": "a", "user_id": "x" * 129}, "user_id"),
        ({"text": "a", "user_id": "two words"}, "user_id"),
        ({"text": "a", "user_id": "ana\n"}, "user_id"),
        ({"text": "a", "vendors": ["alpha", "nobody"]}, "vendors[1]"),
        ({"text": "a", "vendors": ["alpha"] * 51}, "vendors"),
        ({"text": "a", "filters": {"price_min": money(-1)}}, "filters.price_min.micros"),
        ({"text": "a", "filters": {"price_max": money(2**62)}}, "filters.price_max.micros"),
        ({"text": "a", "filters": {"price_max": money(1, "usd")}}, "filters.price_max.currency_code"),
        ({"text": "a", "filters": {"price_min": money(2), "price_max": money(1)}}, "filters.price_min"),
        ({"text": "a", "filters": {"price_min": money(1), "price_max": money(2, "EUR")}}, "filters.price_max"),
        ({"text": "a", "filters": {"brands": [""]}}, "filters.brands[0]"),
        ({"text": "a", "filters": {"brands": ["b" * 101]}}, "filters.brands[0]"),
        ({"text": "a", "filters": {"categories": ["ok", "a\x07"]}}, "filters.categories[1]"),
        ({"text": "a", "filters": {"terrain": ["x"] * 51}}, "filters.terrain"),
        ({"text": "a", "user": {"budget": money(0)}}, "user.budget"),
        ({"text": "a", "user": {"budget": money(-5)}}, "user.budget.micros"),
        ({"text": "a", "user": {"brands": ["\x00"]}}, "user.brands[0]"),
        ({"text": "a", "wait_for_analysis": Duration(seconds=61)}, "wait_for_analysis"),
        ({"text": "a", "wait_for_analysis": Duration(seconds=-1)}, "wait_for_analysis"),
        ({"text": "a", "wait_for_analysis": Duration(seconds=1, nanos=-1)}, "wait_for_analysis"),
    ],
)
def test_each_bad_field_is_named(fields: dict[str, object], path: str):
    """The path is that of the field in the contract."""
    with pytest.raises(InvalidArgument) as raised:
        check(query_pb2.QueryRequest(**fields), VENDORS)
    assert raised.value.violations[0][0] == path


@pytest.mark.parametrize(
    ("wire", "path"),
    [
        (raw_enum(7, 9), "cache_policy"),
        (bytes([2 << 3 | 2, 2]) + raw_enum(3, 99), "filters.skill_level"),
        (bytes([4 << 3 | 2, 2]) + raw_enum(1, 77), "user.skill_level"),
    ],
)
def test_unknown_enum_values_are_refused(wire: bytes, path: str):
    """proto3 lets any number through; here it is an error."""
    request = query_pb2.QueryRequest.FromString(query_pb2.QueryRequest(text="a").SerializeToString() + wire)
    with pytest.raises(InvalidArgument) as raised:
        check(request, VENDORS)
    assert [field for field, _ in raised.value.violations] == [path]


def test_all_wrong_fields_are_told_at_once():
    """A caller corrects a request in one round."""
    request = query_pb2.QueryRequest(text="a\x00", limit=1000, user_id="no spaces allowed", vendors=["x"])
    with pytest.raises(InvalidArgument) as raised:
        check(request, VENDORS)
    assert [field for field, _ in raised.value.violations] == ["text", "user_id", "limit", "vendors[0]"]


@pytest.mark.parametrize(
    "fields",
    [
        {"text": "snowboard"},
        {"text": "tabla\nde\tnieve ñ 雪"},
        {"text": "a" * 1000, "limit": 100, "user_id": "auth0|5f-ana@example.org", "vendors": ["beta"]},
        {"filters": {"in_stock": True}},
        {"filters": {"price_min": money(5), "price_max": money(5)}},
        {"filters": {"price_max": money(5, "")}},
        {"text": "a", "wait_for_analysis": Duration(seconds=60)},
    ],
)
def test_good_requests_pass(fields: dict[str, object]):
    """The limits themselves are allowed."""
    check(query_pb2.QueryRequest(**fields), VENDORS)
