"""Records read in blocks: the same rows, rejects, counts and order as if each had been read alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_defender import ecs
from airflow_provider_defender.ecs.stream import messages as messages_module
from airflow_provider_defender.ecs.stream.messages import MessageReader
from airflow_provider_defender.ecs.stream.usual import usual_messages, usual_record, usual_records
from tests.unit.ecs.helpers.hub_messages import (
    CLOUD_ALERT,
    LOGON,
    SIGN_IN,
    check,
    event,
    logon,
    message,
    origins,
    process,
    text,
)

WITHOUT_TENANT = {key: value for key, value in logon(Port=9).items() if key != "Tenant"}
IN_ANOTHER_ORDER = {"category": "AdvancedHunting-IdentityLogonEvents", **logon(Port=10)}
RECORDS: dict[str, Any] = {
    **{f"logon{port}": logon(Port=port) for port in range(4)},
    **{f"process{number}": process(LogonId=number) for number in range(3)},
    "tenant a": logon(Port=1) | {"tenantId": "a"},
    "tenant b": logon(Port=2) | {"tenantId": "b"},
    "no tenant": logon(Port=3) | {"tenantId": ""},
    "sent again": logon(Port=0) | {"time": "2024-12-05T00:00:00Z"},
    "another ending": WITHOUT_TENANT,
    "another order": IN_ANOTHER_ORDER,
    "not ASCII": logon(Port=4, AccountName="é"),
    "unknown property": logon(Port=5, New=1),
    "unknown properties": logon(Port=6, Newer=[1], New="x"),
    "odd value": logon(Port="seven"),
    "no time": logon(Timestamp=None),
    "odd time": logon(Timestamp="yesterday"),
    "snapshot": event("DeviceTvmSoftwareInventory", {"DeviceId": "d1", "SoftwareVersion": "1.0"}),
    "new table": event("Mine", {"a": 1, "Timestamp": "2024-12-04T13:33:19Z"}),
    "other new table": event("mine", {"a": "\u2028"}),
    "no name": event("No-Name", LOGON),
    "alert": CLOUD_ALERT,
    "sign-in": SIGN_IN,
    "not UTF-8": text(logon(AccountName="@")).replace(b'"@"', b'"\xff"'),
    "not UTF-8 in raw JSON": text(logon(AdditionalFields={"a": "@"})).replace(b'"@"', b'"\xff"'),
    "cut off": text(logon())[:-40],
    "two in one": text(logon(Port=7)) + b"," + text(logon(Port=8)),
    "no object": text(event(properties=[1])),
    "broken inside": text(logon()).replace(b'"Port":null', b'"Port":nul'),
    "number": b"5",
}
pieces = st.sampled_from(sorted(RECORDS)).map(RECORDS.__getitem__)
usual_pieces = st.sampled_from([name for name in RECORDS if name[-1].isdigit()]).map(RECORDS.__getitem__)
mostly_usual = st.one_of(usual_pieces, usual_pieces, usual_pieces, pieces)
messages_of_any_kind = st.one_of(
    mostly_usual.map(message),
    mostly_usual.map(message),
    st.lists(mostly_usual, max_size=9).map(lambda records: message(*records)),
    pieces.map(lambda piece: piece if isinstance(piece, bytes) else text(piece)),
    st.sampled_from([None, b"", b'{"records":[]}', b'{"records":[{}]}', message(logon())[:-9]]),
)


@contextmanager
def one_by_one() -> Iterator[None]:
    with mock.patch.object(MessageReader, "_read_block", return_value=0):
        yield


def results(messages: list[bytes | None], tenants: list[str | None], cut: int) -> tuple[Any, ...]:
    """All that mapping gives; the messages come in two batches."""
    mapper = ecs.EventMapper(unknown_tables=["Known"])
    known = origins(len(messages)).append_column("tenant", pa.array(tenants, pa.string()))
    parts = [*mapper.map(messages[:cut], known[:cut]), *mapper.map(messages[cut:], known[cut:])]
    parts += mapper.finish()
    check(parts, messages, duplicates=True)
    tables: dict[str, list[Any]] = {}
    for part in parts:
        for name, table in part.tables.items():
            tables.setdefault(name, []).extend(table.to_pylist())
    rejects = [row for part in parts for row in part.rejects.to_pylist()]
    counts = [
        (part.records, part.messages, part.duplicates, part.type_mismatches, part.unmapped_fields)
        for part in parts
    ]
    return tables, rejects, counts


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_blocks_give_what_single_records_give(data: st.DataObject) -> None:
    messages = data.draw(st.lists(messages_of_any_kind, min_size=1, max_size=30))
    tenants = data.draw(
        st.lists(st.sampled_from(["a", "c", None]), min_size=len(messages), max_size=len(messages))
    )
    cut = data.draw(st.integers(0, len(messages)))
    found = results(messages, tenants, cut)
    with one_by_one():
        assert found == results(messages, tenants, cut)


def test_every_kind_of_record_between_usual_ones() -> None:
    usual: list[bytes | None] = [message(logon(Port=number)) for number in range(100, 120)]
    for number, record in enumerate(RECORDS.values()):
        usual += [message(record), message(logon(Port=number)), message(process(LogonId=number), record)]
    found = results(usual, [None] * len(usual), 50)
    with one_by_one():
        assert found == results(usual, [None] * len(usual), 50)
    _, rejects, counts = found
    assert len(rejects) >= 10
    assert sum(duplicates for _, _, duplicates, *_ in counts) >= 10


def test_new_columns_are_learned_alike_from_duplicates_too() -> None:
    """Once a column is learned, those of duplicates are no longer counted."""
    new: list[bytes | None] = [message(logon(Port=number // 4, New=1)) for number in range(48)]
    found = results(new, [None] * len(new), 30)
    with one_by_one():
        assert found == results(new, [None] * len(new), 30)


def test_most_records_are_read_in_blocks() -> None:
    """Odd ones, too. Alone is read, for a try, a message of several, which is not one record."""
    messages = [message(logon(Port=number)) for number in range(50)]
    messages[20] = message(logon(Port=20, New=1))
    messages[30] = message(*(process(LogonId=number) for number in range(10)))
    with mock.patch.object(
        MessageReader, "_read_usual", autospec=True, side_effect=MessageReader._read_usual
    ) as alone:
        results(list(messages), [None] * 50, 0)
    assert len(alone.mock_calls) == 1


def test_a_table_whose_first_record_is_unreadable_reads_the_next_ones() -> None:
    """Until a record was read, the order of a table's columns is not settled."""
    broken = text(logon()).replace(b'"Port":null', b'"Port":nul')
    others = [dict(reversed(LOGON.items())), LOGON, dict(sorted(LOGON.items()))]
    records = [event(properties={**each, "Port": number}) for number, each in enumerate(others * 3)]
    messages: list[bytes | None] = [message(broken), *map(message, records)]
    tables, rejects, _ = results(messages, [None] * len(messages), 5)
    rows = [row["microsoft"]["defender_xdr"] for row in tables["events/IdentityLogonEvents"]]
    assert [row["Port"] for row in rows] == list(range(9))
    assert {row["AccountName"] for row in rows} == {LOGON["AccountName"]}
    assert len(rejects) == 1


