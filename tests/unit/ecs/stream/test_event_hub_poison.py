"""Whatever comes through a hub: nothing raises, and each record is in one row or one reject."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_defender import ecs
from tests.unit.ecs.helpers.hub_messages import (
    ASSESSMENT,
    CLOUD_ALERT,
    LOGON,
    PROCESS,
    SIGN_IN,
    check,
    event,
    logon,
    map_messages,
    message,
    origins,
    process,
    text,
)

MESSAGES = 10_500
MIB = 1024 * 1024

SHAPES: list[Any] = [
    {"records": [logon()]},
    {"records": [logon(), process(), event("NewTable", PROCESS)]},
    {"records": [process(AdditionalFields=LOGON["AdditionalFields"])]},
    {
        "records": [
            event("AlertEvidence", {"Timestamp": "2024-12-04T13:00:00Z", "AdditionalFields": '{"$id":"1"}'})
        ]
    },
    {"records": [SIGN_IN, logon()]},
    [logon(), CLOUD_ALERT],
    logon(),
    CLOUD_ALERT,
    ASSESSMENT,
]
"""Real shapes, which are mutated as values and as bytes."""

VALUES: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    2**63,
    10**400,
    "",
    "-",
    "text",
    "5",
    "2024-12-04T13:33:19.2Z",
    "2024-02-31T00:00:00Z",
    "0000-00-00T00:00:00Z",
    "😀 \u202e \x00 é",
    "\ud800",
    '"},{"time":"',
    [],
    {},
    [None],
    ["a", 1, None, {"b": []}],
    {"a": {"b": [1, {"c.d": None}]}},
    '{"a":1}',
    "{broken",
    "../../etc/passwd",
    "AdvancedHunting-../x",
    "AdvancedHunting-deviceINFO",
    "AdvancedHunting-NewTable",
    "Microsoft.Security/secureScores",
]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths of all values inside."""
    found = [path] if path else []
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, child in inside:
        found += places(child, (*path, name))
    return found


def changed(value: Any, path: tuple[Any, ...], new: Callable[[Any, Any], None]) -> Any:
    """A copy in which `new` has done something to the object or list at the path's last step."""
    result = copy.deepcopy(value)
    node = result
    for name in path[:-1]:
        node = node[name]
    new(node, path[-1])
    return result


def with_value(choice: random.Random, shape: Any) -> bytes:
    """One to four values, or keys, replaced."""
    for _ in range(choice.randrange(1, 5)):
        path = choice.choice(places(shape))
        value = choice.choice(VALUES)

        def put(node: Any, name: Any, value: Any = value) -> None:
            node[name] = value

        def rename(node: Any, name: Any) -> None:
            if isinstance(node, dict):
                node[choice.choice([name.upper(), name + ".x", "", "\ud800"])] = node.pop(name)

        def remove(node: Any, name: Any) -> None:
            del node[name]

        shape = changed(shape, path, choice.choice([put, put, rename, remove]))
        if not places(shape):
            break
    return text(shape)


def with_bytes(choice: random.Random, shape: Any) -> bytes:
    """Bytes flipped, put in, taken out or doubled."""
    data = bytearray(text(shape))
    for _ in range(choice.randrange(1, 6)):
        start = choice.randrange(len(data) + 1)
        end = min(len(data), start + choice.randrange(1, 60))
        match choice.randrange(5):
            case 0:
                data[start : start + 1] = choice.randbytes(1)
            case 1:
                data[start:start] = choice.choice(
                    [b"{", b"}", b"[", b"]", b'"', b"\\", b",", b":", b"\n{", b"\xff"]
                )
            case 2:
                del data[start:end]
            case 3:
                data[start:start] = data[start:end]
            case _:
                data[start:start] = choice.randbytes(choice.randrange(1, 20))
    return bytes(data)


def with_text(choice: random.Random, shape: Any) -> bytes:
    """What no parser gives back: repeated keys, NaN, huge numbers, deep nesting, bad escapes and bytes."""
    data = text(shape)
    depth = choice.choice([50, 3000, 100_000 if choice.random() < 0.02 else 10])
    new = choice.choice(
        [
            b"NaN",
            b"-Infinity",
            b"1e999",
            b"9" * 5000,
            b"-0",
            b"01",
            b'"\\ud83d"',
            b'"\\x"',
            b'"\xf0\x28\x8c\x28"',
            b"[" * depth + b"]" * depth,
            b'{"a":' * depth + b"1" + b"}" * depth,
            b'{"a":1,"a":2,"A":3}',
            b"tru",
            b"",
        ]
    )
    values = [part for part in (b"null", b'"Publish"', b'"elias"', b"3276", b"{", b'"High"') if part in data]
    old = choice.choice(values)
    if choice.random() < 0.3:
        return data.replace(old, new + b"," + old if old == b"{" else new, 1)
    return data.replace(old, b'{"dup":1,"dup":' + new + b"}", 1)


def between(choice: random.Random, shape: Any) -> bytes:
    """Several documents, cut ones, rubbish around them."""
    data = text(shape)
    parts = [
        data,
        data[: choice.randrange(len(data))],
        choice.randbytes(choice.randrange(30)),
        b"",
        b"null",
        b"[]",
    ]
    ends = [b"\n", b"", b" ", b"\r\n", b"\xef\xbb\xbf", b","]
    return b"".join(choice.choice(parts) + choice.choice(ends) for _ in range(choice.randrange(1, 5)))


