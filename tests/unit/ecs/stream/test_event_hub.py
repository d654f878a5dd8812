"""Messages of an event hub: where records go, what time they get, what is dropped, how they are sliced."""

from __future__ import annotations

import gc
import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pyarrow as pa
import pytest

from airflow_provider_defender import ecs
from tests.unit.ecs.helpers.alert_records import without_nulls
from tests.unit.ecs.helpers.hub_messages import (
    ASSESSMENT,
    CLOUD_ALERT,
    ENQUEUED,
    HUB,
    LOGON,
    NAMESPACE,
    SIGN_IN,
    TENANT,
    check,
    event,
    landed,
    logon,
    map_messages,
    message,
    only_row,
    origins,
    process,
    text,
)

KIB, MIB = 1024, 1024 * 1024
LOGONS, PROCESSES = "events/IdentityLogonEvents", "events/DeviceProcessEvents"


def xdr(row: dict[str, Any]) -> dict[str, Any]:
    """The record's own columns, without nulls."""
    return without_nulls(row["microsoft"]["defender_xdr"])  # type: ignore[no-any-return]


def unmapped(row: dict[str, Any]) -> Any:
    found = row["microsoft"]["defender_xdr"]["unmapped"]
    return None if found is None else json.loads(found)


def stamp(row: dict[str, Any]) -> tuple[str, str]:
    return row["@timestamp"].isoformat(), row["landing"]["time_origin"]


# The seed's record


def test_the_seeds_record_lands_with_nothing_lost() -> None:
    """Every value of the record stands in the row, in its own column; nothing is left over."""
    seed = logon()
    seed |= {"time": "2024-12-04T13:38:20.360851", "_TimeReceivedBySvc": "2024-12-04T13:36:26.632556"}
    mapped = map_messages(message(seed))
    row = only_row(mapped)
    own = xdr(row)
    given = {"Isp" if name == "ISP" else name: value for name, value in LOGON.items() if value is not None}
    assert json.loads(own["AdditionalFields"]) == given.pop("AdditionalFields")
    assert own.pop("Timestamp") == given.pop("Timestamp") + "Z"
    del own["AdditionalFields"]
    envelope = own.pop("envelope")
    assert own == given
    assert envelope == {
        "time": "2024-12-04T13:38:20.360851Z",
        "tenantId": TENANT,
        "operationName": "Publish",
        "category": "AdvancedHunting-IdentityLogonEvents",
        "_TimeReceivedBySvc": "2024-12-04T13:36:26.632556Z",
        "Tenant": "DefaultTenant",
    }
    assert row["event"]["original"] == text(seed).decode()
    assert stamp(row) == ("2024-12-04T13:33:19.801823+00:00", "record")
    assert mapped.type_mismatches == mapped.unmapped_fields == {}


def test_landing_says_where_a_row_comes_from() -> None:
    ingested = datetime(2026, 11, 22, 10, 30, tzinfo=timezone.utc)
    table = origins(1, 17).append_column("log", pa.array(["event_hub-contoso"]))
    mapped = ecs.map_records("event_hub", [message(logon())], origins=table, ingested=ingested)
    row = only_row(mapped)
    assert without_nulls(row["landing"]) == {
        "source": "event_hub",
        "log": "event_hub-contoso",
        "tenant": TENANT,
        "key": f"{TENANT}/{row['event']['hash']}",
        "version": "",
        "updated": "2024-12-04T13:38:21Z",
        "item": 0,
        "time_origin": "record",
        "kafka": {
            "namespace": NAMESPACE,
            "hub": HUB,
            "partition": 3,
            "offset": 17,
            "record": 0,
            "enqueued": "2024-12-04T13:38:21Z",
        },
    }
    assert row["event"]["ingested"] == ingested
    assert row["ecs"]["version"] == ecs.ECS_VERSION


def test_without_origins_the_record_says_what_it_can() -> None:
    mapped = ecs.map_records("event_hub", [message(logon()), b"broken"])
    landing = only_row(mapped)["landing"]
    assert landing["tenant"] == TENANT
    assert without_nulls(landing["kafka"]) == {"record": 0}
    assert mapped.rejects.column("offset").to_pylist() == [None]


def test_the_hubs_tenant_is_that_of_records_which_name_none() -> None:
    known = origins(2).append_column("tenant", pa.array(["hub's", "hub's"]))
    cloud = {name: value for name, value in ASSESSMENT.items() if name != "tenantId"}
    mapped = ecs.map_records("event_hub", [text(cloud), message(logon())], origins=known)
    tenants = {name: table.column("landing")[0].as_py()["tenant"] for name, table in mapped.tables.items()}
    assert tenants == {"events/DefenderForCloudAssessments": "hub's", LOGONS: TENANT}


def test_a_records_own_tenant_counts_before_the_hubs() -> None:
    values = [
        text(ASSESSMENT),
        text(ASSESSMENT | {"type": "Microsoft.Security/assessments/subAssessments"}),
        text(ASSESSMENT | {"type": "Microsoft.Security/secureScores"}),
        message(SIGN_IN | {"tenantId": TENANT}),
    ]
    known = origins(4).append_column("tenant", pa.array(["hub's"] * 4))
    mapped = ecs.map_records("event_hub", values, origins=known)
    assert len(mapped.tables) == 4
    for table in mapped.tables.values():
        landing = table.column("landing")[0].as_py()
        assert (landing["tenant"], landing["key"].partition("/")[0]) == (TENANT, TENANT)


