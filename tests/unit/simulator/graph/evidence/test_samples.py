"""Full records of all types of evidence, held against Microsoft's types."""

from __future__ import annotations

import uuid
from ipaddress import ip_address
from typing import Any

import pytest

from airflow_provider_defender.simulator.graph import types
from airflow_provider_defender.simulator.graph.evidence.samples import MAKERS, evidence_sample
from airflow_provider_defender.simulator.server.draw import draw_for
from airflow_provider_defender.timestamps import parse_ticks

_SIMPLE: dict[str, type | tuple[type, ...]] = {
    "String": str,
    "Guid": str,
    "DateTimeOffset": str,
    "Boolean": bool,
    "Int32": int,
    "Int64": int,
    "Double": float,
}


def samples(type_name: str) -> list[dict[str, Any]]:
    return [evidence_sample(type_name, draw_for("samples", type_name, number)) for number in range(5)]


def problems(value: Any, type_name: str, path: str) -> list[str]:
    """Where a value is not what its type says; null and empty are right everywhere."""
    if value is None:
        return []
    if type_name.startswith("Collection("):
        if not isinstance(value, list):
            return [f"{path} is no list"]
        return [text for item in value for text in problems(item, type_name[11:-1], f"{path}[]")]
    if type_name in _SIMPLE:
        right = isinstance(value, _SIMPLE[type_name]) and not (type_name != "Boolean" and value is True)
        return [] if right and _parses(value, type_name) else [f"{path} is no {type_name}: {value!r}"]
    if type_name in types.ENUMERATIONS:
        known = value in types.ENUMERATIONS[type_name]
        return [] if known else [f"{path} is no {type_name}: {value!r}"]
    if not isinstance(value, dict):
        return [f"{path} is no object"]
    own = value.get("@odata.type", type_name).removeprefix(types.PREFIX)
    properties = types.properties_of(own)
    if own == "dictionary":
        return []
    extra = value.keys() - properties.keys() - {"@odata.type"}
    missing = properties.keys() - value.keys()
    found = [f"{path} has {sorted(extra)}, lacks {sorted(missing)}"] if extra or missing else []
    for name, item in value.items():
        if name in properties:
            found += problems(item, properties[name], f"{path}.{name}")
    return found


def _parses(value: Any, type_name: str) -> bool:
    if type_name == "Guid":
        return str(uuid.UUID(value)) == str(value)
    return parse_ticks(value) is not None if type_name == "DateTimeOffset" else True


def test_there_is_one_of_each_type() -> None:
    assert MAKERS.keys() == types.EVIDENCE.keys()
    assert len(MAKERS) == 48


@pytest.mark.parametrize("type_name", MAKERS)
def test_every_property_has_a_value_of_its_type(type_name: str) -> None:
    for sample in samples(type_name):
        assert sample["@odata.type"] == f"#microsoft.graph.security.{type_name}"
        assert problems(sample, "alertEvidence", type_name) == []
        empty = [name for name, value in sample.items() if value in (None, "", [], {})]
        assert empty == []


@pytest.mark.parametrize("type_name", MAKERS)
def test_the_same_draw_gives_the_same_record(type_name: str) -> None:
    assert samples(type_name) == samples(type_name)


def test_evidence_of_one_alert_agrees() -> None:
    draws = {name: evidence_sample(name, draw_for("one alert")) for name in MAKERS}
    device = draws["deviceEvidence"]
    assert draws["fileEvidence"]["mdeDeviceId"] == draws["processEvidence"]["mdeDeviceId"]
    assert draws["fileEvidence"]["mdeDeviceId"] == device["mdeDeviceId"]
    user = draws["userEvidence"]["userAccount"]
    assert draws["processEvidence"]["userAccount"] == user
    assert draws["mailboxEvidence"]["upn"] == user["userPrincipalName"]
    assert draws["analyzedMessageEvidence"]["recipientEmailAddress"] == user["userPrincipalName"]
    connection = draws["networkConnectionEvidence"]
    assert connection["sourceAddress"]["ipAddress"] == device["lastIpAddress"]
    assert connection["destinationAddress"]["ipAddress"] == draws["ipEvidence"]["ipAddress"]
    assert ip_address(draws["ipEvidence"]["ipAddress"])
