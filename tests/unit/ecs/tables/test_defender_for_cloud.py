"""What the mappings of Defender for Cloud's continuous export make of messages."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_defender.ecs.tables._cloud_entities import ENTITY_FIELDS, entity_columns
from tests.unit.ecs.helpers.event_rows import TENANT, cloud_row, part

MACHINE = "/subscriptions/SUB-1/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/WebSrv1"

ENTITIES: list[dict[str, Any]] = [
    {"$id": "4", "HostName": "WebSrv1", "DnsDomain": "contoso.local", "OSFamily": "Windows", "Type": "host"},
    {
        "$id": "5",
        "ProcessId": "0x3b0",
        "CommandLine": "svchost.exe -k",
        "Host": {"$ref": "4"},
        "ImageFile": {"$ref": "6"},
        "ParentProcess": {"$id": "9", "ProcessId": "7", "ImageFile": {"$ref": "10"}, "Type": "process"},
        "Account": {"$ref": "7"},
        "Type": "process",
    },
    {
        "$id": "6",
        "Directory": "c:\\temp",
        "Name": "SVCHOST.EXE",
        "FileHashes": [
            {"$ref": "8"},
            {"$id": "11", "Algorithm": "MD5", "Value": "1" * 32, "Type": "filehash"},
        ],
        "Type": "file",
    },
    {
        "$id": "7",
        "Name": "administrator",
        "NTDomain": "Contoso",
        "UPNSuffix": "contoso.com",
        "Sid": "S-1-5-21-1",
        "AadUserId": "oid-1",
        "Host": {"$ref": "4"},
        "Type": "account",
    },
    {"$id": "8", "Algorithm": "SHA256", "Value": "6" * 64, "Type": "filehash"},
    {"$id": "10", "Name": "cmd.exe", "Type": "file"},
    {
        "$id": "12",
        "Address": "203.0.113.7",
        "Location": {"CountryCode": "DE", "City": "Bonn"},
        "Type": "ip",
    },
    {"$id": "13", "Url": "https://Evil.example/a?b", "Type": "url"},
    {"$id": "14", "DomainName": "c2.example", "Type": "dns"},
]

ALERT: dict[str, Any] = {
    "VendorName": "Microsoft",
    "AlertType": "VM_SuspectSvchost",
    "ProductName": "Azure Security Center",
    "ProductComponentName": "Servers",
    "StartTimeUtc": "2026-01-09T09:38:00.000Z",
    "EndTimeUtc": "2026-01-09T09:40:01.7330001Z",
    "TimeGenerated": "2026-01-09T09:41:03.000Z",
    "ProcessingEndTime": "2026-01-09T09:41:02.5673533Z",
    "Severity": "High",
    "Status": "New",
    "ConfidenceScore": None,
    "IsIncident": False,
    "SystemAlertId": "2342409243234234_F2BFED55",
    "Intent": "Execution, DefenseEvasion, Probing",
    "AzureResourceId": MACHINE,
    "AzureResourceSubscriptionId": "SUB-1",
    "CompromisedEntity": "WebSrv1",
    "AlertDisplayName": "Suspicious process detected",
    "Description": "Suspicious process named 'SVCHOST.EXE'",
    "RemediationSteps": ["contact your security team"],
    "ExtendedProperties": {"Process Path": "c:\\temp\\svchost.exe", "PID": 944},
    "Entities": ENTITIES,
    "ResourceIdentifiers": [
        {"$id": "2", "AzureResourceId": MACHINE, "Type": "AzureResource"},
        {"$id": "3", "AadTenantId": TENANT, "Type": "AAD"},
    ],
    "AlertUri": "https://portal.azure.com/#blade/x",
    "Techniques": ["T1055"],
    "SubTechniques": ["T1055.012"],
}


def test_alert() -> None:
    fields = cloud_row("Alerts", ALERT)
    assert fields["@timestamp"] == "2026-01-09T09:41:03Z"
    event = {
        name: value
        for name, value in part(fields, "event").items()
        if name not in ("event.original", "event.hash")
    }
    assert event == {
        "event.action": "vm_suspectsvchost",
        "event.category": ["host", "process", "file", "iam", "network"],
        "event.dataset": "microsoft_defender_for_cloud.alerts",
        "event.duration": 121_733_000_100,
        "event.end": "2026-01-09T09:40:01.733000Z",
        "event.id": "2342409243234234_F2BFED55",
        "event.kind": "alert",
        "event.module": "microsoft_defender_for_cloud",
        "event.provider": "defender_cloud",
        "event.risk_score": 73.0,
        "event.severity": 4,
        "event.start": "2026-01-09T09:38:00Z",
        "event.timezone": "UTC",
        "event.type": ["info"],
        "event.url": "https://portal.azure.com/#blade/x",
    }
    assert part(fields, "cloud", "organization", "observer", "rule") == {
        "cloud.account.id": "SUB-1",
        "cloud.instance.name": "WebSrv1",
        "cloud.provider": "azure",
        "observer.name": "Servers",
        "observer.product": "Defender for Cloud",
        "observer.vendor": "Microsoft",
        "organization.id": TENANT,
        "rule.description": "Suspicious process named 'SVCHOST.EXE'",
        "rule.id": "VM_SuspectSvchost",
        "rule.name": "Suspicious process detected",
    }
    assert part(fields, "threat") == {
        "threat.framework": "MITRE ATT&CK",
        "threat.tactic.id": ["TA0002", "TA0005"],
        "threat.tactic.name": ["Execution", "Defense Evasion"],
        "threat.technique.id": ["T1055"],
        "threat.technique.subtechnique.id": ["T1055.012"],
    }


def test_entities_with_their_references_resolved() -> None:
    fields = cloud_row("Alerts", ALERT)
    assert part(fields, "host", "user", "process", "file") == {
        "file.directory": "c:\\temp",
        "file.extension": "exe",
        "file.hash.md5": "1" * 32,
        "file.hash.sha256": "6" * 64,
        "file.name": "SVCHOST.EXE",
        "file.path": "c:\\temp\\SVCHOST.EXE",
        "host.domain": "contoso.local",
        "host.hostname": "WebSrv1",
        "host.name": "websrv1",
        "host.os.name": "Windows",
        "host.os.type": "windows",
        "process.args": ["svchost.exe", "-k"],
        "process.args_count": 2,
        "process.command_line": "svchost.exe -k",
        "process.executable": "c:\\temp\\SVCHOST.EXE",
        "process.hash.md5": "1" * 32,
        "process.hash.sha256": "6" * 64,
        "process.name": "SVCHOST.EXE",
        "process.parent.name": "cmd.exe",
        "process.parent.pid": 7,
        "process.pid": 944,
        "process.user.id": "S-1-5-21-1",
        "process.user.name": "administrator",
        "user.domain": "Contoso",
        "user.email": "administrator@contoso.com",
        "user.id": "S-1-5-21-1",
        "user.name": "administrator",
    }
    assert part(fields, "source", "url", "dns") == {
        "dns.question.name": "c2.example",
        "source.address": "203.0.113.7",
        "source.geo.city_name": "Bonn",
        "source.geo.country_iso_code": "DE",
        "source.ip": "203.0.113.7",
        "url.domain": "evil.example",
        "url.full": "https://Evil.example/a?b",
        "url.original": "https://Evil.example/a?b",
        "url.path": "/a",
        "url.query": "b",
        "url.scheme": "https",
    }
    assert part(fields, "related") == {
        "related.hash": ["1" * 32, "6" * 64],
        "related.hosts": ["websrv1", "websrv1.contoso.local", "evil.example", "c2.example"],
        "related.ip": ["203.0.113.7"],
        "related.user": ["administrator@contoso.com", "S-1-5-21-1", "oid-1", "administrator"],
    }


def test_alert_keeps_everything() -> None:
    fields = cloud_row("Alerts", {**ALERT, "NewProperty": {"a": 1}})
    container = part(fields, "microsoft.defender_for_cloud")
    assert json.loads(container["microsoft.defender_for_cloud.Entities"]) == ENTITIES, (
        "references as they came"
    )
    assert (
        json.loads(container["microsoft.defender_for_cloud.ExtendedProperties"])
        == ALERT["ExtendedProperties"]
    )
    assert json.loads(container["microsoft.defender_for_cloud.unmapped"]) == {"NewProperty": {"a": 1}}


def test_older_name_of_the_severity() -> None:
    alert = {name: value for name, value in ALERT.items() if name != "Severity"}
    fields = cloud_row("Alerts", {**alert, "ReportedSeverity": "Low"})
    assert fields["event.severity"] == 2
    assert "microsoft.defender_for_cloud.unmapped" not in fields


@pytest.mark.parametrize(
    ("alert_type", "entities", "categories"),
    [
        ("AzureSQL_BruteForce", [], ["intrusion_detection"]),
        ("Storage_MalwareFound", [], ["malware"]),
        ("Storage_MalwareFound", [{"Type": "file"}], ["file", "malware"]),
        ("x", "no JSON", ["intrusion_detection"]),
        ("x", None, ["intrusion_detection"]),
        ("x", [{"Type": "network-connection"}, {"Type": "dns"}], ["network"]),
    ],
)
def test_categories(alert_type: str, entities: Any, categories: list[str]) -> None:
    fields = cloud_row("Alerts", {**ALERT, "AlertType": alert_type, "Entities": entities})
    assert fields["event.category"] == categories


@pytest.mark.parametrize("refers", [True, False])
def test_a_parent_that_comes_first_is_not_the_process(refers: bool) -> None:
    image = {"$id": "3", "Name": "explorer.exe", "Type": "file"}
    parent = {"$id": "4", "ProcessId": "0x10", "ImageFile": {"$ref": "3"}, "Type": "process"}
    child = {
        "ProcessId": "0x20",
        "ImageFile": {"$id": "5", "Name": "evil.exe", "Type": "file"},
        "ParentProcess": {"$ref": "4"} if refers else parent,
        "Type": "process",
    }
    fields = cloud_row("Alerts", {**ALERT, "Entities": [image, parent, child] if refers else [image, child]})
    names = ("process.pid", "process.name", "process.parent.pid", "process.parent.name", "file.name")
    assert [fields[name] for name in names] == [32, "evil.exe", 16, "explorer.exe", "evil.exe"]


ARC = "/subscriptions/S/resourceGroups/r/providers/Microsoft.HybridCompute/machines/websrv1"
DATABASE = "/subscriptions/S/resourceGroups/r/providers/Microsoft.Sql/servers/WebSrv1"


@pytest.mark.parametrize(
    ("compromised", "changes", "name"),
    [
        ("WebSrv1", {}, "WebSrv1"),
        ("WEBSRV1.contoso.local", {}, "WEBSRV1.contoso.local"),
        ("WebSrv1", {"ResourceIdentifiers": None}, "WebSrv1"),
        ("WebSrv1", {"AzureResourceId": None}, "WebSrv1"),
        ("WebSrv1", {"AzureResourceId": ARC, "ResourceIdentifiers": "x"}, "WebSrv1"),
        ("WebSrv1", {"AzureResourceId": DATABASE, "ResourceIdentifiers": [{"AzureResourceId": 5}]}, None),
        ("WebSrv1", {"AzureResourceId": f"{MACHINE}/extensions/WebSrv1", "ResourceIdentifiers": []}, None),
        ("administrator@contoso.com", {}, None),
        (None, {}, None),
    ],
)
def test_a_compromised_machine_is_the_host(
    compromised: str | None, changes: dict[str, Any], name: str | None
) -> None:
    alert = {**ALERT, "CompromisedEntity": compromised, "Entities": [], **changes}
    fields = cloud_row("Alerts", alert)
    assert fields.get("host.hostname") == name
    assert fields.get("host.name") == (name and name.lower())
    assert fields.get("related.hosts") == (name and [name.lower()])


def test_an_entity_knows_the_host_better_than_the_compromised_entity() -> None:
    for entity, name in (({"HostName": "Other"}, "Other"), ({"OSFamily": "Linux"}, None)):
        fields = cloud_row("Alerts", {**ALERT, "Entities": [{**entity, "Type": "host"}]})
        assert fields.get("host.hostname") == name


VICTIM: dict[str, Any] = {"$id": "20", "Address": "10.0.0.4", "Type": "ip"}
ATTACKER: dict[str, Any] = {
    "$id": "21",
    "Address": "203.0.113.7",
    "Location": {"CountryCode": "DE"},
    "Type": "ip",
}


def network_fields(*entities: dict[str, Any]) -> dict[str, Any]:
    fields = cloud_row("Alerts", {**ALERT, "Entities": [*entities]})
    return part(fields, "source", "destination", "network", "dns")


@pytest.mark.parametrize("refers", [True, False])
def test_a_connection_says_which_address_is_which(refers: bool) -> None:
    addresses = [VICTIM, ATTACKER] if refers else []
    connection: dict[str, Any] = {
        "$id": "22",
        "DestinationAddress": {"$ref": "20"} if refers else VICTIM,
        "DestinationPort": 22,
        "SourceAddress": {"$ref": "21"} if refers else ATTACKER,
        "SourcePort": "4444",
        "Protocol": "Tcp",
        "Type": "network-connection",
    }
    assert network_fields(*addresses, connection) == {
        "destination.address": "10.0.0.4",
        "destination.ip": "10.0.0.4",
        "destination.port": 22,
        "network.transport": "tcp",
        "network.type": "ipv4",
        "source.address": "203.0.113.7",
        "source.geo.country_iso_code": "DE",
        "source.ip": "203.0.113.7",
        "source.port": 4444,
    }


@pytest.mark.parametrize(
    "entity",
    [
        {"Type": "network-connection", "DestinationAddress": {"$ref": "20"}},
        {"Type": "network-connection", "DestinationAddress": {"Address": "10.0.0.4", "Type": "ip"}},
        {"Type": "dns", "DnsServerIp": {"$ref": "20"}},
        {"Type": "dns", "IpAddresses": [{"$ref": "20"}]},
        {"Type": "host", "IpInterfaces": [{"$ref": "20"}]},
    ],
)
def test_an_address_in_another_role_is_no_source(entity: dict[str, Any]) -> None:
    assert network_fields(VICTIM, entity, ATTACKER)["source.ip"] == "203.0.113.7"
    assert "source.ip" not in network_fields(VICTIM, entity)


@pytest.mark.parametrize("key", ["IpAddresses", "IpAddress"])
def test_what_a_name_resolved_to(key: str) -> None:
    dns = {
        "DomainName": "evil.example",
        key: [{"Address": "198.51.100.9", "Type": "ip"}, {"$ref": "21"}, {"Address": "x", "Type": "ip"}],
        "DnsServerIp": VICTIM,
        "Type": "dns",
    }
    assert network_fields(dns, ATTACKER) == {
        "destination.address": "10.0.0.4",
        "destination.ip": "10.0.0.4",
        "dns.question.name": "evil.example",
        "dns.resolved_ip": ["198.51.100.9", "203.0.113.7"],
    }


@pytest.mark.parametrize("port", [-1, 65_536, "x", "²", 1.5, True, None, {}, "9" * 5000])
def test_odd_connections(port: Any) -> None:
    connection = {
        "Type": "network-connection",
        "SourceAddress": "203.0.113.7",
        "SourcePort": port,
        "DestinationAddress": {"Address": "nowhere"},
        "DestinationPort": port,
        "Protocol": "Unspecified",
    }
    assert network_fields(connection) == {}


def test_references_in_a_circle_or_to_nothing_end() -> None:
    import pyarrow as pa

    entities = [
        {
            "$id": "1",
            "Type": "process",
            "ParentProcess": {"$ref": "1"},
            "ProcessId": 5,
            "ImageFile": {"$ref": "2"},
        },
        {"$id": "2", "$ref": "2", "Type": "file"},
        {"Type": "process", "Host": {"$ref": "99"}, "Account": {"$ref": ["x"]}},
        {"Type": {"Type": "host"}, "FileHashes": [{"$ref": "2"}, 5, None, "x"]},
    ]
    nothing = pa.nulls(2, pa.string())
    results = entity_columns(pa.array([None, "x"]), pa.array([json.dumps(entities), "[[[["]), nothing)
    found = dict(zip(ENTITY_FIELDS, (column.to_pylist() for column in results), strict=True))
    assert found["process.pid"] == [5, None]
    assert found["process.parent.pid"] == [5, None]
    assert found["process.name"] == [None, None]


RESOURCE = {
    "id": f"{MACHINE}/providers/Microsoft.Security/assessments/151e82c5",
    "name": "151e82c5",
    "tenantId": TENANT,
}


@pytest.mark.parametrize(
    ("code", "outcome"), [("Healthy", "success"), ("Unhealthy", "failure"), ("NotApplicable", "unknown")]
)
def test_recommendation(code: str, outcome: str) -> None:
    fields = cloud_row(
        "Assessments",
        {
            "assessmentEventDataEnrichment": {
                "action": "Insert",
                "apiVersion": "2019-01-01",
                "isSnapshot": False,
            },
            **RESOURCE,
            "type": "Microsoft.Security/assessments",
            "properties": {
                "resourceDetails": {"source": "Azure", "id": MACHINE, "machineName": "x"},
                "displayName": "Enable MFA",
                "status": {
                    "code": code,
                    "cause": "N/A",
                    "description": "Because",
                    "firstEvaluationDate": "2020-01-01T00:00:00Z",
                },
                "additionalData": {"a": "b"},
                "metadata": {"severity": "High", "categories": ["IdentityAndAccess"], "description": "Do it"},
            },
        },
    )
    assert fields["@timestamp"] == "2026-01-09T10:00:21Z", (
        "the broker's time: the state is that of the export"
    )
    assert fields["landing.time_origin"] == "broker"
    assert (fields["event.kind"], fields["event.category"], fields["event.type"]) == (
        "state",
        ["configuration"],
        ["info"],
    )
    assert (fields["event.outcome"], fields["event.reason"]) == (outcome, "Because")
    assert (fields["event.action"], fields["event.severity"]) == ("insert", 4)
    assert fields["event.id"] == RESOURCE["id"]
    assert part(fields, "cloud", "organization", "rule") == {
        "cloud.account.id": "SUB-1",
        "cloud.instance.name": "WebSrv1",
        "cloud.provider": "azure",
        "organization.id": TENANT,
        "rule.description": "Do it",
        "rule.id": "151e82c5",
        "rule.name": "Enable MFA",
    }
    container = part(fields, "microsoft.defender_for_cloud")
    assert container["microsoft.defender_for_cloud.assessmentEventDataEnrichment.isSnapshot"] is False
    assert json.loads(container["microsoft.defender_for_cloud.properties.metadata.categories"]) == [
        "IdentityAndAccess"
    ]
    assert json.loads(container["microsoft.defender_for_cloud.unmapped"]) == {
        "properties": {"resourceDetails": {"machineName": "x"}}
    }


POSTURE = {
    "Assessments": ("assessmentEventDataEnrichment", "Microsoft.Security/assessments"),
    "SubAssessments": ("subAssessmentEventDataEnrichment", "Microsoft.Security/assessments/subAssessments"),
}


@pytest.mark.parametrize("table", POSTURE)
def test_everything_that_a_recommendation_or_finding_carries_has_a_column(table: str) -> None:
    own, resource_type = POSTURE[table]
    said = {"action": "Insert", "apiVersion": "2019-01-01", "isSnapshot": True}
    record = {
        own: said,
        "securityEventDataEnrichment": {**said, "interval": "00:00:00"},
        **RESOURCE,
        "type": resource_type,
        "kind": "x",
        "location": "westeurope",
        "tags": {"a": "b"},
        "properties": {
            "timeGenerated": "2026-01-08T01:02:03Z",
            "resourceDetails": {
                "source": "Azure",
                "id": MACHINE,
                "resourceName": "WebSrv1",
                "resourceType": "virtualMachines",
                "resourceProvider": "Microsoft.Compute",
                "nativeResourceId": MACHINE,
            },
            "status": {
                "code": "Unhealthy",
                "statusChangeDate": "2025-12-31T00:00:00Z",
                "firstEvaluationDate": "2025-12-30T00:00:00Z",
            },
            **({"risk": {"level": "High", "isContextualRisk": True}} if table == "Assessments" else {}),
        },
    }
    fields = cloud_row(table, record)
    start = "microsoft.defender_for_cloud."
    assert f"{start}unmapped" not in fields
    assert fields[f"{start}{own}.isSnapshot"] is True
    assert fields[f"{start}securityEventDataEnrichment.isSnapshot"] is True
    assert fields[f"{start}properties.status.statusChangeDate"] == "2025-12-31T00:00:00Z"
    assert fields[f"{start}properties.resourceDetails.resourceName"] == "WebSrv1"
    assert fields.get(f"{start}properties.risk.level") == ("High" if table == "Assessments" else None)
    assert (fields["@timestamp"], fields["landing.time_origin"]) == ("2026-01-08T01:02:03Z", "record")


@pytest.mark.parametrize("table", POSTURE)
def test_what_either_enrichment_says(table: str) -> None:
    own, resource_type = POSTURE[table]
    record = {**RESOURCE, "type": resource_type, "properties": {}}
    either: dict[str, Any] = {
        "insert": {own: {"action": "Insert"}, "securityEventDataEnrichment": {"action": "Write"}},
        "delete": {"securityEventDataEnrichment": {"action": "Delete"}},
        "write": {own: {"isSnapshot": True}, "securityEventDataEnrichment": {"action": "Write"}},
    }
    for action, enrichments in either.items():
        assert cloud_row(table, {**record, **enrichments})["event.action"] == action


def test_a_status_of_long_ago_is_exported_now() -> None:
    status = {"code": "Unhealthy", "statusChangeDate": "2025-12-31T00:00:00Z"}
    fields = cloud_row(
        "Assessments",
        {
            **RESOURCE,
            "type": "Microsoft.Security/assessments",
            "assessmentEventDataEnrichment": {"action": "Insert", "isSnapshot": True},
            "properties": {"status": status},
        },
    )
    assert (fields["@timestamp"], fields["landing.time_origin"]) == ("2026-01-09T10:00:21Z", "broker")


def test_finding() -> None:
    fields = cloud_row(
        "SubAssessments",
        {
            **RESOURCE,
            "type": "Microsoft.Security/assessments/subAssessments",
            "properties": {
                "id": "376161",
                "displayName": "OpenSSL",
                "status": {
                    "code": "Unhealthy",
                    "cause": "",
                    "severity": "Medium",
                    "description": "Old version",
                },
                "description": "A flaw",
                "category": "Debian",
                "timeGenerated": "2026-01-08T01:02:03.0000001Z",
                "resourceDetails": {"source": "Azure", "id": MACHINE},
                "additionalData": {
                    "$type": "x",
                    "assessedResourceType": "ContainerRegistryVulnerability",
                    "cve": [
                        {"title": "CVE-2026-1", "link": "https://cve.example/1"},
                        {"title": "CVE-2026-2"},
                    ],
                    "cvss": {"2.0": {"base": 5}, "3.0": {"base": 7.5}},
                    "imageDigest": "sha256:77",
                    "repositoryName": "shop",
                },
            },
        },
    )
    assert fields["@timestamp"] == "2026-01-08T01:02:03Z"
    assert part(fields, "vulnerability", "container") == {
        "container.image.hash.all": ["sha256:77"],
        "container.image.name": "shop",
        "vulnerability.category": ["Debian"],
        "vulnerability.description": "A flaw",
        "vulnerability.enumeration": "CVE",
        "vulnerability.id": "CVE-2026-1",
        "vulnerability.reference": "https://cve.example/1",
        "vulnerability.score.base": 7.5,
        "vulnerability.score.version": "3.0",
        "vulnerability.severity": "Medium",
    }
    assert (fields["event.category"], fields["event.type"], fields["event.severity"]) == (
        ["vulnerability"],
        ["info"],
        3,
    )


@pytest.mark.parametrize(
    "data", [None, "x", "[]", {"cve": "x", "cvss": {"3.0": {"base": "9"}}}, {"CVSS": {"3": 1}}]
)
def test_finding_without_cve_has_its_own_id(data: Any) -> None:
    properties = {"id": "376161", "additionalData": data}
    fields = cloud_row(
        "SubAssessments",
        {**RESOURCE, "type": "Microsoft.Security/assessments/subAssessments", "properties": properties},
    )
    assert part(fields, "vulnerability") == {"vulnerability.id": "376161"}


@pytest.mark.parametrize(
    ("resource_type", "properties", "name", "outcome"),
    [
        (
            "Microsoft.Security/secureScores",
            {
                "displayName": "ASC score",
                "score": {"max": 58, "current": 29.5, "percentage": 0.51},
                "weight": 199,
            },
            "ASC score",
            "unknown",
        ),
        (
            "Microsoft.Security/secureScores/secureScoreControls",
            {"displayName": "Enable MFA", "score": {"max": 10, "current": 0}, "unhealthyResourceCount": 3},
            "Enable MFA",
            "unknown",
        ),
        (
            "Microsoft.Security/regulatoryComplianceStandards/regulatoryComplianceControls",
            {"description": "Access control", "state": "Failed", "failedAssessments": 2},
            "Access control",
            "failure",
        ),
        ("Microsoft.Security/regulatoryComplianceStandards", {"state": "Passed"}, "151e82c5", "success"),
    ],
)
def test_scores(resource_type: str, properties: dict[str, Any], name: str, outcome: str) -> None:
    enrichment = {"action": "Update", "apiVersion": "2020-01-01", "isSnapshot": True, "interval": "P7D"}
    fields = cloud_row(
        "Scores",
        {
            **RESOURCE,
            "type": resource_type,
            "properties": properties,
            "securityEventDataEnrichment": enrichment,
        },
    )
    assert (fields["message"], fields["event.outcome"], fields["event.kind"]) == (name, outcome, "state")
    assert fields["cloud.account.id"] == "SUB-1"
    container = part(fields, "microsoft.defender_for_cloud")
    assert "microsoft.defender_for_cloud.unmapped" not in container
    for key, value in properties.items():
        if not isinstance(value, dict):
            assert container[f"microsoft.defender_for_cloud.properties.{key}"] == value
