"""Cache keys: injective, canonical, stable, and unmoved by hostile input."""

import hashlib
import json
import math
import os
import subprocess
import sys
import threading
import time
import unicodedata
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from enum import IntEnum, StrEnum
from pathlib import Path
from random import Random
from types import MappingProxyType

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from hexar.core.cachekey import MAX_BYTES, MAX_DEPTH, MAX_MARKS, SCHEMA_VERSION, cache_key, cachekey, encode
from tests.core.cachekey import oracle_cachekey as oracle
from tests.core.hostile_texts import HOSTILE, PATIENCE

VECTORS = Path(__file__).with_name("vectors.json")

encodable = st.text(st.characters(exclude_categories=["Cs"]))
tricky = st.sampled_from(["", "a", "a:b", "b", "c", "1", "é", "e\u0301", "Å", "\u212b", "\x00", "s\x01a", "\U0001f3c2"])
texts = encodable | tricky
edges = st.sampled_from([2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64, 10**40])
numbers = st.integers() | st.integers(-300, 300) | edges
floats = st.floats(allow_nan=False) | st.sampled_from([0.0, -0.0, 1.0, math.inf, -math.inf])
scalars = st.none() | st.booleans() | numbers | floats | texts | st.binary(max_size=40)


def with_distinct_keys(values: st.SearchStrategy[object]) -> st.SearchStrategy[dict[str, object]]:
    pairs = st.lists(st.tuples(texts, values), max_size=6, unique_by=lambda pair: unicodedata.normalize("NFC", pair[0]))
    return pairs.map(dict)


values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=5) | with_distinct_keys(inner), max_leaves=20)
requests = with_distinct_keys(values)


@given(texts, texts, requests)
def test_encoding_equals_the_oracle(tenant: str, kind: str, fields: dict[str, object]) -> None:
    """The compiled encoding and the plain one are the same bytes, and the key is their SHA-256."""
    encoded = encode(tenant, kind, fields)
    assert encoded == oracle.encode(tenant, kind, fields)
    assert cache_key(tenant, kind, fields) == hashlib.sha256(encoded).digest()


@given(texts, texts, requests)
def test_encoding_can_be_read_back(tenant: str, kind: str, fields: dict[str, object]) -> None:
    """An encoding has one reading: tenant and kind to the letter, fields as the same canonical value."""
    read_tenant, read_kind, read_fields = oracle.decode(encode(tenant, kind, fields))
    assert (read_tenant, read_kind) == (tenant, kind)
    assert oracle.canonical(read_fields) == oracle.canonical(fields)


@given(st.tuples(texts, texts, requests), st.tuples(texts, texts, requests))
@example(("t", "a:b", {"c": "d"}), ("t", "a", {"b:c": "d"}))
@example(("a:b", "c", {}), ("a", "b:c", {}))
@example(("t", "k", {"a:b": "c"}), ("t", "k", {"a": "b:c"}))
@example(("t", "k", {"a": ["b", "c"]}), ("t", "k", {"a": ["bc"]}))
@example(("t", "k", {"a": [["b"], "c"]}), ("t", "k", {"a": [["b", "c"]]}))
@example(("t", "k", {"a": {}}), ("t", "k", {"a": []}))
@example(("t", "k", {"a": None}), ("t", "k", {}))
@example(("t", "k", {"a": b"b"}), ("t", "k", {"a": "b"}))
@example(("t", "k", {"a": "b", "c": "d"}), ("t", "k", {"a": "bs\x01cs\x01d"}))
def test_different_canonical_values_never_share_an_encoding(
    left: tuple[str, str, dict[str, object]], right: tuple[str, str, dict[str, object]]
) -> None:
    """Two requests share an encoding exactly if they are the same canonical value."""
    same = left[:2] == right[:2] and oracle.canonical(left[2]) == oracle.canonical(right[2])
    assert (encode(*left) == encode(*right)) == same
    assert (cache_key(*left) == cache_key(*right)) == same


@given(values, values)
def test_different_values_of_one_field_never_share_an_encoding(left: object, right: object) -> None:
    """The value alone makes the difference, whatever its type."""
    same = oracle.canonical(left) == oracle.canonical(right)
    assert (encode("t", "k", {"v": left}) == encode("t", "k", {"v": right})) == same


