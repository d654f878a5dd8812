"""Whatever comes: nothing raises, every record lands or is rejected once, in the one schema."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_defender import ecs
from tests.unit.ecs.helpers.alert_records import ALERT, ITEMS, TENANT, alert, map_alerts, record

FULL = {**ALERT, "evidence": list(ITEMS), "resolvedTime": "2021-01-27T00:00:00Z", "threatName": "Trojan"}

WRONG: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    2**63,
    -(2**80),
    "",
    "-",
    "text",
    "5",
    "2021-01-26T20:33:59.2Z",
    "2021-02-31T00:00:00Z",
    "0000-00-00T00:00:00Z",
    "😀 שלום \u202e \x00",
    "\ud800",
    [],
    {},
    [None],
    [[]],
    ["a", 1, None, {"b": []}],
    [{"a": 1}],
    {"a": {"b": [1, {"c": None}]}},
]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths of all values inside."""
    found = [path] if path else []
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, child in inside:
        found += places(child, (*path, name))
    return found


def put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    result = copy.deepcopy(value)
    node = result
    for name in path[:-1]:
        node = node[name]
    node[path[-1]] = new
    return result


PLACES = places(FULL)


@pytest.mark.parametrize("wrong", WRONG, ids=repr)
def test_each_wrong_value_in_every_place(wrong: Any) -> None:
    alerts = [put({**FULL, "id": str(number)}, path, wrong) for number, path in enumerate(PLACES)]
    mapped = map_alerts(*alerts)
    rejected = {each["record_index"] for each in mapped.rejects.to_pylist()}
    assert {PLACES[index] for index in rejected} <= {("id",)}, "only an alert without an id cannot land"


@pytest.mark.parametrize("wrong", WRONG, ids=repr)
def test_one_wrong_value_everywhere_at_once(wrong: Any) -> None:
    everywhere = dict.fromkeys(ALERT, wrong)
    item = dict.fromkeys(ITEMS[0], wrong)
    mapped = map_alerts(
        everywhere,
        {**everywhere, "id": "x", "alertCreationTime": ALERT["alertCreationTime"], "evidence": [item]},
    )
    assert mapped.rejects.num_rows + mapped.tables["alerts"].num_rows >= 2
    assert mapped.tables["alerts"].num_rows >= 1


def test_nothing_is_lost_on_the_way_to_unmapped() -> None:
    for wrong in ({"deep": [1, {"x": None}]}, [[1]], "😀"):
        mapped = map_alerts(alert(firstEventTime=wrong, incidentId=[wrong]))
        text = mapped.tables["alerts"].column("microsoft").to_pylist()[0]["defender_endpoint"]["unmapped"]
        assert json.loads(text)["firstEventTime"] == wrong


JSON_VALUES = st.recursive(
    st.sampled_from(WRONG) | st.text(max_size=8) | st.integers() | st.floats(),
    lambda children: (
        st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=6), children, max_size=4)
    ),
    max_leaves=8,
)
MUTATIONS = st.lists(st.tuples(st.sampled_from(PLACES), JSON_VALUES), min_size=1, max_size=6)
RELAXED = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


def mutate(
    mutations: list[tuple[tuple[Any, ...], Any]], extra: dict[str, Any], upper: bool
) -> dict[str, Any]:
    result = copy.deepcopy(FULL)
    for path, value in mutations:
        try:
            result = put(result, path, value)
        except (KeyError, IndexError, TypeError):
            continue
    result.update(extra)
    return {name.upper(): value for name, value in result.items()} if upper else result


@RELAXED
@given(
    alerts=st.lists(
        st.builds(
            mutate, MUTATIONS, st.dictionaries(st.text(max_size=6), JSON_VALUES, max_size=2), st.booleans()
        ),
        max_size=4,
    )
)
def test_mutated_alerts(alerts: list[dict[str, Any]]) -> None:
    map_alerts(ALERT, *alerts, alert(id="last"))


@RELAXED
@given(
    cut=st.integers(0, len(record(FULL))),
    noise=st.binary(max_size=6),
    at=st.integers(0, len(record(FULL))),
    skip=st.integers(0, 8),
)
def test_damaged_bytes(cut: int, noise: bytes, at: int, skip: int) -> None:
    data = record(FULL)
    map_alerts(data[:cut], data[:at] + noise + data[at + skip :], noise, ALERT)


@RELAXED
@given(data=st.lists(st.binary(max_size=40), max_size=3))
def test_any_bytes(data: list[bytes]) -> None:
    mapped = map_alerts(*data)
    assert mapped.rejects.num_rows == len(data)


def test_deep_nesting_in_a_field_rejects_that_record_only() -> None:
    deep = record(ALERT)[:-1] + b',"new":' + b'{"a":' * 200_000 + b"1" + b"}" * 200_001
    mapped = map_alerts(deep, ALERT)
    assert mapped.rejects.column("error").to_pylist() == ["nested too deeply"]
    assert mapped.tables["alerts"].num_rows == 1


def test_long_texts_of_all_scripts() -> None:
    text = "😀שלום\u202eabc" * 80_000
    mapped = map_alerts(alert(description=text, title=text, mitreTechniques=[text]))
    assert mapped.tables["alerts"].column("message").to_pylist() == [text]


def test_ten_thousand_alerts_at_one_time() -> None:
    records = [record(alert(id=str(number), description="same")) for number in range(10_000)]
    rows = sum(part.tables["alerts"].num_rows for part in ecs.map_batches("endpoint_alerts", records))
    assert rows == 10_000
    assert len({each[:2] for each in ecs.identities("endpoint_alerts", records, tenant=TENANT)}) == 10_000
