from __future__ import annotations

import random
from typing import Any

import pyarrow as pa
import pytest

from airflow_provider_defender.ecs import columns

TEXTS = pa.list_(pa.string())


def texts(*values: Any) -> pa.Array:
    return pa.array(values, pa.string())


def test_only_where_takes_slices() -> None:
    column = texts("skipped", "a", "b", None, "d").slice(1)
    kept = columns.only_where(pa.array([True, False, True, True]), column)
    kept.validate(full=True)
    assert kept.to_pylist() == ["a", None, None, "d"]


def test_by_distinct_calls_once_for_each_combination() -> None:
    calls = []

    def function(*arguments: Any) -> tuple[Any]:
        calls.append(arguments)
        return ("|".join(map(str, arguments)),)

    lists = pa.array([["x", "y"], None, ["x", "y"], [], []], TEXTS)
    (result,) = columns.by_distinct(function, (pa.string(),), texts("a", None, "a", "b", "b"), lists)
    assert result.to_pylist() == ["a|['x', 'y']", "None|None", "a|['x', 'y']", "b|[]", "b|[]"]
    assert len({repr(call) for call in calls}) == len(calls)


@pytest.mark.parametrize("text", ["a\x00\x1fb", "\x00\x1f", "a\x00", "\x1fb"])
def test_by_distinct_keeps_lists_apart_whatever_their_texts_hold(text: str) -> None:
    rows = [[text], ["a", "b"], None, [], [text, "c"], [text]]
    lists = pa.array(rows, pa.list_(pa.string()))
    (result,) = columns.by_distinct(lambda found: (repr(found),), (pa.string(),), lists)
    assert result.to_pylist() == [repr(row) for row in rows]


def test_by_distinct_of_nothing_keeps_types() -> None:
    results = columns.by_distinct(lambda text: (text, 1), (pa.string(), pa.int64()), texts())
    assert [(len(result), result.type) for result in results] == [(0, pa.string()), (0, pa.int64())]


def test_collect_keeps_order_and_drops_duplicates_and_nulls() -> None:
    result = columns.collect(
        texts("a", None, "b", None), texts("a", "c", "d", None), texts("e", None, "b", None)
    )
    assert result.to_pylist() == [["a", "e"], ["c"], ["b", "d"], None]


def test_collect_of_lists_short_and_long() -> None:
    short = pa.array([["a", "b"], None, [], ["c"]], TEXTS)
    assert columns.collect(texts("b", None, None, "c"), short).to_pylist() == [["b", "a"], None, None, ["c"]]
    long = pa.array([["a", "b", "c", "a", "d", "e"], None, [], ["c"]], TEXTS)
    expected = [["b", "a", "c", "d", "e"], None, None, ["c"]]
    assert columns.collect(texts("b", None, None, "c"), long).to_pylist() == expected


def test_collect_equals_the_plain_way() -> None:
    source = random.Random(5)
    for _ in range(50):
        rows = source.randrange(6)
        values: list[list[Any]] = [
            [source.choice([None, "a", "b", "c"]) for _ in range(rows)] for _ in range(source.randrange(1, 5))
        ]
        plain = [
            list(dict.fromkeys(v for v in row if v is not None)) or None for row in zip(*values, strict=True)
        ]
        assert columns.collect(*(pa.array(column, pa.string()) for column in values)).to_pylist() == plain


def test_difference_is_exact_and_never_negative() -> None:
    start, end = pa.array([100, 5, None], pa.int64()), pa.array([101, 4, 7], pa.int64())
    assert columns.difference_in_nanoseconds(start, end).to_pylist() == [100, None, None]


def test_join_known_needs_all_parts() -> None:
    joined = columns.join_known("-", texts("m", "m", None), pa.array([1, None, 3], pa.int64()))
    assert joined.to_pylist() == ["m-1", None, None]


def test_by_distinct_tells_an_empty_list_from_one_with_an_empty_text() -> None:
    rows = [[], [""], ["a", ""], None, [""]]
    (result,) = columns.by_distinct(lambda found: (repr(found),), (pa.string(),), pa.array(rows, TEXTS))
    assert result.to_pylist() == [repr(row) for row in rows]


def test_by_distinct_of_results_without_any_value_keeps_types() -> None:
    results = columns.by_distinct(lambda text: (None, None), (TEXTS, pa.int64()), texts("a", "b"))
    assert [(result.to_pylist(), result.type) for result in results] == [
        ([None, None], TEXTS),
        ([None, None], pa.int64()),
    ]


def test_join_known_of_numbers() -> None:
    joined = columns.join_known("-", texts("a", "b", None), pa.array([1, None, 3], pa.int64()))
    assert joined.to_pylist() == ["a-1", None, None]