def poison(seed: int, count: int) -> Iterator[bytes | None]:
    """Messages of which hardly any is as it should be, the same for the same seed."""
    choice = random.Random(seed)
    for number in range(count):
        shape = choice.choice(SHAPES)
        kind = choice.random()
        if number % 1500 == 0:
            yield text(logon(AccountName="x" * MIB, AdditionalFields={"a": "y" * MIB}))
        elif kind < 0.02:
            yield None
        elif kind < 0.1:
            yield choice.randbytes(choice.randrange(300))
        elif kind < 0.15:
            yield text(shape)
        else:
            mutate = choice.choice([with_value, with_value, with_bytes, with_bytes, with_text, between])
            yield mutate(choice, shape)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_ten_thousand_poisoned_messages_land_or_are_rejected_once(seed: int) -> None:
    messages = list(poison(seed, MESSAGES // 3))
    mapper = ecs.EventMapper(drop_duplicates=False, max_bytes=4 * MIB)
    parts: list[ecs.MappedRecords] = []
    for start in range(0, len(messages), 500):
        parts += mapper.map(messages[start : start + 500], origins(len(messages[start : start + 500]), start))
    parts += mapper.finish()
    check(parts, messages, duplicates=False)
    rejected = sum(part.rejects.num_rows for part in parts)
    rows = sum(table.num_rows for part in parts for table in part.tables.values())
    assert rejected > len(messages) // 10, "the messages must be poisoned"
    assert rows > len(messages) // 3, "and not beyond recognition"


@pytest.mark.parametrize("seed", [4])
def test_poison_does_not_touch_its_neighbours(seed: int) -> None:
    """Sound records between poisoned ones give the very rows that they give alone."""
    sound = [message(logon(Port=number), process(ReportId=number)) for number in range(200)]
    bad = [data for data in poison(seed, 800) if data is None or len(data) < MIB]
    mixed = [data for number, one in enumerate(sound) for data in (one, *bad[4 * number : 4 * number + 4])]
    kept = {one: number for number, one in enumerate(sound)}
    alone, among = map_messages(*sound), map_messages(*mixed)
    for name in alone.tables:
        expected = [data["event"]["original"] for data in alone.tables[name].to_pylist()]
        rows = among.tables[name].to_pylist()
        found = [row for row in rows if mixed[row["landing"]["kafka"]["offset"]] in kept]
        assert [row["event"]["original"] for row in found] == expected
        for row, other in zip(found, alone.tables[name].to_pylist(), strict=True):
            row["landing"]["kafka"] = other["landing"]["kafka"]
            assert row == other


json_values = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.sampled_from(VALUES)
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)
TABLES = [name for name in ecs.known_event_tables() if not name.startswith("Defender")]


@st.composite
def records(draw: st.DrawFn) -> Any:
    """A record of any table, its columns filled with anything, now and then in another case."""
    table = draw(st.sampled_from([*TABLES, "NewTable", "deviceinfo"]))
    names = (
        list(ecs.find_mapping(f"event_hub/{table}").shape.properties)
        if table in TABLES
        else ["Timestamp", "a"]
    )
    spelled = st.sampled_from(names).flatmap(
        lambda name: st.sampled_from([name, name, name.upper(), name + "x"])
    )
    properties = draw(st.dictionaries(spelled, json_values, max_size=6))
    changes = draw(
        st.dictionaries(
            st.sampled_from(["time", "tenantId", "category", "Tenant", "new"]), json_values, max_size=1
        )
    )
    return {**event(table, properties), **changes}


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.lists(st.one_of(records(), json_values), max_size=4), min_size=1, max_size=4))
def test_any_records_land_or_are_rejected(batches: list[list[Any]]) -> None:
    map_messages(*(message(*batch) for batch in batches))


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.one_of(st.none(), st.binary(max_size=80), json_values.map(text)), min_size=1, max_size=6))
def test_any_bytes_land_or_are_rejected(messages: list[bytes | None]) -> None:
    mapper = ecs.EventMapper(drop_duplicates=False)
    parts = [*mapper.map(messages, origins(len(messages))), *mapper.finish()]
    check(parts, messages, duplicates=False)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(records())
def test_nothing_of_a_record_is_lost(record: Any) -> None:
    """Each column's value stands in its own column or in `unmapped`, unless it means that there is none."""
    mapped = map_messages(message(record))
    if not mapped.tables:
        assert mapped.rejects.num_rows == 1
        return
    ((dataset, table),) = mapped.tables.items()
    (row,) = table.to_pylist()
    if dataset == "events/AzureMonitor":
        return
    assert row["event"]["original"] == text(record).decode()
    own = row["microsoft"]["defender_xdr"]
    left = json.loads(own["unmapped"] or "{}")
    columns = {name.lower(): value for name, value in own.items()}
    for name, value in record["properties"].items():
        known = columns.get(name.lower()) is not None
        absent = value is None or value in ("", "-", "N/A")
        assert known or absent or name in left, name
