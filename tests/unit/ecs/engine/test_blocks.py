"""Columns of objects from blocks of values: what goes in comes out, in order, whatever the blocks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_defender.ecs.engine.blocks import column_blocks
from airflow_provider_defender.ecs.engine.raw import text_column
from airflow_provider_defender.ecs.engine.shapes import ColumnType, ListOf, Shape, raw_type
from airflow_provider_defender.ecs.engine.strict import strict_type

FILE = Shape({"name": "string", "size": "long", "details": "json"})
USER = Shape({"name": "string", "roles": ListOf("string"), "Details": "json"})
CLOUD = Shape({"region": "string", "place": "dynamic"})
WHOLE = Shape(
    {
        "kind": "string",
        "name": "string",
        "size": "long",
        "roles": ListOf("string"),
        "details": "json",
        "region": "string",
        "place": "dynamic",
        "unused": "boolean",
    },
    {"kind": "@kind"},
    tag="kind",
    variants={"file": FILE, "user": USER, "cloud": CLOUD},
)
EVENT = Shape({"id": "identifier", "parts": ListOf(WHOLE), "extra": Shape({"note": "string"})})

TEXTS = st.sampled_from(["", "a", "aé\U0001f600", "long text " * 5, "null"])
JSON: st.SearchStrategy[Any] = st.sampled_from(
    [None, {}, [], {"a": "é"}, {"a": 1}, "x", "", "-", 1.5, "a text of some length"]
)
ITEMS = st.one_of(
    st.none(),
    st.fixed_dictionaries(
        {"@kind": st.just("file")}, optional={"name": TEXTS, "size": st.integers(0, 9), "details": JSON}
    ),
    st.fixed_dictionaries(
        {"@kind": st.just("user")},
        optional={"name": TEXTS, "roles": st.lists(TEXTS, max_size=2), "Details": JSON},
    ),
    st.fixed_dictionaries({"@kind": st.just("cloud")}, optional={"region": TEXTS}),
)


def raw_column(column_type: ColumnType, values: Sequence[Any]) -> pa.Array:
    """The array of values that are added at once."""
    blocks = column_blocks(column_type)
    blocks.add(values)
    return blocks.array()


def read(items: Sequence[dict[str, Any] | None]) -> list[Any]:
    """The items as the strict classes hold them."""
    tags = {tag: strict_type(shape, tag=("@kind", tag)) for tag, shape in WHOLE.variants.items()}
    return [
        None if item is None else msgspec.json.decode(json.dumps(item), type=tags[item["@kind"]])
        for item in items
    ]


def expected(item: dict[str, Any] | None) -> dict[str, Any] | None:
    if item is None:
        return None
    values: dict[str, Any] = dict.fromkeys(WHOLE.properties)
    for name, value in item.items():
        values[WHOLE.by_lower_case[name.lower()]] = value
    details = values["details"]
    values["details"] = None if details in (None, "", "-") else json.dumps(details)
    return values


@given(items=st.lists(ITEMS, max_size=30), sizes=st.lists(st.integers(0, 7), min_size=1, max_size=5))
def test_items_of_several_classes_keep_order_and_values(items: list[Any], sizes: list[int]) -> None:
    blocks, start = column_blocks(WHOLE), 0
    objects = read(items)
    for size in [*sizes, len(items)]:
        blocks.add(objects[start : start + size])
        start += size
    array = blocks.array()
    array.validate(full=True)
    assert array.type == raw_type(WHOLE)
    assert array.to_pylist() == list(map(expected, items))


def test_columns_can_be_added_to_after_they_were_read() -> None:
    blocks = column_blocks("string")
    blocks.add([None, None])
    assert blocks.array().to_pylist() == [None, None]
    blocks.add(["a", None])
    blocks.add([None])
    assert blocks.array().to_pylist() == [None, None, "a", None, None]
    assert blocks.array().to_pylist() == [None, None, "a", None, None]


def test_an_object_of_the_whole_shape_stands_among_variants() -> None:
    odd = strict_type(WHOLE)("other", "n", None, None, '{"a":1}', None, "text", None)
    first, last = read([{"@kind": "file", "size": 1}, {"@kind": "user", "roles": ["é"]}])
    found = raw_column(WHOLE, [first, odd, last]).to_pylist()
    assert [each["kind"] for each in found] == ["file", "other", "user"]
    assert [each["details"] for each in found] == [None, '{"a":1}', None]
    assert [each["place"] for each in found] == [None, "text", None]
    assert [each["roles"] for each in found] == [None, None, ["é"]]


def test_lists_of_variants_inside_of_objects() -> None:
    own = strict_type(EVENT)
    items = read([{"@kind": "file", "name": "a"}, None])
    note = strict_type(EVENT.properties["extra"])("n")
    found = raw_column(EVENT, [own(1, items, None), None, own("x", None, note), own(None, [], None)])
    found.validate(full=True)
    rows = found.to_pylist()
    assert rows[1] is None
    assert [row and row["id"] for row in rows] == ["1", None, "x", None]
    assert [row and row["extra"] for row in rows] == [None, None, {"note": "n"}, None]
    assert [row and row["parts"] for row in rows] == [
        list(map(expected, [{"@kind": "file", "name": "a"}, None])),
        None,
        None,
        [],
    ]


def test_nothing_at_all() -> None:
    for kind in (WHOLE, EVENT, ListOf(WHOLE), ListOf("string"), "json"):
        assert raw_column(kind, []).type == raw_type(kind)
        assert len(raw_column(kind, [])) == 0


def test_empty_lists_are_no_nulls() -> None:
    found = raw_column(ListOf("string"), [[], []])
    assert found.to_pylist() == [[], []]
    assert raw_column(ListOf("string"), [[], None]).to_pylist() == [[], None]


def test_texts_are_copied_as_they_are() -> None:
    texts = [b"", b"a", msgspec.Raw(b'{"a":1}'), b"null"]
    assert text_column(texts).to_pylist() == ["", "a", '{"a":1}', "null"]
    assert text_column([*texts, "é".encode()]).to_pylist()[-1] == "é"
    assert text_column([]).to_pylist() == []


def test_texts_must_be_utf8() -> None:
    with pytest.raises(pa.ArrowInvalid, match="utf8"):
        text_column([b"a", b"\xff"])
