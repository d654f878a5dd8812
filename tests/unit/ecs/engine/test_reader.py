"""Columns of records, and of keys inside their dynamic columns."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest

from airflow_provider_defender.ecs.engine.reader import RecordReader
from airflow_provider_defender.ecs.engine.shapes import Shape
from airflow_provider_defender.ecs.engine.typed import typed_columns

SHAPE = Shape({"id": "long", "extra": "dynamic"})
INSIDE = {"extra": Shape({"a": "dynamic", "b": "dynamic", "n": "long"})}
TEXTS = ["x", "", "-", "N/A", "null", "é", " ", '{"a":"y"}', 'a"b', "\u2028"]
OTHERS = [1, 1.5, True, None, [], [1, "x"], {"b": "-"}, {}]


def read(reader: RecordReader, values: list[Any]) -> list[dict[str, Any]]:
    records = [json.dumps({"id": n, "extra": value}).encode() for n, value in enumerate(values)]
    raw = reader.gather([reader.read(record)[0] for record in records])
    columns = typed_columns(reader.gathered, None, raw).record
    return pa.table(columns).to_pylist()  # type: ignore[no-any-return]


def known(value: Any) -> str | None:
    """The text of a dynamic value."""
    if value in (None, "", "-", "N/A"):
        return None
    return value if isinstance(value, str) else json.dumps(value)


@pytest.mark.parametrize("times", [1, 20], ids=["short", "long"])
@pytest.mark.parametrize("others_first", [False, True])
def test_keys_inside_are_read_alike_whether_all_are_texts_or_not(others_first: bool, times: int) -> None:
    """Until the first value that is no text, all are decoded as texts."""
    texts = [{"a": text, "n": 5} for text in TEXTS] + [{"b": text, "a": text} for text in TEXTS]
    others = [{"a": value, "b": "x"} for value in OTHERS] + texts
    reader = RecordReader(SHAPE, inside=INSIDE)
    for some in (others, texts, others) if others_first else (texts, others, texts):
        block = some * times
        rows = read(reader, block)
        assert [row["extra.a"] for row in rows] == [known(each.get("a")) for each in block]
        assert [row["extra.b"] for row in rows] == [known(each.get("b")) for each in block]
        assert [row["extra.n"] for row in rows] == [each.get("n") for each in block]
        assert [json.loads(row["extra"]) for row in rows] == block


def test_what_is_no_object_has_no_keys_inside() -> None:
    values = [None, "", "plain", "{bad", ' {"a":"x"}', "[1]", [1], 5, '{"a":"x"}', {"a": "y"}]
    rows = read(RecordReader(SHAPE, inside=INSIDE), values)
    assert [row["extra.a"] for row in rows] == [None] * 8 + ["x", "y"]
    assert [row["extra"] for row in rows[:8]] == [known(value) for value in values[:8]]


@pytest.mark.parametrize("values", [TEXTS, [None, *TEXTS], [*TEXTS, *OTHERS], [*OTHERS, *TEXTS], OTHERS])
def test_texts_of_a_dynamic_column(values: list[Any]) -> None:
    rows = read(RecordReader(SHAPE), values)
    assert [row["extra"] for row in rows] == [known(value) for value in values]
