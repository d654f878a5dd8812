"""What the mappings of Defender for Identity's tables make of records, the seed's among them."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pyarrow as pa
import pytest

from airflow_provider_defender.ecs.tables.streaming._identity import actor
from tests.unit.ecs.helpers.event_rows import part, row, rows_of
from tests.unit.ecs.helpers.hub_messages import LOGON as SEED_LOGON

SEED: dict[str, Any] = {
    "time": "2024-12-04T13:38:20.360851",
    "tenantId": "40431729-d276-4582-abb4-01e21c8b58fe",
    "operationName": "Publish",
    "category": "AdvancedHunting-IdentityLogonEvents",
    "_TimeReceivedBySvc": "2024-12-04T13:36:26.632556",
    "properties": SEED_LOGON,
    "Tenant": "DefaultTenant",
}
"""The record of the seed's streaming example."""


@pytest.fixture(scope="module")
def seed() -> dict[str, Any]:
    data = json.dumps({"records": [SEED]}, separators=(",", ":")).encode()
    enqueued = datetime(2024, 12, 4, 13, 38, 21, tzinfo=timezone.utc)
    (fields,) = rows_of("events/IdentityLogonEvents", data, enqueued=enqueued)
    return fields


def test_seed_lands_in_ecs_field_by_field(seed: dict[str, Any]) -> None:
    kept = {
        name: value
        for name, value in seed.items()
        if not name.startswith(("microsoft.", "landing.")) and name not in ("event.original", "event.hash")
    }
    assert kept == {
        "@timestamp": "2024-12-04T13:33:19.801823Z",
        "data_stream.dataset": "microsoft_defender_xdr.identity_logon_events",
        "data_stream.namespace": "default",
        "data_stream.type": "logs",
        "destination.address": "ad-test.tenzir.com",
        "destination.domain": "ad-test.tenzir.com",
        "ecs.version": "9.4.0",
        "event.action": "logonfailed",
        "event.category": ["authentication"],
        "event.dataset": "microsoft_defender_xdr.identity_logon_events",
        "event.id": "3d359b95-f8d5-4dbd-a64b-7327c92d32f1",
        "event.kind": "event",
        "event.module": "microsoft_defender_xdr",
        "event.outcome": "failure",
        "event.provider": "defender_identity",
        "event.reason": "UnknownUser",
        "event.timezone": "UTC",
        "event.type": ["start"],
        "host.hostname": "WIN-P3MCS4024KP",
        "host.name": "win-p3mcs4024kp",
        "network.protocol": "ntlm",
        "observer.product": "Defender for Identity",
        "observer.vendor": "Microsoft",
        "organization.id": "40431729-d276-4582-abb4-01e21c8b58fe",
        "related.hosts": ["win-p3mcs4024kp", "ad-test.tenzir.com"],
        "related.user": ["elias"],
        "service.name": "Active Directory",
        "tags": ["microsoft-defender-xdr", "forwarded"],
        "threat.framework": "MITRE ATT&CK",
        "threat.tactic.id": ["TA0001"],
        "threat.tactic.name": ["Initial Access"],
        "threat.technique.id": ["T1078"],
        "threat.technique.name": ["Valid Accounts"],
        "threat.technique.subtechnique.id": ["T1078.002"],
        "threat.technique.subtechnique.name": ["Domain Accounts"],
        "user.domain": "tenzir.com",
        "user.name": "elias",
    }


def test_seed_loses_nothing(seed: dict[str, Any]) -> None:
    container = part(seed, "microsoft.defender_xdr")
    properties = {name: value for name, value in SEED["properties"].items() if value is not None}
    for name, value in properties.items():
        landed = container.pop(f"microsoft.defender_xdr.{'Isp' if name == 'ISP' else name}")
        if name == "AdditionalFields":
            assert json.loads(landed) == value, "dotted keys and empty texts among them"
        elif name != "Timestamp":
            assert landed == value
    assert container == {
        "microsoft.defender_xdr.envelope.time": "2024-12-04T13:38:20.360851Z",
        "microsoft.defender_xdr.envelope.tenantId": SEED["tenantId"],
        "microsoft.defender_xdr.envelope.operationName": "Publish",
        "microsoft.defender_xdr.envelope.category": "AdvancedHunting-IdentityLogonEvents",
        "microsoft.defender_xdr.envelope._TimeReceivedBySvc": "2024-12-04T13:36:26.632556Z",
        "microsoft.defender_xdr.envelope.Tenant": "DefaultTenant",
    }
    assert json.loads(seed["event.original"]) == SEED