def test_origins_of_another_number_of_messages_are_refused() -> None:
    with pytest.raises(ValueError, match="3 messages, but 2 rows of origins"):
        ecs.map_records("event_hub", [b"", b"", b""], origins=origins(2))


# Shapes of messages

TWO = [logon(), process()]
SHAPES: dict[str, bytes] = {
    "as the exporter writes it": message(*TWO),
    "with blanks": json.dumps({"records": TWO}, indent=2).encode(),
    "a list": text(TWO),
    "JSON lines": text(TWO[0]) + b"\r\n" + text(TWO[1]) + b"\n",
    "documents without a separator": text(TWO[0]) + text(TWO[1]),
    "two messages in one": message(TWO[0]) + b" " + message(TWO[1]),
    "with a byte order mark": b"\xef\xbb\xbf" + message(*TWO),
    "records in another case": text({"Records": TWO}),
    "two lists": text({"records": TWO[:1]})[:-1] + b',"records":' + text(TWO[1:]) + b"}",
    "two lists in other cases": text({"Records": TWO[:1], "records": TWO[1:]}),
    "two lists with an escape": text({"records": TWO[:1]})[:-1] + b',"r\\u0065cords":' + text(TWO[1:]) + b"}",
}


@pytest.mark.parametrize("value", SHAPES.values(), ids=SHAPES.keys())
def test_shapes_of_messages(value: bytes) -> None:
    mapped = map_messages(value)
    assert landed(mapped) == {LOGONS: [(0, 0)], PROCESSES: [(0, 1)]}
    assert mapped.rejects.num_rows == 0
    originals = {
        name: json.loads(table.column("event")[0].as_py()["original"])
        for name, table in mapped.tables.items()
    }
    assert originals == {LOGONS: TWO[0], PROCESSES: TWO[1]}


REORDERED = {name: logon()[name] for name in sorted(logon())}
RECORDS: dict[str, Any] = {
    "bare": logon(),
    "other order of keys": REORDERED,
    "without the time of receiving": {k: v for k, v in logon().items() if k != "_TimeReceivedBySvc"},
    "without an instance": {k: v for k, v in logon().items() if k != "Tenant"},
    "another instance": logon() | {"Tenant": 'Te"st'},
    "keys in other cases": {name.upper(): value for name, value in logon().items()},
    "keys in another case without values": {**logon(), "TENANTID": None, "TIME": ""},
    "category in another case": logon() | {"category": "advancedhunting-IDENTITYLOGONEVENTS"},
    "only what it takes": {"category": "AdvancedHunting-IdentityLogonEvents", "properties": LOGON},
    "properties repeated": text(logon(AccountName="first"))[:-1] + b',"properties":' + text(LOGON) + b"}",
}


@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS.keys())
@pytest.mark.parametrize("wrapped", [True, False])
def test_shapes_of_records(record: Any, wrapped: bool) -> None:
    data = record if isinstance(record, bytes) else text(record)
    row = only_row(map_messages(message(data) if wrapped else data))
    usual = only_row(map_messages(message(logon())))
    assert row["event"]["original"] == data.decode()
    assert row["event"]["hash"] == usual["event"]["hash"], "only table and properties count"
    assert xdr(row) | {"envelope": None} == xdr(usual) | {"envelope": None}
    assert xdr(row)["envelope"]["category"].lower() == "advancedhunting-identitylogonevents"


def test_unknown_keys_of_the_envelope_are_kept() -> None:
    odd = logon(envelope=1, New="x") | {"time": "soon", "more": {"a": 1}}
    row = only_row(map_messages(message(odd)))
    assert unmapped(row) == {"envelope": 1, "New": "x", "_envelope": {"time": "soon", "more": {"a": 1}}}
    row = only_row(map_messages(message(event("NewTable", {"a": 1}) | {"more": 2})))
    assert unmapped(row) == {"a": 1, "envelope": {"more": 2}}


def test_other_records_go_by_what_they_are() -> None:
    scores = {"type": "Microsoft.Security/secureScores", "id": "1", "name": "ascScore", "properties": {}}
    finding = {**ASSESSMENT, "Type": "microsoft.security/assessments/subAssessments"}
    del finding["type"]
    metric = {"time": "2024-12-04T13:37:05Z", "resourceId": "/x", "metricName": "Percentage CPU", "total": 1}
    mapped = map_messages(
        text(CLOUD_ALERT), text(ASSESSMENT), text(finding), text(scores), message(SIGN_IN), message(metric)
    )
    assert landed(mapped) == {
        "events/DefenderForCloudAlerts": [(0, 0)],
        "events/DefenderForCloudAssessments": [(1, 0)],
        "events/DefenderForCloudSubAssessments": [(2, 0)],
        "events/DefenderForCloudScores": [(3, 0)],
        "events/AzureMonitor": [(4, 0), (5, 0)],
    }
    assert mapped.rejects.num_rows == 0


# What is no record

