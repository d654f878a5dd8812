"""The engine: slices, rejects, versions, odd values."""

from __future__ import annotations

import gc
import hashlib
import json
import subprocess
import sys
from datetime import datetime, timezone
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from airflow_provider_defender import ecs
from tests.unit.ecs.helpers.alert_records import (
    ALERT,
    FILE_ITEM,
    NO_ITEM,
    ORIGINS,
    PROCESS_ITEM,
    TENANT,
    USER_ITEM,
    alert,
    flat,
    map_alerts,
    record,
    row,
    rows,
    without_nulls,
)

MIB = 1024 * 1024


def unmapped(mapped_row: dict[str, Any]) -> Any:
    text = mapped_row["microsoft"]["defender_endpoint"].get("unmapped")
    return None if text is None else json.loads(text)


def own(mapped_row: dict[str, Any]) -> dict[str, Any]:
    return mapped_row["microsoft"]["defender_endpoint"]  # type: ignore[no-any-return]


# Rows


def test_one_row_an_item_in_order() -> None:
    mapped = rows(alert(evidence=[USER_ITEM, PROCESS_ITEM, FILE_ITEM]), alert(id="b", evidence=[FILE_ITEM]))
    places = [(each["event"]["id"], each["landing"]["item"]) for each in mapped]
    assert places == [(ALERT["id"], 0), (ALERT["id"], 1), (ALERT["id"], 2), ("b", 0)]
    assert [own(each)["evidence"]["entityType"] for each in mapped] == ["User", "Process", "File", "File"]


@pytest.mark.parametrize("evidence", [[], None, "none", 7, {"entityType": "User"}, [None], [None, None]])
def test_one_row_without_items(evidence: Any) -> None:
    (mapped,) = rows(alert(evidence=evidence))
    assert "evidence" not in own(mapped)
    assert mapped["landing"]["item"] == 0
    rest = None if evidence in (None, []) or isinstance(evidence, list) else {"evidence": evidence}
    assert unmapped(mapped) == rest


def test_missing_evidence_is_no_evidence() -> None:
    without = {name: value for name, value in ALERT.items() if name != "evidence"}
    assert len(rows(without, alert(id="b"))) == 2


def test_items_that_are_no_objects_keep_their_rows() -> None:
    mapped = rows(alert(evidence=[USER_ITEM, 17, None, FILE_ITEM]))
    assert [unmapped(each) for each in mapped] == [None, {"evidence": 17}, None]
    assert ["evidence" in own(each) for each in mapped] == [True, False, True]


def test_five_hundred_items() -> None:
    items = [{**FILE_ITEM, "fileName": f"f{number}.dll"} for number in range(500)]
    mapped = rows(alert(evidence=items))
    assert [each["file"]["name"] for each in mapped] == [item["fileName"] for item in items]
    assert [each["landing"]["item"] for each in mapped] == list(range(500))
    assert ["original" in each["event"] for each in mapped] == [True] + [False] * 499


def test_original_is_the_exact_text_and_can_be_switched_off() -> None:
    data = '  {"lastUpdateTime" : "2021-01-26T20:33:59.2Z","id":"\\u0061","title":"😀 ש"}\n'.encode()
    assert row(data)["event"]["original"] == data.decode()
    assert row(data)["message"] == "😀 ש"
    assert "original" not in row(data, keep_original=False)["event"]


def test_ingested_is_what_the_caller_says() -> None:
    moment = datetime(2026, 11, 22, 10, 30, tzinfo=timezone.utc)
    assert row(ALERT, ingested=moment)["event"]["ingested"] == "2026-11-22T10:30:00Z"
    assert "ingested" not in row(ALERT)["event"]


def test_origins_one_for_each_record() -> None:
    origins = pa.table({"tenant": ["t1", "t2", "t1"], "log": ["l1", None, "l3"]})
    records = [record(ALERT), b"broken", record(alert(id="c"))]
    mapped = ecs.map_records("endpoint_alerts", records, origins=origins)
    landing = mapped.tables["alerts"].column("landing").to_pylist()
    assert [(each["tenant"], each["log"]) for each in landing] == [("t1", "l1"), ("t1", "l3")]
    assert mapped.rejects.column("tenant").to_pylist() == ["t2"]


def test_origins_over_many_chunks() -> None:
    count = 2500
    origins = pa.table({"tenant": [f"t{number}" for number in range(count)]})
    records = [record(alert(id=str(number), description="")) for number in range(count)]
    mapped = ecs.map_records("endpoint_alerts", records, origins=origins)
    keys = [each["key"] for each in mapped.tables["alerts"].column("landing").to_pylist()]
    assert keys == [f"t{number}/{number}" for number in range(count)]