def test_look_alikes_differ() -> None:
    """Values that Python calls equal or that print alike have keys of their own."""
    alike = [1, 1.0, "1", True, b"1", [1], {"1": 1}, "True", 0, 0.0, False, None, "", b"", [], {}, [None], "None", [[]]]
    alike += [math.inf, -math.inf, "inf", 2**64, float(2**64), -1, 255, -(2**7), 2**7]
    assert len({cache_key("t", "k", {"v": value}) for value in alike}) == len(alike)


@given(requests, st.randoms())
def test_order_of_a_dict_does_not_matter(fields: dict[str, object], random: Random) -> None:
    """Any order of insertion gives the same key."""
    names = list(fields)
    random.shuffle(names)
    assert cache_key("t", "k", {name: fields[name] for name in names}) == cache_key("t", "k", fields)


def test_order_of_a_list_matters() -> None:
    """A list is a sequence: its order is part of its value."""
    assert cache_key("t", "k", {"v": [1, 2]}) != cache_key("t", "k", {"v": [2, 1]})


@given(st.lists(texts, min_size=30, max_size=120, unique_by=lambda name: unicodedata.normalize("NFC", name)))
def test_wide_dicts_are_sorted_by_utf8(names: list[str]) -> None:
    """A dict too wide for the stack, with keys that share long beginnings, is encoded as the oracle encodes it."""
    fields = {"common beginning " + name: index for index, name in enumerate(names)}
    fields |= dict.fromkeys(names, 0)
    assert encode("t", "k", fields) == oracle.encode("t", "k", fields)


class Level(IntEnum):
    EASY = 1


class Side(StrEnum):
    LEFT = "left"


class FieldsView(Mapping[str, object]):
    """A mapping that is no dict."""

    def __init__(self, items: dict[str, object]) -> None:
        self._items = items

    def __getitem__(self, name: str) -> object:
        return self._items[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (-0.0, 0.0),
        ((1, (2,)), [1, [2]]),
        (Level.EASY, 1),
        (Side.LEFT, "left"),
        (OrderedDict(b=1, a=2), {"a": 2, "b": 1}),
        (MappingProxyType({"a": 1}), {"a": 1}),
        (FieldsView({"a": FieldsView({})}), {"a": {}}),
        ("e\u0301", "é"),
        ("\u212b", "Å"),
        ({"e\u0301": 1}, {"é": 1}),
    ],
)
def test_equal_canonical_values_share_a_key(left: object, right: object) -> None:
    """What the module calls one value has one key."""
    assert cache_key("t", "k", {"v": left}) == cache_key("t", "k", {"v": right})


def test_tenant_and_kind_are_compared_to_the_letter() -> None:
    """Two tenants never share a key, not even two that a reader cannot tell apart."""
    assert cache_key("e\u0301", "k", {}) != cache_key("é", "k", {})
    assert cache_key("t", "e\u0301", {}) != cache_key("t", "é", {})
    assert cache_key("t", "k", {}) != cache_key("T", "k", {})


def test_schema_version_is_inside() -> None:
    """Every encoding begins with the magic and the version."""
    assert encode("", "", {}) == b"hxk" + bytes([SCHEMA_VERSION]) + b"s\x00s\x00d\x00"


@pytest.mark.parametrize("vector", json.loads(VECTORS.read_text("utf-8")), ids=lambda vector: vector["name"])
def test_golden_vectors(vector: dict[str, object]) -> None:
    """The bytes of an encoding never change without a new schema version."""
    request = revive(vector["request"])
    assert isinstance(request, dict)
    assert encode(**request).hex() == vector["encoding"]
    assert cache_key(**request).hex() == vector["key"]