BROKEN: dict[str, tuple[bytes | None, str]] = {
    "tombstone": (None, "no value"),
    "empty": (b"", "empty"),
    "blanks": (b" \n\t", "neither"),
    "no records": (b'{"records":[]}', "list of records is empty"),
    "an empty list": (b"[]", "list of records is empty"),
    "not JSON": (b"<html>503</html>", "neither"),
    "not UTF-8": (b'{"category":"AdvancedHunting-DeviceInfo","properties":{"a":"\xff"}}', "not UTF-8"),
    "repeated properties, the first not UTF-8": (
        b'{"category":"AdvancedHunting-DeviceInfo","properties":{"a":"\xff"},"properties":{"b":1}}',
        "not UTF-8",
    ),
    "a key not in UTF-8": (b'{"a\xff":5}', "not UTF-8"),
    "cut off": (message(logon(), logon())[:-30], "neither"),
    "a number": (b"5", "neither"),
    "no table": (text({"a": 1}), "no record of a table"),
    "a bad name": (message(event("../../etc")), "names no table"),
    "no properties": (text({"category": "AdvancedHunting-DeviceInfo"}), "properties is not an object"),
    "properties as text": (message(event(properties="{}")), "properties is not an object"),
    "too deep": (
        message(event(properties={"a": 0})).replace(b"0}", b"[" * 9999 + b"]" * 9999 + b"}"),
        "deep",
    ),
    "crumbs": (b"[" + b"0," * 40_000 + b"0]", "records of a few bytes"),
    "null records": (b'{"records":null}', "no record of a table"),
}


@pytest.mark.parametrize(("value", "error"), BROKEN.values(), ids=BROKEN.keys())
def test_what_is_no_record_is_rejected_with_its_origin(value: bytes | None, error: str) -> None:
    mapped = map_messages(message(logon()), value, message(process()))
    assert landed(mapped) == {LOGONS: [(0, 0)], PROCESSES: [(2, 0)]}
    (reject,) = mapped.rejects.to_pylist()
    assert error in reject["error"]
    assert (reject["record_index"], reject["record"]) == (1, 0)
    origin = [reject[name] for name in ("namespace", "hub", "partition", "offset", "enqueued")]
    assert origin == [NAMESPACE, HUB, 3, 1, ENQUEUED]
    assert reject["key"].startswith("reject:")
    assert reject["version"] == ""


def test_a_broken_element_is_rejected_alone() -> None:
    broken = [
        b'{"a":tru}',
        b"",
        b"5",
        b'{"category":"AdvancedHunting-DeviceInfo","properties":[]}',
        b"{} {}",
        b"\xff",
    ]
    for bad in broken:
        mapped = map_messages(message(logon(), bad, process()))
        assert landed(mapped) == {LOGONS: [(0, 0)], PROCESSES: [(0, 2)]}
        (reject,) = mapped.rejects.to_pylist()
        assert (reject["bytes"], reject["record"]) == (bad, 1)


@pytest.mark.parametrize("other", [b'"lost":{"a":1}', b"{}", b'"x" y', b'"records":5'])
def test_what_stands_beside_the_records_is_rejected_once(other: bytes) -> None:
    value = message(*TWO)[:-1] + b"," + other + b"}"
    mapped = map_messages(value + b"\n" + text(process(ProcessId=1)))
    assert landed(mapped) == {LOGONS: [(0, 0)], PROCESSES: [(0, 1), (0, 3)]}
    (reject,) = mapped.rejects.to_pylist()
    assert (reject["bytes"], reject["record"]) == (value, 2)
    assert "beside its records the message has 1 other member" in reject["error"]


def test_trailing_rubbish_is_rejected_alone() -> None:
    mapped = map_messages(
        message(logon()) + b"\n}garbage", text(process()) + b'\n{"cut":\n' + text(logon(Port=1))
    )
    assert landed(mapped) == {LOGONS: [(0, 0), (1, 2)], PROCESSES: [(1, 0)]}
    assert [each["bytes"] for each in mapped.rejects.to_pylist()] == [b"}garbage", b'{"cut":']


def test_a_text_that_looks_like_a_record_is_none() -> None:
    """Texts and lists inside a record that look like the ends of records do not split it."""
    trap = '"},{"time":"2024-12-04T13:38:20.3608510Z","tenantId":"'
    nested = [{"a": "x"}, {"time": "2024-12-04T13:38:20Z"}]
    records = [logon(AccountName=trap), logon(AdditionalFields=nested), logon(AdditionalFields=trap)]
    for count in (1, 3):
        mapped = map_messages(message(*records[:count]))
        rows = [row["microsoft"]["defender_xdr"] for row in mapped.tables[LOGONS].to_pylist()]
        assert len(rows) == count
        assert rows[0]["AccountName"] == trap
    extra = text(logon())[: -len('"Tenant":"DefaultTenant"}')] + b'"new":{"b":2},"Tenant":"DefaultTenant"}'
    row = only_row(map_messages(message(extra)))
    assert unmapped(row) == {"envelope": {"new": {"b": 2}}}
    assert row["event"]["original"] == extra.decode()


# Names of tables


def test_unknown_tables_get_a_dataset_each_with_all_in_unmapped() -> None:
    properties = {
        "Timestamp": "2024-12-04T13:33:19.8018231Z",
        "FROM.DEVICE": [1, {"x.y": None}],
        "Big": 2**70,
    }
    mapped = map_messages(message(event("BrandNewEvents", properties)), message(event("Other", {"a": 1.0})))
    assert landed(mapped) == {"events/BrandNewEvents": [(0, 0)], "events/Other": [(1, 0)]}
    row = mapped.tables["events/BrandNewEvents"].to_pylist()[0]
    assert row["microsoft"]["defender_xdr"]["unmapped"] == text(properties).decode()
    assert stamp(row) == ("2024-12-04T13:33:19.801823+00:00", "record")
    other = mapped.tables["events/Other"].to_pylist()[0]
    assert stamp(other) == ("2024-12-04T13:38:20.360851+00:00", "envelope")