LOGON: dict[str, Any] = {
    "ActionType": "LogonSuccess",
    "AccountDisplayName": "J Doe",
    "AccountDomain": "contoso.local",
    "AccountName": "jdoe",
    "AccountObjectId": "oid-1",
    "AccountSid": "S-1-5-21-1",
    "AccountUpn": "jdoe@contoso.com",
    "AdditionalFields": {"SourceComputerOperatingSystemType": "windows"},
    "DestinationDeviceName": "DC1.contoso.local",
    "DestinationIPAddress": "192.0.2.1",
    "DestinationPort": 88,
    "DeviceName": "WS1.contoso.local",
    "DeviceType": "Desktop",
    "IPAddress": "192.0.2.10",
    "ISP": "Example Net",
    "Location": "DE",
    "OSPlatform": "Windows11",
    "Port": "49152",
    "Protocol": "Kerberos",
    "ReportId": "r-1",
    "TargetAccountDisplayName": "Files",
    "TargetDeviceName": "files1.contoso.local",
}


def test_logon() -> None:
    fields = row("IdentityLogonEvents", **LOGON)
    assert part(fields, "source", "destination", "network", "host") == {
        "destination.address": "192.0.2.1",
        "destination.domain": "dc1.contoso.local",
        "destination.ip": "192.0.2.1",
        "destination.port": 88,
        "host.hostname": "WS1.contoso.local",
        "host.name": "ws1.contoso.local",
        "host.os.name": "Windows11",
        "host.os.type": "windows",
        "host.type": "Desktop",
        "network.protocol": "kerberos",
        "source.address": "192.0.2.10",
        "source.as.organization.name": "Example Net",
        "source.geo.country_iso_code": "DE",
        "source.ip": "192.0.2.10",
        "source.port": 49152,
    }
    assert part(fields, "user") == {
        "user.domain": "contoso.local",
        "user.email": "jdoe@contoso.com",
        "user.full_name": "J Doe",
        "user.id": "S-1-5-21-1",
        "user.name": "jdoe",
        "user.target.full_name": "Files",
    }
    assert part(fields, "related") == {
        "related.hosts": ["ws1.contoso.local", "dc1.contoso.local", "files1.contoso.local"],
        "related.ip": ["192.0.2.10", "192.0.2.1"],
        "related.user": ["jdoe", "jdoe@contoso.com", "S-1-5-21-1", "oid-1", "J Doe", "Files"],
    }
    assert "threat.framework" not in fields
    assert fields["event.outcome"] == "success"


@pytest.mark.parametrize("action", ["LogonAttempted", "Something else", None])
def test_logon_that_neither_succeeded_nor_failed_is_unknown(action: str | None) -> None:
    assert row("IdentityLogonEvents", **{**LOGON, "ActionType": action})["event.outcome"] == "unknown"


def test_additional_fields_as_text() -> None:
    text = json.dumps({"Category": "LateralMovement", "AttackTechniques": '["Pass the Hash (T1550.002)"]'})
    fields = row("IdentityLogonEvents", **{**LOGON, "AdditionalFields": text})
    assert fields["threat.tactic.id"] == ["TA0008"]
    assert fields["threat.technique.id"] == ["T1550"]
    assert "threat.technique.name" not in fields, "the technique's own name is not known"
    assert fields["threat.technique.subtechnique.name"] == ["Pass the Hash"]


@pytest.mark.parametrize("text", ["{", "no JSON", '["Category"]', '{"Category": {"a": 1}}', "[[["])
def test_rubbish_in_additional_fields_only_leaves_fields_empty(text: str) -> None:
    fields = row("IdentityLogonEvents", **{**LOGON, "AdditionalFields": text})
    assert fields["microsoft.defender_xdr.AdditionalFields"] == text
    assert "threat.framework" not in fields


def test_target_counts_where_no_server_is_known() -> None:
    unknown = {"DestinationDeviceName": "", "DestinationIPAddress": ""}
    fields = row("IdentityLogonEvents", **{**LOGON, **unknown})
    assert fields["destination.domain"] == "files1.contoso.local"


