"""What the mappings of the tables of alerts and behaviors make of records."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.ecs.helpers.event_rows import part, row

ALERT: dict[str, Any] = {
    "AlertId": "da639_-123",
    "AttackTechniques": '["Rundll32 (T1218.011)","Valid Accounts (T1078)"]',
    "DetectionSource": "EDR",
    "ServiceSource": "Microsoft Defender for Endpoint",
    "Severity": "Medium",
    "Title": "Suspicious execution",
}


def test_alert() -> None:
    fields = row("AlertInfo", **ALERT, Category="DefenseEvasion", MachineGroup="Workstations")
    assert fields["message"] == fields["rule.name"] == "Suspicious execution"
    assert fields["observer.name"] == "EDR"
    event = part(fields, "event")
    assert {name: event[f"event.{name}"] for name in ("id", "kind", "provider", "action")} == {
        "id": "da639_-123",
        "kind": "alert",
        "provider": "Microsoft Defender for Endpoint",
        "action": "defenseevasion",
    }
    assert (event["event.category"], event["event.type"]) == (["host"], ["info"])
    assert (event["event.severity"], event["event.risk_score"]) == (3, 47.0)
    assert part(fields, "threat") == {
        "threat.framework": "MITRE ATT&CK",
        "threat.tactic.id": ["TA0005"],
        "threat.tactic.name": ["Defense Evasion"],
        "threat.technique.id": ["T1078", "T1218"],
        "threat.technique.name": ["Valid Accounts"],
        "threat.technique.subtechnique.id": ["T1218.011"],
        "threat.technique.subtechnique.name": ["Rundll32"],
    }


@pytest.mark.parametrize(
    ("category", "service", "categories"),
    [
        ("Malware", "Microsoft Defender for Endpoint", ["malware"]),
        ("Ransomware", "Microsoft Defender for Office 365", ["malware"]),
        ("Phishing", "Microsoft Defender for Office 365", ["email"]),
        ("CredentialAccess", "Microsoft Defender for Identity", ["iam"]),
        ("Persistence", "Microsoft Entra ID Protection", ["authentication"]),
        ("SuspiciousActivity", "Microsoft Defender for Cloud Apps", ["api"]),
        ("ThreatManagement", "Microsoft Defender for Cloud", ["configuration"]),
        ("Execution", "Something new", ["intrusion_detection"]),
        ("Execution", "Microsoft Cloud App Security", ["api"]),
        ("Execution", "MCAS", ["api"]),
        ("Execution", "Azure Advanced Threat Protection", ["iam"]),
        ("Execution", "Azure ATP", ["iam"]),
        ("Execution", "AAD Identity Protection", ["authentication"]),
        ("Execution", "Azure Active Directory Identity Protection", ["authentication"]),
        ("Execution", "Office 365 Advanced Threat Protection", ["email"]),
        ("Execution", "Office 365 ATP", ["email"]),
        ("Execution", "Microsoft Defender Advanced Threat Protection", ["host"]),
        ("Execution", "Microsoft Defender ATP", ["host"]),
        ("Execution", "Windows Defender ATP", ["host"]),
        ("Execution", "Azure Security Center", ["configuration"]),
        ("Execution", "Microsoft 365 Defender", ["intrusion_detection"]),
    ],
)
def test_categories_of_alerts(category: str, service: str, categories: list[str]) -> None:
    fields = row("AlertInfo", **{**ALERT, "Category": category, "ServiceSource": service})
    assert (fields["event.category"], fields["event.type"]) == (categories, ["info"])


@pytest.mark.parametrize(
    ("severity", "number", "score"),
    [
        ("Informational", 1, 21.0),
        ("Low", 2, 21.0),
        ("high", 4, 73.0),
        ("Critical", 5, 99.0),
        ("Unspecified", 0, None),
        ("other", None, None),
    ],
)
def test_severities(severity: str, number: int | None, score: float | None) -> None:
    fields = row("AlertInfo", **{**ALERT, "Severity": severity})
    assert (fields.get("event.severity"), fields.get("event.risk_score")) == (number, score)


def evidence(**columns: Any) -> dict[str, Any]:
    return row("AlertEvidence", **{**ALERT, "Categories": '["Execution"]', **columns})


def test_process_as_evidence() -> None:
    fields = evidence(
        AccountDomain="contoso",
        AccountName="jdoe",
        AccountObjectId="oid-1",
        AccountSid="S-1-5-21-1",
        AccountUpn="jdoe@contoso.com",
        AdditionalFields=json.dumps({"$id": "1", "Type": "process", "ProcessId": "3276"}),
        DeviceId="d1",
        DeviceName="WS1.contoso.com",
        EntityType="Process",
        FileName="rundll32.exe",
        FileSize=61440,
        FolderPath="C:\\Windows\\SysWOW64",
        ProcessCommandLine="rundll32.exe a.dll,Run",
        SHA1="5" * 40,
        SHA256="6" * 64,
        ThreatFamily="Meterpreter",
    )
    assert part(fields, "process", "file") == {
        "file.directory": "C:\\Windows\\SysWOW64",
        "file.extension": "exe",
        "file.hash.sha1": "5" * 40,
        "file.hash.sha256": "6" * 64,
        "file.name": "rundll32.exe",
        "file.path": "C:\\Windows\\SysWOW64\\rundll32.exe",
        "file.size": 61440,
        "process.args": ["rundll32.exe", "a.dll,Run"],
        "process.args_count": 2,
        "process.command_line": "rundll32.exe a.dll,Run",
        "process.executable": "C:\\Windows\\SysWOW64\\rundll32.exe",
        "process.hash.sha1": "5" * 40,
        "process.hash.sha256": "6" * 64,
        "process.name": "rundll32.exe",
        "process.pid": 3276,
        "process.user.id": "S-1-5-21-1",
        "process.user.name": "jdoe",
    }
    assert part(fields, "host", "user") == {
        "host.hostname": "WS1.contoso.com",
        "host.id": "d1",
        "host.name": "ws1.contoso.com",
        "user.domain": "contoso",
        "user.email": "jdoe@contoso.com",
        "user.id": "S-1-5-21-1",
        "user.name": "jdoe",
    }
    assert part(fields, "related") == {
        "related.hash": ["5" * 40, "6" * 64],
        "related.hosts": ["ws1.contoso.com"],
        "related.user": ["jdoe@contoso.com", "S-1-5-21-1", "oid-1", "jdoe"],
    }
    assert (fields["event.kind"], fields["event.category"], fields["event.type"]) == (
        "alert",
        ["process"],
        ["info"],
    )
    assert fields["threat.software.name"] == "Meterpreter"
    assert fields["threat.tactic.id"] == ["TA0002"]


@pytest.mark.parametrize(
    ("text", "number"),
    [("3276", 3276), ("0x3b0", 944), (944, 944), ("", None), ("abc", None), ("-1", None), ("9" * 30, None)],
)
def test_process_ids_of_evidence(text: Any, number: int | None) -> None:
    fields = evidence(EntityType="Process", AdditionalFields={"ProcessId": text})
    assert fields.get("process.pid") == number


def test_file_as_evidence_is_no_process() -> None:
    fields = evidence(
        EntityType="File", Categories='["Malware"]', FileName="a.sh", FolderPath="/tmp/a.sh", SHA1="5" * 40
    )
    assert fields["file.path"] == "/tmp/a.sh"
    assert fields["file.directory"] == "/tmp"
    assert not part(fields, "process")
    assert (fields["event.category"], fields["event.type"]) == (["file", "malware"], ["info"])


@pytest.mark.parametrize(
    ("direction", "expected"),
    [
        ("Source", {"source.ip": "203.0.113.7", "destination.ip": "10.0.0.5"}),
        ("Destination", {"destination.ip": "203.0.113.7", "source.ip": "10.0.0.5"}),
        (None, {}),
    ],
)
def test_address_as_evidence(direction: str | None, expected: dict[str, str]) -> None:
    fields = evidence(
        EntityType="Ip",
        EvidenceDirection=direction,
        LocalIP="10.0.0.5",
        RemoteIP="203.0.113.7",
        RemoteUrl="a.example",
    )
    addresses = {name.replace(".ip", ".address"): value for name, value in expected.items()}
    assert part(fields, "source", "destination") == {**expected, **addresses}
    assert fields["related.ip"] == ["10.0.0.5", "203.0.113.7"]
    assert fields["related.hosts"] == ["a.example"]
    assert fields["event.category"] == ["network"]


def test_registry_as_evidence() -> None:
    fields = evidence(
        EntityType="RegistryValue",
        RegistryKey="HKEY_LOCAL_MACHINE\\SOFTWARE\\Run",
        RegistryValueData="c:\\x.exe",
        RegistryValueName="Updater",
    )
    assert part(fields, "registry") == {
        "registry.data.strings": ["c:\\x.exe"],
        "registry.hive": "HKLM",
        "registry.key": "SOFTWARE\\Run",
        "registry.path": "HKLM\\SOFTWARE\\Run\\Updater",
        "registry.value": "Updater",
    }
    assert (fields["event.category"], fields["event.type"]) == (["registry"], ["access"])


def test_email_as_evidence_has_its_id_where_the_tables_of_email_have_it() -> None:
    fields = evidence(EntityType="MailMessage", EmailSubject="Your order", NetworkMessageId="nm-1")
    assert part(fields, "email") == {"email.local_id": "nm-1", "email.subject": "Your order"}
    assert fields["event.category"] == ["email"]


def test_cloud_resource_as_evidence() -> None:
    fields = evidence(
        Application="Microsoft 365",
        ApplicationId=11161,
        CloudPlatform="Amazon Web Services",
        SubscriptionId="sub-1",
    )
    assert part(fields, "cloud", "service") == {
        "cloud.account.id": "sub-1",
        "cloud.provider": "aws",
        "service.id": "11161",
        "service.name": "Microsoft 365",
    }


def test_behavior() -> None:
    fields = row(
        "BehaviorInfo",
        AccountUpn="jdoe@contoso.com",
        ActionType="ImpossibleTravelActivity",
        AttackTechniques="",
        BehaviorId="b-1",
        Categories='["InitialAccess","Other"]',
        Description="Two places at once",
        DeviceName="WS1",
        EndTime="2026-01-09T09:57:11.0000001Z",
        ServiceSource="Microsoft Defender for Cloud Apps",
        StartTime="2026-01-09T09:57:10Z",
    )
    assert fields["event.kind"] == "event"
    assert fields["event.id"] == "b-1"
    assert fields["event.duration"] == 1_000_000_100
    assert fields["message"] == fields["rule.description"] == "Two places at once"
    assert fields["threat.tactic.name"] == ["Initial Access"]
    assert (fields["event.category"], fields["event.type"]) == (["api"], ["info"])
    assert part(fields, "user", "host") == {
        "host.hostname": "WS1",
        "host.name": "ws1",
        "user.domain": "contoso.com",
        "user.email": "jdoe@contoso.com",
        "user.name": "jdoe",
    }
    assert "event.severity" not in fields


def test_entity_of_a_behavior() -> None:
    fields = row(
        "BehaviorEntities",
        AccountName="jdoe",
        AccountObjectId="oid-1",
        ActionType="ImpossibleTravelActivity",
        BehaviorId="b-1",
        Categories=["InitialAccess"],
        CloudPlatform="Azure",
        CloudSubscriptionId="sub-1",
        EntityType="User",
        RemoteIP="203.0.113.7",
    )
    assert fields["event.kind"] == "event"
    assert fields["event.id"] == "b-1"
    assert (fields["event.category"], fields["event.type"]) == (["iam"], ["info"])
    assert part(fields, "threat") == {
        "threat.framework": "MITRE ATT&CK",
        "threat.tactic.id": ["TA0001"],
        "threat.tactic.name": ["Initial Access"],
    }
    assert fields["user.id"] == "oid-1"
    assert fields["cloud.account.id"] == "sub-1"
    assert fields["related.ip"] == ["203.0.113.7"]
    assert json.loads(fields["microsoft.defender_xdr.Categories"]) == ["InitialAccess"]


ACCOUNT: dict[str, Any] = {
    "$id": "1",
    "Name": "jane",
    "NTDomain": "CONTOSO",
    "Sid": "S-1-5-21-1",
    "AadUserId": "oid-1",
    "DisplayName": "Jane Doe",
    "Type": "account",
}


@pytest.mark.parametrize(
    ("columns", "added"),
    [
        ({"AccountSid": "S-1-5-21-1"}, True),
        ({"AccountObjectId": "OID-1"}, True),
        ({"AccountName": "Jane"}, True),
        ({"AccountSid": "S-1-5-21-2", "AccountName": "jane"}, False),
        ({"AccountUpn": "jane@contoso.example"}, False),
        ({}, True),
    ],
)
def test_an_entity_adds_only_to_its_own_account(columns: dict[str, str], added: bool) -> None:
    """All values of `user` are of one account: the first key that both have decides which it is."""
    fields = evidence(EntityType="User", AdditionalFields=json.dumps(ACCOUNT), **columns)
    assert (fields.get("user.full_name") == "Jane Doe") == added
    assert {"S-1-5-21-1", "oid-1"} <= set(fields["related.user"])


def test_references_inside_an_entity_are_resolved() -> None:
    entity = {
        "$id": "1",
        "ProcessId": "0x20",
        "ImageFile": {"$id": "2", "Name": "a.exe", "Directory": "C:\\t", "Type": "file"},
        "ParentProcess": {"$id": "3", "ProcessId": "16", "ImageFile": {"$ref": "2"}, "Type": "process"},
        "Host": {"$ref": "nowhere"},
        "Account": {"$ref": "1"},
        "Type": "process",
    }
    fields = evidence(EntityType="Process", AdditionalFields=entity)
    names = ("process.pid", "process.executable", "process.parent.pid", "process.parent.executable")
    assert [fields[name] for name in names] == [32, "C:\\t\\a.exe", 16, "C:\\t\\a.exe"]
    assert not part(fields, "host", "user")


def test_an_entity_that_refers_to_itself_ends() -> None:
    entity: dict[str, Any] = {"$id": "1", "Pod": {"$ref": "1"}, "Image": {"$ref": "1"}, "Name": "web"}
    fields = evidence(EntityType="Container", AdditionalFields={**entity, "Type": "container"})
    assert fields["container.name"] == "web"


def test_names_in_lower_case_are_the_same() -> None:
    entity = {"$id": "1", "address": "203.0.113.7", "location": {"countryCode": "DE"}, "type": "ip"}
    fields = evidence(EntityType="Ip", AdditionalFields=entity)
    assert part(fields, "source") == {
        "source.address": "203.0.113.7",
        "source.geo.country_iso_code": "DE",
        "source.ip": "203.0.113.7",
    }


@pytest.mark.parametrize(
    "text", ["no JSON", "[]", "[1]", "{}", '{"Type": 5}', '{"Type": "ip", "Location": 3}']
)
def test_odd_additional_fields(text: str) -> None:
    fields = evidence(EntityType="Ip", RemoteIP="203.0.113.7", AdditionalFields=text)
    assert fields["related.ip"] == ["203.0.113.7"]
    assert not part(fields, "source", "destination")


def test_a_machine_of_another_name_is_not_mixed_in() -> None:
    host = {"$id": "2", "HostName": "dc1", "OSFamily": "Linux", "MachineId": "d2", "Type": "host"}
    entity = {"$id": "1", "Name": "a.sh", "Host": host, "Type": "file"}
    fields = evidence(
        EntityType="File", FileName="a.sh", DeviceId="d1", DeviceName="ws1", AdditionalFields=entity
    )
    assert part(fields, "host") == {"host.hostname": "ws1", "host.id": "d1", "host.name": "ws1"}


@pytest.mark.parametrize(
    ("links", "url"), [(["https://a.example/x"], "https://a.example/x"), (["a", "b"], None)]
)
def test_only_link_of_a_mail(links: list[str], url: str | None) -> None:
    fields = evidence(EntityType="MailMessage", AdditionalFields={"Urls": links, "Type": "mailMessage"})
    assert fields.get("url.original") == url