def test_without_origins_the_record_names_its_tenant() -> None:
    mapped = ecs.map_records("endpoint_alerts", [record(ALERT), record(alert(aadTenantId=None))])
    landing = mapped.tables["alerts"].column("landing").to_pylist()
    assert [each["tenant"] for each in landing] == [TENANT, None]
    assert [each["key"] for each in landing] == [f"{TENANT}/{ALERT['id']}", ALERT["id"]]


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview, msgspec.Raw])
def test_any_kind_of_bytes(wrap: Any) -> None:
    mapped = ecs.map_records("endpoint_alerts", [wrap(record(ALERT))], origins=ORIGINS)
    assert mapped.tables["alerts"].num_rows == 1
    (identity,) = ecs.identities("endpoint_alerts", [wrap(record(ALERT))], tenant=TENANT)
    assert identity[:2] == (f"{TENANT}/{ALERT['id']}", ALERT["lastUpdateTime"])


def test_nothing_gives_empty_tables() -> None:
    mapped = map_alerts()
    assert mapped.tables["alerts"].num_rows == mapped.rejects.num_rows == mapped.records == 0


def test_unknown_source_names_those_known() -> None:
    with pytest.raises(ValueError, match="endpoint_alerts"):
        ecs.map_records("nonsense", [])


# Odd values


def test_property_names_match_in_any_case() -> None:
    odd = {name.upper(): value for name, value in ALERT.items()}
    odd["EVIDENCE"] = [{name.title(): value for name, value in PROCESS_ITEM.items()}]
    expected, actual = row(alert(evidence=[PROCESS_ITEM])), row(odd)
    for each in (expected, actual):
        del each["event"]["original"]
    assert actual == expected


def test_exact_spelling_wins_and_the_other_is_kept() -> None:
    mapped = row(alert(Title="other"))
    assert mapped["message"] == ALERT["title"]
    assert unmapped(mapped) == {"Title": "other"}
    assert row(alert(title="", Title="other"))["message"] == "other"
    assert unmapped(row(alert(Title=ALERT["title"]))) is None


def test_new_fields_go_to_unmapped_as_they_are() -> None:
    item = {**USER_ITEM, "new.item": {"a.b": [1, None]}}
    first, second = rows(alert(evidence=[item, FILE_ITEM], **{"FROM.DEVICE": {"x.y": 1.5}, "n": None}))
    assert unmapped(first) == {
        "FROM.DEVICE": {"x.y": 1.5},
        "n": None,
        "evidence": {"new.item": {"a.b": [1, None]}},
    }
    assert unmapped(second) == {"FROM.DEVICE": {"x.y": 1.5}, "n": None}


def test_odd_values_are_counted_by_path() -> None:
    mapped = map_alerts(
        alert(
            severity=["High"], newField=1, evidence=[{**FILE_ITEM, "processId": "x"}, {**FILE_ITEM, "new": 2}]
        ),
        alert(id="b", severity={"a": 1}, comments=[{"createdTime": "yesterday", "more": 1}]),
        alert(id="c"),
    )
    assert dict(mapped.type_mismatches) == {"severity": 2, "evidence.processId": 1, "comments.createdTime": 1}
    assert dict(mapped.unmapped_fields) == {"newField": 1, "evidence.new": 1, "comments.more": 1}
    assert mapped.records == 3


def test_value_that_does_not_fit_is_null_and_kept_and_the_record_lands() -> None:
    mapped = row(alert(evidence=[{**PROCESS_ITEM, "processId": "four", "processCreationTime": "soon"}]))
    assert "pid" not in mapped["process"]
    assert "start" not in mapped["process"]
    assert unmapped(mapped) == {"evidence": {"processId": "four", "processCreationTime": "soon"}}
    assert own(mapped)["evidence"]["fileName"] == "rundll32.exe"


def test_objects_in_lists_keep_what_fits() -> None:
    comments = [{"comment": "a"}, 5, {"comment": ["b"], "createdBy": "c"}, None]
    mapped = row(alert(comments=comments))
    assert own(mapped)["comments"] == [{"comment": "a"}, {"createdBy": "c"}]
    assert unmapped(mapped) == {"comments": {"1": 5, "2": {"comment": ["b"]}}}