def revive(value: object) -> object:
    """A golden vector is JSON; ``{"$bytes": hex}`` and ``{"$float": text}`` stand for what JSON cannot say."""
    if isinstance(value, list):
        return [revive(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "$bytes" in value:
        return bytes.fromhex(value["$bytes"])
    if "$float" in value:
        return float(value["$float"])
    return {name: revive(item) for name, item in value.items()}


def test_keys_are_the_same_in_every_process() -> None:
    """The seed of str hashes, which orders sets and nothing else, leaves every key as it is."""
    program = (
        "from hexar.core.cachekey import cache_key\n"
        "names = sorted({'brand', 'size', 'année', 'limit', '\\u212b'}, key=hash)\n"
        "print(cache_key('t', 'k', {name: {name: 1, 'x': [name]} for name in names}).hex())\n"
    )
    found = set()
    for seed in ("0", "1", "42"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        command = [sys.executable, "-c", program]
        found.add(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)
    assert len(found) == 1
    assert len(bytes.fromhex(found.pop())) == 32


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"a": {"b": [0, math.nan]}}, ValueError, r"fields\['a'\]\['b'\]\[1\]: NaN"),
        ({"a": ["\ud800"]}, ValueError, r"fields\['a'\]\[0\]: a lone surrogate"),
        ({"a": {"\udfff": 1}}, ValueError, r"fields\['a'\]: a lone surrogate"),
        ({"a": {"é": 1, "e\u0301": 2}}, ValueError, r"fields\['a'\]: two keys are 'é' after NFC"),
        ({"é": [{1, 2}]}, TypeError, r"fields\['é'\]\[0\]: a value of type set"),
        ({"a": [[], bytearray(b"x")]}, TypeError, r"fields\['a'\]\[1\]: a value of type bytearray"),
        ({"a": {1: 2}}, TypeError, r"fields\['a'\]: a key must be a str, not int"),
        ({"a": 1 + 2j}, TypeError, r"fields\['a'\]: a value of type complex"),
        ({"a": "a" + "\u0301" * (MAX_MARKS + 1)}, ValueError, r"fields\['a'\]: more than \d+ combining marks"),
        ({"a": b"x" * MAX_BYTES}, ValueError, r"fields\['a'\]: the encoding is longer than"),
        ({"a": 1 << (8 * MAX_BYTES)}, ValueError, r"fields\['a'\]: the encoding is longer than"),
    ],
)
def test_what_has_no_key_is_refused(fields: dict[str, object], error: type[Exception], message: str) -> None:
    """A value without a canonical form is refused, and the message says where it stands."""
    with pytest.raises(error, match=message):
        cache_key("t", "k", fields)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((b"t", "k", {}), TypeError, "tenant must be a str, not bytes"),
        (("t", None, {}), TypeError, "kind must be a str, not NoneType"),
        (("t", "k", []), TypeError, "fields must be a mapping, not list"),
        (("t", "k", None), TypeError, "fields must be a mapping, not NoneType"),
        (("\ud800", "k", {}), ValueError, "tenant: a lone surrogate"),
        (("t", "\ud800", {}), ValueError, "kind: a lone surrogate"),
    ],
)
def test_arguments_are_named(arguments: tuple[str, str, dict[str, object]], error: type[Exception], message: str) -> None:
    """A wrong argument is refused by name."""
    with pytest.raises(error, match=message):
        cache_key(*arguments)


def containers(fields: object) -> int:
    inner = fields.values() if isinstance(fields, dict) else fields if isinstance(fields, list) else ()
    return 1 + max((containers(item) for item in inner if isinstance(item, dict | list)), default=0)


def test_depth_is_limited() -> None:
    """MAX_DEPTH containers inside each other have a key, one more is refused."""
    deepest: object = []
    for _ in range(MAX_DEPTH - 2):
        deepest = [deepest]
    assert len(cache_key("t", "k", {"v": deepest})) == 32
    with pytest.raises(ValueError, match=f"more than {MAX_DEPTH} containers"):
        cache_key("t", "k", {"v": [deepest]})


def test_cycles_are_refused() -> None:
    """A value that holds itself is refused, also when it does so many times over."""
    items: list[object] = []
    items.extend([items] * 10)
    fields: dict[str, object] = {}
    fields["self"] = fields
    for cyclic in ({"v": items}, fields):
        with pytest.raises(ValueError, match="a cycle"):
            cache_key("t", "k", cyclic)


def test_a_value_that_repeats_itself_exponentially_is_refused() -> None:
    """Fifty lists that each hold the one before twice would be 2^50 items: the limit of bytes ends the work."""
    bomb: list[object] = []
    for _ in range(50):
        bomb = [bomb, bomb]
    start = time.process_time()
    with pytest.raises(ValueError, match="longer than"):
        cache_key("t", "k", {"v": bomb})
    assert time.process_time() - start < PATIENCE