def test_target_is_not_paired_with_the_address_of_the_server() -> None:
    fields = row("IdentityLogonEvents", **{**LOGON, "DestinationDeviceName": ""})
    assert fields["destination.ip"] == "192.0.2.1"
    assert "destination.domain" not in fields
    assert fields["related.hosts"] == ["ws1.contoso.local", "files1.contoso.local"]


def test_dns_query() -> None:
    fields = row(
        "IdentityQueryEvents",
        **{**LOGON, "ActionType": "DNS query", "Protocol": "Dns", "QueryTarget": "dc1.contoso.local"},
        QueryType="A",
        TargetAccountUpn="files@contoso.com",
    )
    assert (fields["event.category"], fields["event.type"]) == (["network"], ["protocol"])
    assert fields["event.action"] == "dns-query"
    assert fields["dns.question.name"] == "dc1.contoso.local"
    assert fields["network.protocol"] == "dns"
    assert fields["user.target.email"] == "files@contoso.com"


def test_directory_query_is_no_dns_question() -> None:
    fields = row(
        "IdentityQueryEvents", **{**LOGON, "ActionType": "LDAP query", "Protocol": "Ldap", "QueryTarget": "x"}
    )
    assert fields["event.type"] == ["access"]
    assert "dns.question.name" not in fields


@pytest.mark.parametrize(
    ("action", "categories", "types"),
    [
        ("Account created", ["iam"], ["creation", "user"]),
        ("User deleted", ["iam"], ["deletion", "user"]),
        ("Account Password changed", ["iam"], ["change", "user"]),
        ("Group Membership changed", ["iam"], ["change", "group"]),
        ("Private Data retrieval", ["iam"], ["info"]),
        ("PowerShell execution", ["process"], ["start"]),
        ("SMB file copy", ["file"], ["creation"]),
        ("Service creation", ["configuration"], ["creation"]),
    ],
)
def test_directory_event(action: str, categories: list[str], types: list[str]) -> None:
    fields = row(
        "IdentityDirectoryEvents", **{**LOGON, "ActionType": action}, TargetAccountUpn="t@contoso.com"
    )
    assert (fields["event.category"], fields["event.type"]) == (categories, types)
    assert fields["source.as.organization.name"] == "Example Net"
    assert fields["user.target.email"] == "t@contoso.com"
    assert fields["related.user"][-3:] == ["t@contoso.com", "t", "Files"]


def test_identity_is_an_asset() -> None:
    fields = row(
        "IdentityInfo",
        AccountDisplayName="J Doe",
        AccountDomain="contoso",
        AccountName="jdoe",
        AccountObjectId="oid-1",
        AccountUpn="jdoe@contoso.com",
        AssignedRoles=["Security Reader", "Global Reader"],
        CompanyName="Contoso",
        CriticalityLevel=2,
        EmailAddress="j.doe@contoso.com",
        OnPremSid="S-1-5-21-1",
        ReportId="r-1",
        RiskLevel="High",
        Tags=["Sensitive"],
    )
    assert (fields["event.kind"], fields["event.category"], fields["event.type"]) == (
        "asset",
        ["iam"],
        ["info", "user"],
    )
    assert part(fields, "user", "organization") == {
        "organization.id": fields["landing.tenant"],
        "organization.name": "Contoso",
        "user.domain": "contoso",
        "user.email": "j.doe@contoso.com",
        "user.full_name": "J Doe",
        "user.id": "S-1-5-21-1",
        "user.name": "jdoe",
        "user.risk.calculated_level": "High",
        "user.roles": ["Security Reader", "Global Reader"],
    }
    assert fields["related.user"] == [
        "jdoe",
        "jdoe@contoso.com",
        "j.doe@contoso.com",
        "J Doe",
        "oid-1",
        "S-1-5-21-1",
    ]


@pytest.mark.parametrize(
    "upn", ["a@b.example", " a@b.example", "a b@c.example", "D\\a@b.example", "a@b", "é@b.c"]
)
def test_an_email_does_not_depend_on_other_rows(upn: str) -> None:
    columns = [[value, None] for value in ("a", "d", upn, None, None, None, None, None)]
    alone, beside = (actor(*(pa.array(each[:rows], pa.string()) for each in columns))[0] for rows in (1, 2))
    assert [column[0].as_py() for column in alone] == [column[0].as_py() for column in beside]
