"""The seed's tables and sample event, field by field."""

from __future__ import annotations

import json

import pytest

from airflow_provider_defender import ecs
from airflow_provider_defender.ecs.fields import leaf_fields
from tests.unit.ecs.helpers.alert_records import ALERT, DATA, DESCRIPTION, ITEMS, TENANT, flat, row, rows

SAMPLE = flat(json.loads((DATA / "seed_sample_event.json").read_text()))
TABLES = json.loads((DATA / "seed_tables.json").read_text())

DIFFERENT = {
    "@timestamp": ("2021-01-26T20:33:57.722023Z", "the seed's own table says alertCreationTime"),
    "data_stream.namespace": ("default", "the sample's is a test installation"),
    "ecs.version": ("9.4.0", "what the fields are checked against"),
    "event.created": ("2021-01-26T20:33:57.722023Z", "timestamps in microseconds"),
    "event.end": ("2021-01-26T20:31:33.057732Z", "timestamps in microseconds"),
    "event.start": ("2021-01-26T20:31:32.956266Z", "timestamps in microseconds"),
    "microsoft.defender_endpoint.lastUpdateTime": (
        "2021-01-26T20:33:59.200000Z",
        "timestamps in microseconds",
    ),
    "related.user": (
        [
            "temp123",
            "name",
            "temp123@microsoft.com",
            "S-1-5-21-11111607-1111760036-109187956-75141",
            "11118379-2a59-1111-ac3c-a51eb4a3c627",
        ],
        "the item's account and its ids belong to it, too",
    ),
}
LEFT_OUT = {"event.ingested", "event.agent_id_status"}
"""The run's start, which the mapper is given; and, with `agent.*` and `elastic_agent.*`, Elastic's agent."""

ADDED = {
    "event.module",
    "event.original",
    "event.risk_score",
    "host.id",
    "rule.id",
    "threat.tactic.id",
    "threat.tactic.name",
    "threat.technique.id",
    "user.email",
}


def test_sample_event_is_reproduced_from_its_record() -> None:
    ours = flat(row(ALERT))
    expected = {
        name: value
        for name, value in SAMPLE.items()
        if name not in LEFT_OUT and not name.startswith(("agent.", "elastic_agent."))
    }
    expected.update({name: value for name, (value, _) in DIFFERENT.items()})
    assert {name: ours.get(name) for name in expected} == expected


def test_sample_event_gains_only_named_fields() -> None:
    ours = flat(row(ALERT))
    more = {
        name
        for name in ours
        if name not in SAMPLE and not name.startswith(("landing.", "microsoft.defender_endpoint."))
    }
    assert more == ADDED


def test_deviations_are_documented() -> None:
    documented = " ".join(each.field for each in ecs.find_mapping("endpoint_alerts").deviations)
    for name in {*DIFFERENT, *ADDED, *LEFT_OUT}:
        parts = name.split(".")
        patterns = [name, *(".".join(parts[:end]) + ".*" for end in range(1, len(parts)))]
        assert any(pattern in documented for pattern in patterns), name


def test_description_is_not_cut() -> None:
    assert row(ALERT)["rule"]["description"] == DESCRIPTION
    assert row({**ALERT, "description": "x" * 5000})["rule"]["description"] == "x" * 5000


@pytest.mark.parametrize(("source", "field"), TABLES["ecs_mappings"].items())
def test_every_row_of_the_field_table(source: str, field: str) -> None:
    mapped = rows({**ALERT, "evidence": list(ITEMS)})
    found = False
    for item, mapped_row in zip(ITEMS, mapped, strict=True):
        value = item[source.split(".")[1]] if source.startswith("evidence.") else ALERT[source]
        if value is None:
            continue
        found = True
        actual = flat(mapped_row)[field]
        if field == "file.path":
            assert actual == f"{value}\\{item['fileName']}"
        elif field == "event.severity":
            assert actual == 2
        elif field == "threat.technique.name":
            assert actual == [value]
        elif "Time" in source:
            assert actual == value[:26].rstrip("Z") + "Z"
        else:
            assert actual == value
    assert found


@pytest.mark.parametrize(("field", "kind"), TABLES["exported_fields"].items())
def test_every_exported_field_is_a_column(field: str, kind: str) -> None:
    types = {"date": "timestamp[us, tz=UTC]", "boolean": "bool", "long": "int64"}
    assert str(leaf_fields(ecs.schema("alerts"))[field]) == types.get(kind, "string")


def test_constants_of_the_sample() -> None:
    fields = flat(row(ALERT))
    assert fields["event.module"] == "microsoft_defender_endpoint"
    assert fields["event.dataset"] == fields["data_stream.dataset"] == "microsoft_defender_endpoint.log"
    assert fields["input.type"] == "httpjson"
    assert fields["tags"] == ["microsoft-defender-endpoint", "forwarded"]


def test_every_property_of_the_api_lands_in_its_own_spelling() -> None:
    for item, mapped_row in zip(ITEMS, rows({**ALERT, "evidence": list(ITEMS)}), strict=True):
        own = mapped_row["microsoft"]["defender_endpoint"]
        present = {name: value for name, value in ALERT.items() if value is not None and name != "evidence"}
        assert own.keys() - {"evidence"} == present.keys()
        assert own["incidentId"] == "1126093"
        assert own["loggedOnUsers"] == ALERT["loggedOnUsers"]
        assert own["comments"] == [{**ALERT["comments"][0], "createdTime": "2021-01-26T01:00:37.840453Z"}]
        assert own["evidence"].keys() == {name for name, value in item.items() if value is not None}


def test_landing_names_the_record() -> None:
    assert row(ALERT)["landing"] == {
        "source": "endpoint_alerts",
        "log": f"endpoint_alerts-{TENANT}",
        "tenant": TENANT,
        "key": f"{TENANT}/da637472900382838869_1364969609",
        "version": "2021-01-26T20:33:59.2Z",
        "updated": "2021-01-26T20:33:59.200000Z",
        "item": 0,
        "time_origin": "record",
    }