def test_a_mapping_that_changes_its_parents_is_harmless() -> None:
    """Code that runs during the encoding and empties the containers around it changes nothing that was already read."""
    outer: dict[str, object] = {}
    items: list[object] = []

    class Eraser(FieldsView):
        def __iter__(self) -> Iterator[str]:
            outer.clear()
            items.clear()
            return super().__iter__()

    items.extend([Eraser({}), "x" * 50, ["y"]])
    outer.update({"a": items, "b": ["z" * 50], "c": 3})
    assert encode("t", "k", outer) == oracle.encode("t", "k", {"a": [{}, "x" * 50, ["y"]], "b": ["z" * 50], "c": 3})


def test_an_error_inside_a_mapping_is_passed_on() -> None:
    """An exception of the caller's own mapping arrives unchanged and nothing leaks from the half-written encoding."""

    class Broken(FieldsView):
        def __getitem__(self, name: str) -> object:
            raise KeyError(name)

    with pytest.raises(KeyError, match="gone"):
        cache_key("t", "k", {"v": ["x" * 5000, Broken({"gone": 1})]})


def test_references_are_balanced() -> None:
    """Neither a success nor a refusal keeps or drops a reference to what it read."""
    name, value, bad = "name-é-" + str(time.time()), ["value"], {"x": object()}
    before = [sys.getrefcount(thing) for thing in (name, value, bad)]
    for _ in range(100):
        cache_key("t", "k", {name: value, **{str(index): value for index in range(60)}})
        with pytest.raises(TypeError):
            cache_key("t", "k", {name: bad, "a": value})
    assert [sys.getrefcount(thing) for thing in (name, value, bad)] == before


def test_threads_share_a_value() -> None:
    """Four threads that key the same value at once all get its key."""
    fields: dict[str, object] = {str(index): ["é" * index, index, {"x": b"y" * 1000}] for index in range(200)}
    expected, found = oracle.cache_key("t", "k", fields), []
    threads = [threading.Thread(target=lambda: found.append(cache_key("t", "k", fields))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4


@given(st.binary(max_size=300))
def test_sha256_equals_hashlib(data: bytes) -> None:
    """Both paths of the hash give what hashlib gives."""
    expected = hashlib.sha256(data).digest()
    assert cachekey._sha256(data) == expected
    assert cachekey._sha256(data, portable=True) == expected


def test_sha256_of_every_length_around_the_blocks() -> None:
    """Padding is right for every length up to four blocks, and for a long message."""
    source = bytes(index * 7 % 256 for index in range(100_003))
    for length in [*range(260), len(source)]:
        expected = hashlib.sha256(source[:length]).digest()
        assert cachekey._sha256(source[:length]) == expected
        assert cachekey._sha256(source[:length], portable=True) == expected


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_neither_stalls_nor_crashes(name: str) -> None:
    """Long, invisible, composed, broken: a text has a key, as a value and as a name, or is a ValueError, and soon."""
    text = HOSTILE[name]
    refusal = "combining marks surrogate"
    start = time.process_time()
    try:
        assert len(cache_key("t", "k", {"q": text, text: 1})) == 32
    except ValueError as error:
        refusal = str(error)
    assert time.process_time() - start < PATIENCE
    assert "combining marks" in refusal or "surrogate" in refusal


junk = st.recursive(
    scalars | st.floats() | st.text() | st.just(object()) | st.complex_numbers(),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.integers() | st.none(), inner)
        | st.sets(st.integers())
    ),
    max_leaves=30,
)


@given(junk, junk, junk)
def test_fuzz_any_object(tenant: object, kind: object, fields: object) -> None:
    """Any object gives 32 bytes or a refusal that names the argument, the same each time, as the oracle does."""
    outcomes: list[bytes | str] = []
    for _ in range(2):
        try:
            outcomes.append(cache_key(tenant, kind, fields))  # type: ignore[arg-type]
        except (TypeError, ValueError) as error:
            outcomes.append(str(error))
    assert outcomes[0] == outcomes[1]
    if isinstance(outcomes[0], str):
        assert outcomes[0].startswith(("tenant", "kind", "fields"))
    else:
        assert len(outcomes[0]) == 32
    if isinstance(fields, dict):
        try:
            expected = oracle.cache_key("t", "k", fields)
        except (TypeError, ValueError):
            with pytest.raises((TypeError, ValueError)):
                cache_key("t", "k", fields)
        else:
            assume(containers(fields) <= MAX_DEPTH)
            assert cache_key("t", "k", fields) == expected
