"""Placeholders are in the source's own columns as sent, and in no ECS field."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_defender.ecs.columns import NO_GUID
from tests.golden.cases import rows_of
from tests.unit.ecs.helpers.event_rows import row

LOGON = {"Timestamp": "2026-01-09T09:57:11.4821337Z", "ActionType": "LogonSuccess", "AccountName": "jane"}


@pytest.mark.parametrize("text", [NO_GUID, "null", "NULL", ":", " ", "none specified"])
def test_placeholders_of_an_event(text: str) -> None:
    fields = row("DeviceLogonEvents", **LOGON, DeviceId=text, AccountSid=text, DeviceName=text)
    assert not {"host.id", "user.id", "host.name", "related.hosts"} & fields.keys()
    assert fields["related.user"] == ["jane"]
    for name in ("DeviceId", "AccountSid", "DeviceName"):
        assert fields[f"microsoft.defender_xdr.{name}"] == text


def test_a_machine_is_not_called_unknown() -> None:
    fields = row("DeviceLogonEvents", **LOGON, DeviceId="Unknown", DeviceName="unknown")
    assert not {"host.id", "host.name", "host.hostname", "related.hosts"} & fields.keys()
    assert fields["microsoft.defender_xdr.DeviceId"] == "Unknown"


def test_zeros_and_texts_that_are_no_hashes() -> None:
    zeros = {"ProcessId": 0, "InitiatingProcessId": 0, "InitiatingProcessParentId": 0}
    hashes = {"SHA1": "0" * 40, "SHA256": "A" * 64, "MD5": "none", "InitiatingProcessSHA1": "1" * 39}
    fields = row(
        "DeviceProcessEvents", Timestamp=LOGON["Timestamp"], ActionType="ProcessCreated", **zeros, **hashes
    )
    assert not {"process.pid", "process.parent.pid", "process.hash.sha1", "process.hash.md5"} & fields.keys()
    assert "process.parent.hash.sha1" not in fields
    assert fields["process.hash.sha256"] == "a" * 64
    assert fields["related.hash"] == ["a" * 64]
    for name, value in (zeros | hashes).items():
        assert fields[f"microsoft.defender_xdr.{name}"] == value


def test_a_file_can_have_the_name_null() -> None:
    fields = row(
        "DeviceFileEvents",
        Timestamp=LOGON["Timestamp"],
        ActionType="FileModified",
        FileName="null",
        FolderPath="/dev/null",
    )
    assert (fields["file.name"], fields["file.path"]) == ("null", "/dev/null")


def test_placeholders_of_an_alert_and_of_each_item() -> None:
    evidence: list[dict[str, Any]] = [
        {"entityType": "User", "accountName": "jane", "aadUserId": NO_GUID, "userSid": "S-1-5-21-1-2-3-1001"},
        {"entityType": "User", "accountName": "null", "userSid": NO_GUID},
    ]
    alert = {
        "id": "da1",
        "alertCreationTime": LOGON["Timestamp"],
        "category": "null",
        "machineId": NO_GUID,
        "loggedOnUsers": [{"accountName": "joe"}],
        "evidence": evidence,
    }
    first, second = rows_of("endpoint_alerts", alert)["alerts"]
    for fields in (first, second):
        assert not {"event.action", "host.id", "cloud.instance.id", "threat.technique.name"} & fields.keys()
        assert fields["microsoft.defender_endpoint.category"] == "null"
        assert fields["microsoft.defender_endpoint.machineId"] == NO_GUID
    assert (first["user.id"], first["related.user"]) == (
        "S-1-5-21-1-2-3-1001",
        ["jane", "S-1-5-21-1-2-3-1001", "joe"],
    )
    assert "user.id" not in second
    assert "user.name" not in second
    assert second["related.user"] == ["joe"]
    assert second["microsoft.defender_endpoint.evidence.userSid"] == NO_GUID
