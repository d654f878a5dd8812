"""The rules of `tests.helpers.row_rules` over the simulator's records, changed ones, and the golden cases."""

from __future__ import annotations

import copy
import json
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from typing import Any, TypeAlias

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_defender import ecs
from airflow_provider_defender.simulator import Portal, Tenant
from airflow_provider_defender.simulator.events import FEEDS, EventStream
from tests.golden import cases
from tests.helpers.row_rules import NO_GUID, Record, broken, lost
from tests.unit.ecs.helpers.alert_records import flat, without_nulls

TENANT = cases.TENANT
START = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)
Rows: TypeAlias = "list[dict[str, Any]]"
Pairs: TypeAlias = "list[tuple[Any, Rows]]"

ODD: tuple[Any, ...] = (
    *(None, "", " ", "-", ":", "N/A", "null", "none specified", "Unknown", NO_GUID, "0" * 40, "0" * 64),
    *(0, -1, 1.5, 10**20, True, [], {}, [None], [{}], {"a": [1]}, "0", "00:00:00:00:00:00"),
    *("192.0.2.1:8080", "[2001:db8::1]:443", "2001:DB8:0:0::1", "::ffff:192.0.2.7", "fe80::1%eth0"),
    *(" 198.51.100.4 ", "203.0.113.9", "a b", "Host One", "host.contoso.example.", "a.example*", "uri=*"),
    *("uri=https://a.example/b", "https://A.Example./x?y=1", "https://[::1/", "\\\\srv\\share\\f", "a..b"),
    *("/usr/bin/bash", "C:\\PROGRA~1\\MICROS~1\\POWERP~1.EXE", "C:\\folder\\", "sh", "a.txt:Zone.Identifier"),
    *("\\Device\\HarddiskVolume3\\Windows\\System32\\smss.exe", "\\", "/", "@", "a@", "@b", "é.exe"),
    *("other@fabrikam.example", "FABRIKAM\\other", "S-1-5-18", "x" * 3000, "\ud800", "\u202e"),
)


def hub_pairs(messages: Sequence[bytes]) -> Pairs:
    """Messages of one record each, with the rows that each becomes."""
    count = len(messages)
    origins = pa.table(
        {
            "namespace": ["contoso.servicebus.windows.net"] * count,
            "hub": ["defender"] * count,
            "partition": pa.array([0] * count, pa.int32()),
            "offset": pa.array(range(count), pa.int64()),
            "enqueued": pa.array([START] * count, pa.timestamp("us", tz="UTC")),
        }
    )
    mapped = ecs.map_records("event_hub", messages, origins=origins, keep_original=False)
    rows: dict[int, Rows] = defaultdict(list)
    for row in _rows(mapped):
        rows[row["landing.kafka.offset"]].append(row)
    return [(json.loads(message), rows[number]) for number, message in enumerate(messages) if rows[number]]


def alert_pairs(source: str, records: Sequence[dict[str, Any]]) -> Pairs:
    """Alerts or incidents, each with an id of its own, with the rows that each becomes."""
    origins = pa.table({"tenant": [TENANT] * len(records), "log": ["a"] * len(records)})
    sent = [json.dumps(each).encode() for each in records]
    rows: dict[str, Rows] = defaultdict(list)
    for row in _rows(ecs.map_records(source, sent, origins=origins, keep_original=False)):
        rows[row["landing.key"].rpartition("/")[2]].append(row)
    return [(each, rows[each["id"]]) for each in records if rows[each["id"]]]


def _rows(mapped: ecs.MappedRecords) -> Iterator[dict[str, Any]]:
    for table in mapped.tables.values():
        yield from (flat(without_nulls(row)) for row in table.to_pylist())


def simulated_messages(seed: int, count: int) -> list[bytes]:
    """Messages of all feeds, one record each."""
    stream = EventStream(seed, tenant=Tenant(seed, alerts=20, start=START), records_a_message=1, duplicates=0)
    return [message for message in stream.messages(max(count, len(FEEDS))) if message is not None]