def test_names_in_other_cases_make_no_other_dataset() -> None:
    mapper = ecs.EventMapper(unknown_tables=["Older", "deviceinfo"])
    names = [
        "IDENTITYLOGONEVENTS",
        "NewOne",
        "NEWONE",
        "newone",
        "OLDER",
        "DEVICEINFO",
        "unknown",
        "azuremonitor",
    ]
    messages = [message(event(name, {"a": number})) for number, name in enumerate(names)]
    parts = [*mapper.map(messages, origins(len(messages))), *mapper.finish()]
    check(parts, messages, duplicates=False)
    counts = {name: table.num_rows for part in parts for name, table in part.tables.items()}
    assert counts == {
        LOGONS: 1,
        "events/NewOne": 3,
        "events/Older": 1,
        "events/DeviceInfo": 1,
        "events/Unknown": 2,
    }


@pytest.mark.parametrize("names", [["foo", "FOO", "Foo"], ["Foo", "FOO", "foo"]])
def test_of_several_spellings_in_the_lake_one_is_used(names: list[str]) -> None:
    mapper = ecs.EventMapper(unknown_tables=names)
    parts = [*mapper.map([message(event("fOo", {"a": 1}))], origins(1)), *mapper.finish()]
    assert [name for part in parts for name in part.tables] == ["events/FOO"]


HOSTILE = [
    "../x",
    "..",
    "",
    "a/b",
    "a\\b",
    "C:",
    "a.b",
    "é",
    "a" * 65,
    "1a",
    "a\x00",
    "a\n",
    "%2e%2e",
    "a b",
    "con.",
]


def test_ten_thousand_hostile_names_make_a_hundred_datasets() -> None:
    names = [f"Table{number}" for number in range(9_000)] + HOSTILE * 67
    messages = [message(event(name, {"n": number})) for number, name in enumerate(names)]
    mapper = ecs.EventMapper(unknown_tables=["Table8999", "TABLE8998"])
    parts = [*mapper.map(messages, origins(len(messages))), *mapper.finish()]
    check(parts, messages, duplicates=False)
    datasets = {name for part in parts for name in part.tables}
    assert len(datasets) == 101
    assert {"events/Table8999", "events/TABLE8998", "events/Table97", "events/Unknown"} <= datasets
    assert "events/Table98" not in datasets
    assert sum(part.rejects.num_rows for part in parts) == len(HOSTILE) * 67