def test_duplicates_of_one_block_and_of_blocks_before() -> None:
    again = [message(logon(Port=number % 40), process(LogonId=number % 30)) for number in range(100)]
    tables, _, counts = results(list(again), [None] * 100, 60)
    assert {name: len(rows) for name, rows in tables.items()} == {
        "events/IdentityLogonEvents": 40,
        "events/DeviceProcessEvents": 30,
    }
    assert sum(duplicates for _, _, duplicates, *_ in counts) == 130
    for rows in tables.values():
        offsets = [row["landing"]["kafka"]["offset"] for row in rows]
        assert offsets == list(range(len(offsets)))


@pytest.mark.parametrize("ending", [b',"Tenant":"DefaultTenant"', b""])
@pytest.mark.parametrize("received", [b'"_TimeReceivedBySvc":"2024-12-04T13:36:26Z",', b""])
def test_the_usual_spelling(ending: bytes, received: bytes) -> None:
    constants = b'"tenantId":"t","operationName":"Publish","category":"AdvancedHunting-DeviceInfo"'
    content = b'{"a":{},"b":"},\\"Tenant\\":\\"DefaultTenant\\"}"}'
    record = b'{"time":"2024-12-04T13:38:20Z",%b,%b"properties":%b%b}' % (
        constants,
        received,
        content,
        ending,
    )
    expected = (record, b"2024-12-04T13:38:20Z", constants, received[22:-2] or None, content, ending or None)
    assert usual_record(record) == expected
    assert usual_records([b"{}", record]) == [(None,) * 6, expected]
    assert usual_messages([None, message(record), record]) == [(None,) * 6, expected, (None,) * 6]


class _Counted(list[Any]):
    """Counts the items that are taken out of it."""

    taken = 0

    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        _Counted.taken += len(found) if isinstance(key, slice) else 1
        return _Counted(found) if isinstance(key, slice) else found

    def __iter__(self) -> Iterator[Any]:
        for item in super().__iter__():
            _Counted.taken += 1
            yield item


@pytest.mark.parametrize("odd", ["unknown category", "not UTF-8"])
def test_records_that_are_read_alone_do_not_cost_the_square_of_their_number(odd: str) -> None:
    unknown = logon() | {"category": "AdvancedHunting-no_table"}
    records = {"unknown category": unknown, "not UTF-8": RECORDS["not UTF-8"]}
    count = 300
    _Counted.taken = 0
    with mock.patch.object(messages_module, "usual_records", lambda texts: _Counted(usual_records(texts))):
        _, rejects, _ = results([message(*[logon(), records[odd]] * count)], [None], 1)
    assert len(rejects) == count
    assert 2 * count <= _Counted.taken <= 10 * count