def simulated_alerts(source: str, seed: int, count: int) -> list[dict[str, Any]]:
    """Alerts of the Endpoint API, or of Graph, or incidents."""
    tenant = Tenant(seed, alerts=count, start=START)
    if source == "endpoint_alerts":
        return [copy.deepcopy(version.body) for version in tenant.alerts]
    portal = Portal.of(tenant)
    if source == "graph_alerts":
        return [copy.deepcopy(version.body) for version in portal.alerts]
    return [
        {**copy.deepcopy(each.body), "alerts": [copy.deepcopy(alert.body) for alert in portal.members(each)]}
        for each in portal.incidents
    ]


def report(pairs: Pairs) -> list[str]:
    """What is broken, once for each rule and field."""
    found: dict[str, str] = {}
    for value, rows in pairs:
        record = Record(value)
        for text in (*(text for row in rows for text in broken(row, record)), *lost(rows, record)):
            found.setdefault(" ".join(text.split()[:2]), text)
    return list(found.values())


ALERTS = ("endpoint_alerts", "graph_alerts", "graph_incidents")


def test_events_of_the_simulator() -> None:
    assert report(hub_pairs(simulated_messages(7, 400))) == []


@pytest.mark.parametrize("source", ALERTS)
def test_alerts_of_the_simulator(source: str) -> None:
    assert report(alert_pairs(source, simulated_alerts(source, 7, 60))) == []


MESSAGES = [json.loads(message) for message in simulated_messages(11, 3 * len(FEEDS))]
RECORDS = {source: simulated_alerts(source, 11, 12) for source in ALERTS}


@given(st.integers(0, 2**32))
@settings(max_examples=5, deadline=None, derandomize=True)
def test_odd_events(seed: int) -> None:
    draw = random.Random(seed)
    changed = [mutated(draw.choice(MESSAGES), draw) for _ in range(60)]
    assert report(hub_pairs([json.dumps(each).encode() for each in changed])) == []


@pytest.mark.parametrize("source", ALERTS)
@given(seed=st.integers(0, 2**32))
@settings(max_examples=3, deadline=None, derandomize=True)
def test_odd_alerts(source: str, seed: int) -> None:
    draw = random.Random(seed)
    changed = [mutated(each, draw) for each in draw.sample(RECORDS[source], min(6, len(RECORDS[source])))]
    assert report(alert_pairs(source, changed)) == []


_KEPT = {
    "id",
    "records",
    "category",
    "time",
    "tenantId",
    "operationName",
    "_TimeReceivedBySvc",
    "@odata.type",
}
"""Keys whose values say which record it is, and when; they are not changed."""


def mutated(record: dict[str, Any], draw: random.Random) -> dict[str, Any]:
    """The record with odd values in some places, in inner objects and in JSON within texts, too."""
    record = copy.deepcopy(record)
    places = list(_places(record))
    for _ in range(draw.randint(1, 6)):
        owner, key = draw.choice(places)
        owner[key] = copy.deepcopy(draw.choice(ODD))
    return record


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in list(keys):
        if key in _KEPT or "Time" in str(key):
            if key == "records":
                yield from _places(value[key])
            continue
        if not (isinstance(value[key], dict) and (isinstance(key, int) or key == "properties")):
            yield value, key
        yield from _places(value[key])


GOLDEN = cases.paths()


def golden_pairs(filters: Sequence[str] = ()) -> Iterator[tuple[str, Any, Rows]]:
    """The record of each golden case with its rows; an item of evidence in the alert around it."""
    for path in cases.paths(filters=filters):
        case, (source, *place) = cases.read(path), path.relative_to(cases.FOLDER).parts
        if "record" not in case:
            continue
        record = case["record"]
        if place[0] == "evidence":
            around = {**cases.read(cases.FOLDER / source / "alert.json")["record"], **case.get("alert", {})}
            record = {**around, "evidence": [record, *around["evidence"]]}
        try:
            rows = [row for made in cases.rows_of(source, record).values() for row in made]
        except ValueError:  # it cannot land
            continue
        yield "/".join((source, *place)), record, rows


def test_golden_cases() -> None:
    """All rules hold for the rows that were reviewed."""
    found = {name: report([(record, rows)]) for name, record, rows in golden_pairs()}
    assert {name: texts for name, texts in found.items() if texts} == {}