def test_texts_where_lists_are_documented() -> None:
    """Microsoft's table says that mitreTechniques is a string."""
    assert own(row(alert(mitreTechniques="T1059")))["mitreTechniques"] == ["T1059"]
    assert "mitreTechniques" not in own(row(alert(mitreTechniques="")))
    mapped = row(alert(mitreTechniques={"a": 1}, relatedUser="DOMAIN\\temp123"))
    assert unmapped(mapped) == {"mitreTechniques": {"a": 1}, "relatedUser": "DOMAIN\\temp123"}


def test_absent_texts_are_absent_in_every_column() -> None:
    item = {**NO_ITEM, "entityType": "-", "fileName": "", "processId": "N/A", "evidenceCreationTime": "-"}
    mapped = row(
        alert(
            title="", category="-", computerDnsName="N/A", mitreTechniques=["", "T1003", "-"], evidence=[item]
        )
    )
    assert "message" not in mapped
    assert "action" not in mapped["event"]
    assert "name" not in mapped["host"]
    assert own(mapped)["mitreTechniques"] == mapped["threat"]["technique"]["id"] == ["T1003"]
    assert own(mapped).get("evidence", {}) == {}
    assert unmapped(mapped) is None


@pytest.mark.parametrize(
    ("text", "stamp"),
    [
        ("2021-01-26T20:33:59Z", "2021-01-26T20:33:59Z"),
        ("2021-01-26T20:33:59.2Z", "2021-01-26T20:33:59.200000Z"),
        ("2021-01-26T20:33:59.1234567Z", "2021-01-26T20:33:59.123456Z"),
        ("2021-01-26T20:33:59.9999999Z", "2021-01-26T20:33:59.999999Z"),
        ("2021-01-26T20:33:59.123", "2021-01-26T20:33:59.123000Z"),
        ("2021-01-26 20:33:59+02:00", "2021-01-26T18:33:59Z"),
        ("1969-12-31T23:59:59.9999999Z", "1969-12-31T23:59:59.999999Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("1677-01-01T00:00:00Z", "1677-01-01T00:00:00Z"),
        ("2262-04-12T00:00:00Z", "2262-04-12T00:00:00Z"),
        ("9999-12-31T23:59:59.9999999Z", "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_times_are_cut_to_microseconds_whatever_stands_beside_them(text: str, stamp: str) -> None:
    plain = alert(alertCreationTime=text)
    for others in ([], [alert(id="b", alertCreationTime="0001-01-01T00:00:00Z")], [alert(id="b")]):
        assert rows(plain, *others)[0]["@timestamp"] == stamp


@pytest.mark.parametrize(
    "text", ["2021-01-26T20:33Z", "2021-01-26", "now", "2021-13-01T00:00:00Z", "1611693239"]
)
def test_what_is_no_time_does_not_become_one(text: str) -> None:
    for others in ([], [alert(id="b")]):
        mapped = rows(alert(resolvedTime=text), *others)[0]
        assert "resolvedTime" not in own(mapped)
        assert unmapped(mapped) == {"resolvedTime": text}


def test_lone_surrogates_land_replaced_and_stand_in_the_original() -> None:
    data = record(ALERT).replace(b'"title":"Low', b'"title":"\\ud800Low')
    mapped = row(data)
    assert mapped["message"].startswith("\ufffdLow")
    assert "\\ud800Low" in mapped["event"]["original"]


def test_numbers_that_no_column_holds() -> None:
    data = record(alert(evidence=[{**PROCESS_ITEM, "processId": 2**70}])).replace(b'"Low"', b"NaN")
    mapped = row(data)
    assert unmapped(mapped) == {"evidence": {"processId": 2**70}}
    assert own(mapped)["severity"] == "NaN"
    assert own(row(alert(incidentId=10**30)))["incidentId"] == str(10**30)


def test_nul_in_texts() -> None:
    mapped = row(alert(title="a\x00b", relatedUser={"userName": "u\x00v", "domainName": None}))
    assert mapped["message"] == "a\x00b"
    assert mapped["user"]["name"] == "u\x00v"


CONTROLS = "".join(map(chr, range(32)))


def test_raw_control_characters_land_in_texts_and_the_original_is_exact() -> None:
    data = record(alert(title="a§b", domains=["c§d"], new={"e": "f§g"}, evidence=[PROCESS_ITEM]))
    raw = data.replace("§".encode(), CONTROLS.encode())
    mapped = row(raw)
    assert mapped["message"] == f"a{CONTROLS}b"
    assert mapped["event"]["original"].encode() == raw
    container = mapped["microsoft"]["defender_endpoint"]
    assert container["domains"] == [f"c{CONTROLS}d"]
    assert json.loads(container["unmapped"]) == {"new": {"e": f"f{CONTROLS}g"}}
    assert map_alerts(raw.replace(b'"a', b'"\\x')).rejects.num_rows == 1, "a bad escape is none"


# Rejects

UNREADABLE = [
    b"",
    b"<html><body>Service unavailable</body></html>",
    record(ALERT)[:-40],
    b"[]",
    b'"text"',
    b'{"id":"x","title":"\xff\xfe"}',
    b'{"id":"y","a":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
]


def test_what_cannot_land_is_rejected_with_its_bytes_and_the_rest_lands() -> None:
    timeless = alert(alertCreationTime=None, firstEventTime="x", lastUpdateTime=None)
    records = [
        record(ALERT),
        *UNREADABLE,
        record(alert(id=None)),
        record(alert(id={"a": 1})),
        record(timeless),
        record(alert(id="z")),
    ]
    mapped = map_alerts(*records)
    assert [each["event"]["id"] for each in mapped.tables["alerts"].to_pylist()] == [ALERT["id"], "z"]
    rejects = mapped.rejects.to_pylist()
    assert mapped.rejects.schema == ecs.REJECTS_SCHEMA
    assert [each["record_index"] for each in rejects] == list(range(1, len(records) - 1))
    assert [each["bytes"] for each in rejects] == records[1:-1]
    assert all(each["error"] and each["tenant"] == TENANT for each in rejects)
    assert [each["path"] for each in rejects[-3:]] == ["id", "id", "alertCreationTime"]


def test_only_rejects() -> None:
    mapped = map_alerts(*UNREADABLE)
    assert mapped.tables["alerts"].num_rows == 0
    assert mapped.rejects.num_rows == len(UNREADABLE)


def test_keys_of_rejects() -> None:
    timeless = record({"id": "t", "lastUpdateTime": "never"})
    rejects = map_alerts(b"broken", timeless).rejects.to_pylist()
    assert (rejects[0]["key"], rejects[0]["version"]) == (
        f"reject:{hashlib.sha256(b'broken').hexdigest()}",
        "",
    )
    assert (rejects[1]["key"], rejects[1]["version"]) == (f"{TENANT}/t", "never")


# Versions


@pytest.mark.parametrize("update", [None, "", "-", 5, {"a": 1}, ["2021-01-26T20:33:59.2Z"]])
def test_without_an_update_time_the_content_is_the_version(update: Any) -> None:
    data = record(alert(lastUpdateTime=update))
    assert row(data)["landing"]["version"] == f"content:{hashlib.sha256(data).hexdigest()}"


@pytest.mark.parametrize(
    "changes",
    [
        {"id": 17},
        {"ID": "other"},
        {"id": "", "ID": "other"},
        {"id": "\ud83d😀"},
        {"lastUpdateTime": "", "LASTUPDATETIME": "2021-01-26T20:33:59.21Z"},
        {"lastUpdateTime": 1, "lastupdatetime": "2021-01-26T20:33:59.21Z"},
        {"lastUpdateTime": "2021-01-26T20:33:59.2000000+00:00"},
        {"lastUpdateTime": "later"},
        {"newField": 1},
        {"title": 5},
    ],
)
def test_versions_agree_with_rows_however_odd_the_record(changes: dict[str, Any]) -> None:
    assert len(rows(alert(**changes))) == 1  # `map_alerts` compares them


@pytest.mark.parametrize(
    ("update", "updated"),
    [
        ("2021-01-26T20:33:59.1234567Z", "2021-01-26T20:33:59.123456Z"),
        ("2021-01-26T20:33:59.2+02:00", "2021-01-26T18:33:59.200000Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("2261-01-01T00:00:00Z", "2261-01-01T00:00:00Z"),
        ("later", None),
        (None, None),
        ("99999-01-01T00:00:00Z", None),
    ],
)
def test_updated_is_the_time_of_the_version(update: str | None, updated: str | None) -> None:
    records = [record(ALERT), record(alert(id="odd", lastUpdateTime=update, evidence=[USER_ITEM, FILE_ITEM]))]
    known = ecs.identities("endpoint_alerts", records, tenant=TENANT)
    for identities in (None, known):
        [part] = ecs.map_batches("endpoint_alerts", records, origins=ORIGINS, identities=identities)
        landing = [without_nulls(each) for each in part.tables["alerts"].column("landing").to_pylist()]
        assert [each.get("updated") for each in landing if each["key"] == known[1].key] == [updated] * 2
        assert landing[0]["updated"] == "2021-01-26T20:33:59.200000Z"


def test_repeated_keys_count_last() -> None:
    data = record(ALERT)[:-1] + b',"id":"last","lastUpdateTime":"2022-01-26T20:33:59.2Z"}'
    assert row(data)["landing"]["key"] == f"{TENANT}/last"
    assert row(data)["landing"]["version"] == "2022-01-26T20:33:59.2Z"


# Slices


def slices(records: list[bytes], **options: Any) -> list[ecs.MappedRecords]:
    return list(ecs.map_batches("endpoint_alerts", iter(records), origins=ORIGINS, **options))


def test_slices_hold_the_same_rows_as_one_piece() -> None:
    records = [record(alert(id=str(number), evidence=[USER_ITEM, FILE_ITEM])) for number in range(5200)]
    records[7], records[5101] = b"broken", b"{}"
    parts = slices(records, max_bytes=2 * MIB)
    assert len(parts) > 5
    assert all(part.tables["alerts"].nbytes <= 2 * MIB for part in parts)
    whole = ecs.map_records("endpoint_alerts", records, origins=ORIGINS)
    assert pa.concat_tables([part.tables["alerts"] for part in parts]) == whole.tables["alerts"]
    assert pa.concat_tables([part.rejects for part in parts]) == whole.rejects
    assert whole.rejects.column("record_index").to_pylist() == [7, 5101]
    assert sum(part.records for part in parts) == whole.records == 5200


def test_many_items_and_a_long_description_stay_within_the_slice() -> None:
    items = [{**FILE_ITEM, "fileName": f"f{number}"} for number in range(500)]
    records = [record(alert(description="d" * MIB, evidence=items)), record(alert(id="b"))]
    names, most, held = [], 0, pa.total_allocated_bytes()
    for part in ecs.map_batches("endpoint_alerts", records, origins=ORIGINS):
        table = part.tables["alerts"]
        assert table.nbytes <= 32 * MIB
        most = max(most, pa.total_allocated_bytes() - held)
        names += [each["file"].get("name") for each in table.select(["file"]).to_pylist()]
        del part, table
    assert names == [item["fileName"] for item in items] + [None]
    assert most < 200 * MIB, "500 rows of 1 MiB must not be in memory at once"


def test_a_row_larger_than_the_slice_lands_whole() -> None:
    parts = slices([record(alert(description="d" * (3 * MIB)))], max_bytes=MIB)
    assert [part.tables["alerts"].num_rows for part in parts] == [1]


def test_counts_of_slices_add_up() -> None:
    records = [record(alert(id=str(number), newField=1)) for number in range(1500)]
    parts = slices(records, max_bytes=MIB)
    assert sum(part.unmapped_fields.get("newField", 0) for part in parts) == 1500


def test_batches_are_lazy() -> None:
    def endless() -> Any:
        number = 0
        while True:
            yield record(alert(id=str(number)))
            number += 1

    first = next(iter(ecs.map_batches("endpoint_alerts", endless(), origins=ORIGINS, max_bytes=MIB)))
    assert first.tables["alerts"].num_rows > 0


def test_one_odd_record_does_not_change_its_neighbours() -> None:
    plain = [alert(id=str(number), evidence=[USER_ITEM, PROCESS_ITEM]) for number in range(20)]
    odd = alert(id="odd", title=[1], resolvedTime="soon", evidence=[7, {"x": 1}])
    odd["alertCreationTime"] = "0001-01-01T00:00:00Z"
    together = rows(*plain[:10], odd, *plain[10:])
    assert [each for each in together if each["event"]["id"] != "odd"] == rows(*plain)


def test_garbage_collection_is_left_as_it_was() -> None:
    assert gc.isenabled()
    map_alerts(ALERT)
    assert gc.isenabled()
    gc.disable()
    try:
        map_alerts(ALERT)
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_importing_ecs_loads_no_airflow() -> None:
    code = (
        "import sys, airflow_provider_defender.ecs as ecs; "
        "loaded = {name.split('.')[0] for name in sys.modules}; "
        "assert not loaded & {'airflow', 'requests', 'msal', 'fsspec'}; "
        "assert 'airflow_provider_defender.lake' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_paths_that_are_counted_are_bounded() -> None:
    mapped = map_alerts(*(alert(id=str(number), **{f"new{number}": 1}) for number in range(1200)))
    assert len(mapped.unmapped_fields) == 1001
    assert sum(mapped.unmapped_fields.values()) == 1200
    assert flat(row(alert(new=1)))["microsoft.defender_endpoint.unmapped"] == '{"new":1}'