def test_mappings_of_ones_own_join_in(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_provider_defender.ecs import registry

    monkeypatch.setattr(registry, "_MAPPINGS", dict(registry._MAPPINGS))
    ecs.register(
        ecs.Mapping(
            source="event_hub/OwnTable",
            dataset="events/OwnTable",
            shape=ecs.Shape({"Timestamp": "time", "Who": "string", "Extra": "dynamic"}),
            container="microsoft.defender_xdr",
            times=("Timestamp",),
            envelope=ecs.ENVELOPE,
            inside={"Extra": ecs.Shape({"a.b": "long"})},
            copies={"user.name": "Who", "process.pid": "Extra.a.b", "event.id": "Extra.a.b"},
        )
    )
    values = [
        {"who": "me", "Extra": extra} for extra in ({"a.b": 7}, '{"a.b":"8"}', "rubbish", None, [{"a.b": 1}])
    ]
    mapped = map_messages(*(message(event("owntable", value)) for value in values))
    rows = mapped.tables["events/OwnTable"].to_pylist()
    assert [row["user"]["name"] for row in rows] == ["me"] * 5
    assert [row["process"]["pid"] for row in rows] == [7, 8, None, None, None]
    assert [row["event"]["id"] for row in rows] == ["7", "8", None, None, None]
    assert [row["microsoft"]["defender_xdr"]["Extra"] for row in rows] == [
        '{"a.b":7}', '{"a.b":"8"}', "rubbish", None, '[{"a.b":1}]',
    ]  # fmt: skip


# Times

EXPORTED = "2024-12-04T13:38:20.3608510Z"


@pytest.mark.parametrize(
    ("own", "exported", "expected"),
    [
        ("2024-12-04T13:33:19.8018239Z", EXPORTED, ("2024-12-04T13:33:19.801823", "record")),
        ("2024-12-04T13:33:19", EXPORTED, ("2024-12-04T13:33:19", "record")),
        ("2023-11-01T00:00:00Z", EXPORTED, ("2023-11-01T00:00:00", "record")),
        ("2023-10-30T00:00:00Z", EXPORTED, ("2024-12-04T13:38:20.360851", "envelope")),
        ("2024-12-05T13:38:20Z", EXPORTED, ("2024-12-05T13:38:20", "record")),
        ("2024-12-05T13:38:21Z", EXPORTED, ("2024-12-04T13:38:20.360851", "envelope")),
        ("0001-01-01T00:00:00Z", EXPORTED, ("2024-12-04T13:38:20.360851", "envelope")),
        ("never", EXPORTED, ("2024-12-04T13:38:20.360851", "envelope")),
        (None, EXPORTED, ("2024-12-04T13:38:20.360851", "envelope")),
        (17, EXPORTED, ("2024-12-04T13:38:20.360851", "envelope")),
        ("2023-12-01T00:00:00Z", None, ("2023-12-01T00:00:00", "record")),
        ("2020-01-01T00:00:00Z", None, ("2024-12-04T13:38:21", "broker")),
        ("2024-12-04T13:33:19Z", "1970-01-01T00:00:00Z", ("2024-12-04T13:33:19", "record")),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z", ("2024-12-04T13:38:21", "broker")),
        (None, "2034-01-01T00:00:00Z", ("2024-12-04T13:38:21", "broker")),
        ("9999-01-01T00:00:00Z", None, ("2024-12-04T13:38:21", "broker")),
        (None, "", ("2024-12-04T13:38:21", "broker")),
        ("never", "never", ("2024-12-04T13:38:21", "broker")),
    ],
)
@pytest.mark.parametrize("beside", [0, 1])
def test_timestamps(own: Any, exported: Any, expected: tuple[str, str], beside: int) -> None:
    others = [logon(Port=number) for number in range(beside)]
    mapped = map_messages(message(*others, logon(Timestamp=own) | {"time": exported}))
    row = mapped.tables[LOGONS].to_pylist()[-1]
    assert stamp(row) == (expected[0] + "+00:00", expected[1])
    kept = row["microsoft"]["defender_xdr"]["Timestamp"]
    if own in ("never", 17):
        assert kept is None
        assert unmapped(row)["Timestamp"] == own
    else:
        assert (kept is None) == (own is None), "the original stays, however wrong its clock"


def test_a_record_without_any_time_is_rejected() -> None:
    timeless = logon(Timestamp=None) | {"time": None}
    known = origins(2).set_column(4, "enqueued", pa.nulls(2, pa.timestamp("us", tz="UTC")))
    mapped = ecs.map_records("event_hub", [message(timeless, logon()), message(process())], origins=known)
    assert landed(mapped) == {LOGONS: [(0, 1)], PROCESSES: [(1, 0)]}
    (reject,) = mapped.rejects.to_pylist()
    assert (reject["bytes"], reject["path"], reject["offset"]) == (text(timeless), "time", 0)


def test_other_tables_have_other_times() -> None:
    early = text(CLOUD_ALERT | {"TimeGenerated": "1970-01-01T00:00:00Z"})
    assert stamp(only_row(map_messages(early))) == (ENQUEUED.isoformat(), "broker")
    call = event("CallActivityEvents", {"ActivityTimestamp": "2024-12-04T13:00:00Z", "CallId": "1"})
    mapped = map_messages(message(call), text(CLOUD_ALERT), message(SIGN_IN))
    stamps = {name: stamp(table.to_pylist()[0]) for name, table in mapped.tables.items()}
    assert stamps == {
        "events/CallActivityEvents": ("2024-12-04T13:00:00+00:00", "record"),
        "events/DefenderForCloudAlerts": ("2024-12-04T13:37:03+00:00", "record"),
        "events/AzureMonitor": ("2024-12-04T13:37:05.123456+00:00", "record"),
    }


# Values


def test_action_types_that_the_catalogue_does_not_know_are_counted() -> None:
    new = [process(ActionType="BrandNew", ReportId=number) for number in (1, 2)]
    odd = process(ActionType="x" * 300, SHA256=5)
    mapped = map_messages(message(process(), *new), message(odd, process(ActionType=None)))
    assert mapped.unknown_actions == {
        "DeviceProcessEvents.BrandNew": 2,
        f"DeviceProcessEvents.{'x' * 256}": 1,
    }
    assert len(mapped.tables[PROCESSES]) == 5


def test_odd_values_leave_the_column_null_and_are_kept_and_counted() -> None:
    odd = process(
        SHA1={"a": 1},
        FileSize="12",
        ProcessId="four",
        IsProcessRemoteSession="yes",
        New=[1],
        ProcessCreationTime="x",
    )
    mapped = map_messages(message(process(), odd), message(process(ReportId=5)))
    row = mapped.tables[PROCESSES].to_pylist()[1]
    own = xdr(row)
    assert own["FileSize"] == 12
    assert not {"SHA1", "ProcessId", "IsProcessRemoteSession", "ProcessCreationTime"} & own.keys()
    left = {"SHA1": {"a": 1}, "ProcessId": "four", "IsProcessRemoteSession": "yes", "New": [1]}
    assert unmapped(row) == left | {"ProcessCreationTime": "x"}
    names = ("SHA1", "ProcessId", "IsProcessRemoteSession", "ProcessCreationTime")
    assert mapped.type_mismatches == {f"DeviceProcessEvents.{name}": 1 for name in names}
    assert mapped.unmapped_fields == {"DeviceProcessEvents.New": 1}


@pytest.mark.parametrize("value", [False, 0, "0", "", None, True, 1, "1", "true"])
def test_booleans_of_all_kinds(value: Any) -> None:
    row = only_row(map_messages(message(process(IsProcessRemoteSession=value))))
    expected = None if value in ("", None) else str(value).lower() in ("1", "true")
    assert row["microsoft"]["defender_xdr"]["IsProcessRemoteSession"] is expected
    assert unmapped(row) is None


DYNAMIC: list[tuple[Any, str | None]] = [
    ({"FROM.DEVICE": "ws1", "a": {"b": [1.50, None]}}, '{"FROM.DEVICE":"ws1","a":{"b":[1.5,null]}}'),
    ([1, "x"], '[1,"x"]'),
    ('{"a":"\\u00e9 \\"x\\""}', '{"a":"\\u00e9 \\"x\\""}'),
    ("no JSON at all {", "no JSON at all {"),
    ("", None),
    (None, None),
    ("-", None),
    (5, "5"),
    ({}, "{}"),
]


@pytest.mark.parametrize("odd", [False, True])
def test_additional_fields_as_object_text_or_rubbish(odd: bool) -> None:
    """In one message, beside each other, read strictly or tolerantly."""
    changes = {"SHA256": 5} if odd else {}
    records = [process(AdditionalFields=value, **changes) for value, _ in DYNAMIC]
    mapped = map_messages(message(*records))
    rows = mapped.tables[PROCESSES].to_pylist()
    assert [row["microsoft"]["defender_xdr"]["AdditionalFields"] for row in rows] == [
        said for _, said in DYNAMIC
    ]
    assert mapped.type_mismatches == {}


def test_dynamic_columns_keep_the_exact_text() -> None:
    raw = b'{ "b" : 1.50e3, "a":"\\u0041" , "a":2}'
    data = text(logon(AdditionalFields=0)).replace(b'"AdditionalFields":0', b'"AdditionalFields":' + raw)
    assert xdr(only_row(map_messages(message(data))))["AdditionalFields"] == raw.decode()


CONTROLS = "".join(map(chr, range(32)))


@pytest.mark.parametrize("around", ["message", "bare", "list", "lines"])
def test_raw_control_characters_land_in_texts_and_the_original_is_exact(around: str) -> None:
    fields = {"AttackTechniques": "x§ (T1078)", "b": "§"}
    known = text(logon(AccountName="a§b", AdditionalFields=fields))
    unknown = text(event("Own", {"a": "§", "Timestamp": LOGON["Timestamp"]}) | {"operationName": "o§"})
    known, unknown = (each.replace("§".encode(), CONTROLS.encode()) for each in (known, unknown))
    for raw, dataset in ((known, LOGONS), (unknown, "events/Own")):
        value = {"message": message(raw), "bare": raw, "list": b"[%b]" % raw, "lines": b"%b\n%b" % (raw, raw)}
        mapped = map_messages(value[around])
        assert mapped.rejects.num_rows == 0
        found = mapped.tables[dataset].to_pylist()[0]
        assert found["event"]["original"].encode() == raw
        if dataset == LOGONS:
            assert found["user"]["name"] == f"a{CONTROLS}b"
            assert json.loads(xdr(found)["AdditionalFields"]) == fields | {
                "AttackTechniques": f"x{CONTROLS} (T1078)", "b": CONTROLS,
            }  # fmt: skip
            assert found["threat"]["technique"]["id"] == ["T1078"]
        else:
            assert unmapped(found)["a"] == CONTROLS
    bad = message(known.replace(CONTROLS.encode(), b"\n\\x"), logon())
    mapped = map_messages(bad)
    assert (mapped.rejects.num_rows, landed(mapped)) == (1, {LOGONS: [(0, 1)]})


def test_column_names_in_other_spellings() -> None:
    spellings = [("ISP", "a"), ("Isp", "b"), ("isp", "c")]
    records = [event(properties={name: value, "Timestamp": LOGON["Timestamp"]}) for name, value in spellings]
    mapped = map_messages(message(*records))
    rows = [row["microsoft"]["defender_xdr"] for row in mapped.tables[LOGONS].to_pylist()]
    assert [(row["Isp"], row["unmapped"]) for row in rows] == [("a", None), ("b", None), ("c", None)]
    both = only_row(map_messages(message(logon(ISP="a", Isp="b"))))
    assert (xdr(both)["Isp"], unmapped(both)) == ("b", {"ISP": "a"})
    same = only_row(map_messages(message(logon(ISP="a", Isp="a"))))
    assert (xdr(same)["Isp"], unmapped(same)) == ("a", None)


def test_texts_that_no_column_holds_or_all_do() -> None:
    surrogate = text(logon(AccountName="x")).replace(b'"AccountName":"x"', b'"AccountName":"\\ud800x"')
    huge = text(logon(AccountName="y" * MIB, AdditionalFields={"a": "z" * MIB}))
    nan = text(logon(Port=1)).replace(b'"Port":1', b'"Port":NaN')
    mapped = map_messages(message(surrogate), message(huge), message(nan))
    rows = mapped.tables[LOGONS].to_pylist()
    assert rows[0]["user"]["name"] == "\ufffdx"
    assert rows[0]["event"]["original"] == surrogate.decode()
    assert rows[1]["user"]["name"] == "y" * MIB
    assert unmapped(rows[2]) == {"Port": "NaN"}


def test_without_the_original_text() -> None:
    mapped = ecs.map_records("event_hub", [message(logon(New=1))], origins=origins(1), keep_original=False)
    row = only_row(mapped)
    assert row["event"]["original"] is None
    assert unmapped(row) == {"New": 1}


# Repeats


def test_duplicates_are_dropped_and_counted_whatever_their_envelope() -> None:
    again = logon() | {"time": "2024-12-04T13:45:00.0000000Z", "_TimeReceivedBySvc": None}
    mapped = map_messages(
        message(logon()), message(again, logon(Port=1)), message(event("Other", LOGON)),
        message(event("Other", LOGON)), text(again),
    )  # fmt: skip
    assert landed(mapped) == {
        LOGONS: [(0, 0), (1, 1)],
        "events/Other": [(2, 0)],
    }
    assert (mapped.duplicates, mapped.records) == (3, 6)


@pytest.mark.parametrize(
    "record",
    [
        CLOUD_ALERT,
        {
            "type": "Microsoft.Security/assessments",
            "name": "a1",
            "properties": {"status": {"code": "Healthy"}},
        },
        event("DeviceTvmSoftwareInventory", {"DeviceId": "d1", "SoftwareVersion": "1.0"}),
        event("DeviceTvmSoftwareInventory", {"DeviceId": "d1", "Timestamp": "0001-01-01T00:00:00Z"}),
        logon(Timestamp=None),
    ],
)
def test_how_things_stand_may_be_the_same_again(record: dict[str, Any]) -> None:
    """Without a time of its own, a record that says the same as one before may come after others."""
    mapped = map_messages(*[text(record)] * 3)
    assert (mapped.duplicates, mapped.records) == (0, 3)
    (table,) = mapped.tables.values()
    rows = [(row["landing"], row["event"]["hash"]) for row in table.to_pylist()]
    places = [f"3-{offset}-0" for offset in range(3)]
    assert [landing["key"].rpartition("/")[2] for landing, _ in rows] == places
    assert all(landing["key"].split("/")[-2] == digest for landing, digest in rows)
    assert len({digest for _, digest in rows}) == 1


def test_only_records_of_one_tenant_and_table_are_duplicates() -> None:
    """Also of tables that have no dataset of their own, and of tenants that only the hub knows."""
    names = ["AzureMonitor", "Unknown", "azuremonitor"]
    mapped = map_messages(*(message(event(name, LOGON)) for name in names))
    assert landed(mapped) == {"events/Unknown": [(0, 0), (1, 0)]}
    others = [message(logon() | {"tenantId": each}) for each in ("a", "b", "a", None, None, None)]
    known = origins(6).append_column("tenant", pa.array(["hub"] * 3 + ["c", "d", "c"]))
    logons = ecs.map_records("event_hub", others, origins=known).tables[LOGONS].to_pylist()
    assert [row["landing"]["kafka"]["offset"] for row in logons] == [0, 1, 3, 4]
    assert len({row["event"]["hash"] for row in logons}) == 1
    keys = [row["landing"]["key"] for row in logons]
    assert keys == [f"{who}/{row['event']['hash']}" for who, row in zip("abcd", logons, strict=True)]


def test_long_and_varied_texts_around_a_record_are_not_kept() -> None:
    before = pa.total_allocated_bytes()
    mapper = ecs.EventMapper()
    messages = [message(event(f"New{n}", {"n": n}, operationName=f"{n}" * 5000)) for n in range(9)]
    messages += [message(logon(**{"x" * 200: 1}))]
    messages += [text({"operationName": f"{n}", **logon(Port=n), "tenantId": f"{n}"}) for n in range(2500)]
    assert len([*mapper.map(messages, origins(len(messages))), *mapper.finish()]) >= 1
    assert pa.total_allocated_bytes() - before < 8 * MIB
    assert len(mapper._reader._routes) <= 1000
    assert not any(len(name) > 128 for table in mapper._tables for name in table.reader._met)


def test_duplicates_can_be_kept() -> None:
    mapper = ecs.EventMapper(drop_duplicates=False)
    messages = [message(logon())] * 3
    parts = [*mapper.map(messages, origins(3)), *mapper.finish()]
    check(parts, messages, duplicates=False)
    (part,) = parts
    keys = part.tables[LOGONS].column("landing").combine_chunks().field("key")
    assert len(keys) == 3
    assert len(keys.unique()) == 1, "so that compaction can drop them"
    assert part.duplicates == 0


def test_duplicates_are_known_over_batches_and_mappers_start_anew() -> None:
    mapper = ecs.EventMapper()
    first = [*mapper.map([message(logon())], origins(1)), *mapper.finish()]
    second = [*mapper.map([message(logon())], origins(1, 1)), *mapper.finish()]
    assert sum(part.duplicates for part in first) == 0
    assert sum(part.duplicates for part in second) == 1
    assert all(not part.tables for part in second)
    assert map_messages(message(logon())).duplicates == 0


def test_a_rejected_record_is_no_repeat() -> None:
    bad = b'{"category":"AdvancedHunting-DeviceInfo","properties":{"a":"\xff"}}'
    mapped = map_messages(bad, bad)
    assert mapped.rejects.column("offset").to_pylist() == [0, 1]


# Slices


def test_slices_hold_the_same_rows_as_one_piece() -> None:
    tables = ["IdentityLogonEvents", "DeviceProcessEvents", "Brand", "DeviceInfo"]
    messages: list[bytes | None] = []
    for number in range(3000):
        properties = {"ReportId": number, "Timestamp": "2024-12-04T13:33:19Z", "Filler": "x" * (number % 700)}
        messages.append(message(*(event(table, properties) for table in tables[: 1 + number % 4])))
    messages[7], messages[2500] = b"broken", None
    mapper = ecs.EventMapper(max_bytes=MIB)
    parts: list[ecs.MappedRecords] = []
    for start in range(0, len(messages), 700):
        batch = messages[start : start + 700]
        parts += mapper.map(batch, origins(len(batch), start))
    assert len(parts) > 5, "what is full comes before the end"
    parts += mapper.finish()
    check(parts, messages, duplicates=False)
    assert all(sum(table.nbytes for table in part.tables.values()) <= MIB for part in parts)
    assert all(part.rejects.nbytes <= MIB for part in parts)
    whole = ecs.map_records("event_hub", messages, origins=origins(len(messages)))
    for name, table in whole.tables.items():
        joined = pa.concat_tables([part.tables[name] for part in parts if name in part.tables])
        assert joined == table
    assert pa.concat_tables([part.rejects for part in parts]) == whole.rejects
    assert whole.rejects.column("record_index").to_pylist() == [7, 2500]
    assert list(mapper.finish()) == []


def test_what_is_kept_is_bounded() -> None:
    """Neither many tables nor many rejects nor large records pile up until the end."""
    mapper = ecs.EventMapper(max_bytes=8 * MIB)
    before, most, given = pa.total_allocated_bytes(), 0, 0
    for number in range(120):
        tables = [f"T{number % 90}", "DeviceInfo", "IdentityLogonEvents"]
        batch = [
            message(*(event(table, {"a": "x" * 50_000, "n": number}) for table in tables)),
            b"\xff" * 50_000,
        ]
        for part in mapper.map(batch, origins(2, 2 * number)):
            given += sum(table.num_rows for table in part.tables.values())
        most = max(most, pa.total_allocated_bytes() - before)
    assert given > 250
    assert most < 40 * MIB
    given += sum(table.num_rows for part in mapper.finish() for table in part.tables.values())
    assert given == 360


def test_batches_are_lazy_and_garbage_collection_is_left_as_it_was() -> None:
    mapper = ecs.EventMapper()
    parts = mapper.map([message(logon())], origins(1))
    assert gc.isenabled()
    assert list(parts) == []
    assert gc.isenabled()
    gc.disable()
    try:
        list(mapper.finish())
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_known_tables() -> None:
    known = ecs.known_event_tables()
    assert {"IdentityLogonEvents", "CallActivityEvents", "Unknown", "AzureMonitor"} <= set(known)
    assert sum(name.startswith("DefenderForCloud") for name in known) == 4
    assert list(known) == sorted(known)
    for name in known:
        assert ecs.find_mapping(f"event_hub/{name}").dataset == f"events/{name}"


def test_a_day_and_400_days_are_counted_to_the_microsecond() -> None:
    exported = datetime(2024, 12, 4, 13, 38, 20, 360851, tzinfo=timezone.utc)
    tick = timedelta(microseconds=1)
    for moment, origin in [
        (exported - timedelta(days=400), "record"),
        (exported - timedelta(days=400) - tick, "envelope"),
        (exported + timedelta(days=1), "record"),
        (exported + timedelta(days=1) + tick, "envelope"),
    ]:
        row = only_row(map_messages(message(logon(Timestamp=f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z"))))
        assert row["landing"]["time_origin"] == origin


def test_an_archive_that_is_sent_again_keeps_its_times() -> None:
    archived = logon(Timestamp="2021-03-01T12:00:00Z") | {"time": "2021-03-01T12:02:00.0000000Z"}
    wrong = logon(Timestamp="1970-01-01T00:00:00Z") | {"time": "2021-03-01T12:02:00.0000000Z"}
    mapped = map_messages(message(archived, wrong))
    rows = mapped.tables[LOGONS].to_pylist()
    assert [(row["@timestamp"].year, row["landing"]["time_origin"]) for row in rows] == [
        (2021, "record"),
        (ENQUEUED.year, "broker"),
    ]


def test_columns_that_are_new_for_good_are_kept_in_every_record() -> None:
    """Records with new columns are read fast after a while; nothing else changes with that."""
    odd: list[dict[str, Any]] = []
    kinds: list[dict[str, Any]] = [{}, {"SHA1": [1]}, {"newcolumn": 1}, {"ProcessCreationTime": "x"}]
    for number in range(1, 41):
        new = {
            "NewColumn": {"n": number, "ü": [None]},
            f"Only{number}": 1,
            "Other": None if number % 2 else "x",
        }
        odd.append({**new, **kinds[number % 4], "ReportId": number})
    mapped = map_messages(*(message(process(**each), process(ReportId=-each["ReportId"])) for each in odd))
    rows = mapped.tables[PROCESSES].to_pylist()
    lefts = {row["microsoft"]["defender_xdr"]["ReportId"]: unmapped(row) for row in rows}
    for each in odd:
        number = each.pop("ReportId")
        assert lefts.pop(number) == each
    assert set(lefts.values()) == {None}
    counts = mapped.unmapped_fields
    assert (counts["DeviceProcessEvents.NewColumn"], counts["DeviceProcessEvents.Other"]) == (40, 40)
    assert sum(counts.values()) == 40 + 40 + 40 + 10


def test_bytes_in_a_new_column_are_looked_at_like_all_others() -> None:
    urls = [
        message(event("EmailUrlInfo", {"Url": "u", "New": "x", "ReportId": f"{number}"}))
        for number in range(9)
    ]
    bad = urls[0].replace(b'"x"', b'"\xff"')
    mapped = map_messages(*urls, bad)
    assert mapped.tables["events/EmailUrlInfo"].num_rows == 9
    assert mapped.rejects.column("offset").to_pylist() == [9]


@pytest.mark.parametrize("value", [b"9" * 40, b"1e999", b'"\\ud800"'], ids=["huge", "infinite", "surrogate"])
def test_a_column_met_often_may_hold_what_no_strict_parser_takes(value: bytes) -> None:
    usual = [message(logon(NewColumn=number)) for number in range(10)]
    odd = message(logon(NewColumn="here")).replace(b'"here"', value)
    mapped = map_messages(*usual, odd)
    rows = mapped.tables["events/IdentityLogonEvents"].to_pylist()
    assert (len(rows), mapped.rejects.num_rows) == (11, 0)
    assert "NewColumn" in json.loads(rows[-1]["microsoft"]["defender_xdr"]["unmapped"])


def test_categories_that_nobody_documents_are_counted_in_every_table() -> None:
    fields = {"Category": "Newest", "AttackTechniques": "x (T1078)"}
    mapped = map_messages(
        message(event("AlertInfo", {"Timestamp": LOGON["Timestamp"], "Category": "Newer"})),
        message(event("AlertEvidence", {"Timestamp": LOGON["Timestamp"], "Categories": '["Stealth","New"]'})),
        message(logon(AdditionalFields=fields)),
        text(CLOUD_ALERT | {"Intent": "Probing, Newish"}),
    )
    assert mapped.unmapped_fields == {
        "AlertInfo.Category=Newer": 1,
        "AlertEvidence.Categories=New": 1,
        "IdentityLogonEvents.AdditionalFields.Category=Newest": 1,
        "DefenderForCloudAlerts.Intent=Newish": 1,
    }