PROCESS: dict[str, Any] = {
    "DeviceName": "ws1.contoso.example",
    "ActionType": "ProcessCreated",
    "FileName": "cmd.exe",
    "FolderPath": "C:\\Windows\\System32\\cmd.exe",
    "ProcessId": 4711,
    "SHA1": "2fd4e1c67a2d28fced849ee1bb76e7391b93eb12",
    "AccountName": "jane",
    "AccountSid": "S-1-5-21-1-2-3-1105",
    "InitiatingProcessAccountName": "admin",
    "InitiatingProcessAccountSid": "S-1-5-21-1-2-3-500",
    "RemoteIP": "192.0.2.1",
}


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("types", {"process.pid": "4711"}),
        ("types", {"process.pid": True}),
        ("types", {"event.category": "process"}),
        ("types", {"related.user": []}),
        ("types", {"process.nonsense": "x"}),
        ("categories", {"event.type": ["creation"]}),
        ("categories", {"event.category": ["nonsense"]}),
        ("categories", {"event.kind": "nonsense"}),
        ("categories", {"event.outcome": "nonsense"}),
        ("identities", {"user.id": "S-1-5-21-1-2-3-500"}),
        ("identities", {"user.target.name": "admin", "user.target.id": "S-1-5-21-1-2-3-1105"}),
        ("identities", {"user.email": "somebody@else.example"}),
        ("paths", {"process.executable": "C:\\Windows\\System32\\cmd.exe\\cmd.exe"}),
        ("paths", {"process.executable": "C:\\Windows\\cmd.exe"}),
        ("paths", {"process.name": "C:\\Windows\\System32\\cmd.exe"}),
        ("paths", {"file.path": "C:\\Windows\\System32\\cmd.exe\\x", "file.name": "y"}),
        ("hosts", {"related.hosts": ["uri=https"]}),
        ("hosts", {"related.hosts": ["WS1.contoso.example"]}),
        ("hosts", {"related.hosts": ["ws1.contoso.example."]}),
        ("hosts", {"related.hosts": ["192.0.2.1"]}),
        ("hosts", {"source.domain": "invented.example"}),
        ("addresses", {"source.ip": "2001:DB8::1"}),
        ("addresses", {"related.ip": ["::ffff:192.0.2.1"]}),
        ("addresses", {"related.ip": ["198.51.100.99"]}),
        ("addresses", {"source.ip": "192.0.2.1:80"}),
        ("hashes", {"related.hash": ["2fd4e1c67a2d28fced849ee1bb76e7391b93eb1"]}),
        ("hashes", {"process.hash.sha256": "2fd4e1c67a2d28fced849ee1bb76e7391b93eb12"}),
        ("hashes", {"process.hash.sha1": "0" * 40}),
        ("hashes", {"process.hash.sha1": "a" * 40}),
        ("placeholders", {"user.id": NO_GUID}),
        ("placeholders", {"process.name": ":"}),
        ("placeholders", {"host.os.name": "Unknown"}),
        ("placeholders", {"source.as.organization.name": "none specified"}),
        ("placeholders", {"event.action": "null"}),
        ("placeholders", {"process.pid": 0}),
        ("placeholders", {"source.port": 0}),
        ("placeholders", {"source.mac": "00-00-00-00-00-00"}),
        ("related", {"related.user": ["jane", "jane"]}),
        ("related", {"source.ip": "192.0.2.1", "related.ip": ["192.0.2.2"]}),
        ("related", {"related.hosts": ["a.example"]}),
        ("related", {"related.hash": ["a" * 40]}),
    ],
)
def test_each_rule_catches_a_planted_fault(rule: str, changes: dict[str, Any]) -> None:
    record, row = _process()
    assert broken(row, record) == []
    assert any(text.startswith(f"{rule}: ") for text in broken({**row, **changes}, record))


def test_a_lost_value_is_noticed() -> None:
    record, row = _process()
    assert lost([row], record) == []
    del row["microsoft.defender_xdr.unmapped"]
    assert [text.split()[0] for text in lost([row], record)] == ["properties.RemoteIP"]


def _process() -> tuple[Record, dict[str, Any]]:
    time = "2026-11-20T11:58:00.1234567Z"
    record = {
        "time": time,
        "tenantId": TENANT,
        "category": "AdvancedHunting-DeviceProcessEvents",
        "properties": {"Timestamp": time, **PROCESS},
    }
    (row,) = cases.rows_of("event_hub", record)["events/DeviceProcessEvents"]
    return Record(record), row
