"""Columns of items: equal ones found, JSON read strictly, parts put together."""

from __future__ import annotations

import pyarrow as pa

from airflow_provider_defender.ecs.engine.items import ColumnPart, distinct, json_objects, merged
from airflow_provider_defender.ecs.engine.shapes import Shape

_SHAPE = Shape({"name": "string", "size": "long", "more": "json"})
_TEXTS = pa.list_(pa.string())


def test_rows_are_equal_only_if_all_their_values_are() -> None:
    names = pa.array(["a", "a", None, "a", None, "a"])
    lists = pa.array([["x", "y"], ["x\x1fy"], [], ["x", "y"], None, ["x", "y"]], _TEXTS)
    numbers, firsts = distinct(6, [names, lists])
    same = numbers.to_pylist()
    assert len({same[0], same[1], same[2], same[4]}) == 4, "no two of them are equal"
    assert [same[first] for first in firsts.to_pylist()] == list(range(len(firsts)))
    plain, _ = distinct(6, [names, pa.array([["x"], ["x", "y"], [], ["x"], None, ["x"]], _TEXTS)])
    assert plain.to_pylist() == [0, 1, 2, 0, 3, 0]
    assert distinct(2, [])[0].to_pylist() == [0, 0]


def test_of_several_parts_the_last_one_counts_with_its_nulls() -> None:
    every = ColumnPart(None, {"a": pa.array(["1", "2", "3"]), "b": pa.array([1, 2, 3])})
    some = ColumnPart(
        pa.array([2, 0], pa.int32()), {"a": pa.array([None, "x"]), "c": pa.array([True, False])}
    )
    found = {name: column.to_pylist() for name, column in merged(3, [every, some]).items()}
    assert found == {"a": ["x", "2", None], "b": [1, 2, 3], "c": [False, None, True]}


def test_json_that_is_not_exactly_as_described_is_odd() -> None:
    good, odd = '{"name":"a","size":7,"more":[1]}', ['{"Name":"a"}', '{"size":"7"}', "[]", '{"size":1e99}']
    found = json_objects(pa.array([good, None, *odd, good]), _SHAPE)
    assert found.odd is not None
    assert found.odd.to_pylist() == [False, False, True, True, True, True, False]
    rows = found.on_rows(found.values)
    assert rows["name"].to_pylist()[::6] == ["a", "a"]
    assert rows["size"][0].as_py() == 7
    assert rows["more"][0].as_py() == "[1]"
    assert rows["name"][1].as_py() is None
    assert json_objects(pa.array([good]), _SHAPE).odd is None


def test_lists_of_objects_keep_their_bounds() -> None:
    found = json_objects(pa.array(["[]", '[{"name":"a"},{}]', "[null]", None]), _SHAPE, lists=True)
    names = pa.ListArray.from_arrays(found.offsets, found.values["name"]).take(found.indices)
    assert names.to_pylist()[:2] == [[], ["a", None]]
    assert found.odd is not None
    assert found.odd.to_pylist() == [False, False, True, False]
