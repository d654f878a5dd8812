"""Messages of a hub besides streaming tables: Defender for Cloud's continuous export, and Azure Monitor.

Continuous export has no `records`: one object is one message. Its alerts resemble the Log Analytics row,
assessments and scores are Azure resources.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_provider_defender.simulator.hub.scene import Scene
from airflow_provider_defender.simulator.hub.times import fixed_time

__all__ = ["EXPORTS", "UNKNOWN_TABLE", "azure_monitor_record", "unknown_properties"]

#: A table that no version of this package knows.
UNKNOWN_TABLE = "DeviceBehaviorSummaries"
_VIRTUAL_MACHINE = "Microsoft.Compute/virtualMachines"


def _machine(scene: Scene) -> tuple[str, str]:
    """Name and resource id of a virtual machine."""
    name = scene.device.name.partition(".")[0]
    group = f"/subscriptions/{scene.company.subscription}/resourceGroups/backend-srv"
    return name, f"{group}/providers/{_VIRTUAL_MACHINE}/{name}"


def _alert(scene: Scene) -> dict[str, Any]:
    name, resource = _machine(scene)
    running, started = scene.process, scene.at - 4 * 10_000_000
    return {
        "VendorName": "Microsoft",
        "AlertType": "VM_SuspectProcess",
        "ProductName": "Azure Security Center",
        "ProductComponentName": "Servers",
        "StartTimeUtc": fixed_time(started, 3),
        "EndTimeUtc": fixed_time(scene.at, 3),
        "TimeGenerated": fixed_time(scene.at + 62 * 10_000_000, 3),
        "ProcessingEndTime": fixed_time(scene.at + 61 * 10_000_000),
        "Severity": scene.draw.choice(("Informational", "Low", "Medium", "High")),
        "Status": "New",
        "ProviderAlertStatus": None,
        "ConfidenceLevel": None,
        "ConfidenceScore": None,
        "ConfidenceReasons": None,
        "IsIncident": False,
        "SystemAlertId": f"{scene.draw.getrandbits(50)}_{scene.guid()}",
        "CorrelationKey": None,
        "Intent": scene.draw.choice(("Execution", "Persistence, PrivilegeEscalation", "Unknown")),
        "AzureResourceId": resource,
        "AzureResourceSubscriptionId": scene.company.subscription,
        "WorkspaceId": scene.guid(),
        "WorkspaceSubscriptionId": scene.company.subscription,
        "WorkspaceResourceGroup": "omsrg",
        "AgentId": scene.guid(),
        "CompromisedEntity": name,
        "AlertDisplayName": "Suspicious process detected",
        "Description": f"Suspicious process named '{running.program.name.upper()}' was running.",
        "RemediationSteps": ["Contact your security information team"],
        "ExtendedProperties": {
            "Process Path": running.program.path,
            "Account": f"{scene.person.domain}\\{scene.person.account}",
            "PID": running.pid,
            "ActionTaken": "Detected",
        },
        "Entities": _alert_entities(scene, name),
        "ResourceIdentifiers": [
            {"$id": "2", "AzureResourceId": resource, "Type": "AzureResource"},
            {"$id": "3", "AadTenantId": scene.company.tenant_id, "Type": "AAD"},
        ],
        "AlertUri": "https://portal.azure.example/#blade/alert",
        "ExtendedLinks": None,
        "SubTechniques": None,
        "Techniques": scene.draw.choice((None, ["T1059"])),
    }


def _alert_entities(scene: Scene, host: str) -> list[dict[str, Any]]:
    """Host, account, file, process and address, which name each other by `$ref`."""
    running = scene.process
    return [
        {
            "$id": "4",
            "HostName": host,
            "OSFamily": "Linux" if scene.device.linux else "Windows",
            "Type": "host",
        },
        {
            "$id": "5",
            "Name": scene.person.account,
            "NTDomain": scene.person.domain,
            "Host": {"$ref": "4"},
            "Sid": scene.person.sid,
            "Type": "account",
        },
        {
            "$id": "6",
            "Directory": running.program.folder,
            "Name": running.program.name,
            "Host": {"$ref": "4"},
            "FileHashes": [
                {"$id": "7", "Algorithm": "SHA1", "Value": running.program.hashes["sha1"], "Type": "filehash"}
            ],
            "Type": "file",
        },
        {
            "$id": "8",
            "ProcessId": hex(running.pid),
            "CommandLine": running.command,
            "ImageFile": {"$ref": "6"},
            "Account": {"$ref": "5"},
            "Host": {"$ref": "4"},
            "Type": "process",
        },
        {"$id": "9", "Address": scene.remote.address, "Type": "ip"},
    ]


def _enrichments(own: str, action: str, version: str, is_snapshot: bool) -> dict[str, Any]:
    """The export's details about a recommendation or finding: twice, under its own name and another."""
    said = {"action": action, "apiVersion": version, "isSnapshot": is_snapshot}
    return {own: said, "securityEventDataEnrichment": {**said, "interval": "00:00:00"}}


def _resource_details(name: str, resource: str) -> dict[str, str]:
    provider, resource_type = _VIRTUAL_MACHINE.split("/")
    return {
        "source": "Azure",
        "id": resource,
        "resourceName": name,
        "resourceType": resource_type,
        "resourceProvider": provider,
        "nativeResourceId": resource,
    }


def _assessment(scene: Scene) -> dict[str, Any]:
    machine, resource = _machine(scene)
    name = scene.guid()
    action = scene.draw.choice(("Insert", "Delete"))
    changed = scene.at - scene.draw.randrange(10**6) * 10_000_000
    return {
        **_enrichments("assessmentEventDataEnrichment", action, "2019-01-01", scene.chance(0.2)),
        "id": f"{resource}/providers/Microsoft.Security/assessments/{name}",
        "name": name,
        "type": "Microsoft.Security/assessments",
        "kind": None,
        "location": None,
        "tags": None,
        "tenantId": scene.company.tenant_id,
        "properties": {
            "resourceDetails": _resource_details(machine, resource),
            "displayName": "Machines should have vulnerability findings resolved",
            "status": {
                "code": scene.draw.choice(("Healthy", "Unhealthy", "NotApplicable")),
                "cause": "N/A",
                "description": "",
                "statusChangeDate": fixed_time(changed),
                "firstEvaluationDate": fixed_time(changed),
            },
            "additionalData": {},
            "metadata": {"severity": scene.draw.choice(("Low", "Medium", "High")), "categories": ["Compute"]},
            "links": {"azurePortal": "portal.azure.example/#blade/assessment"},
        },
    }


def _sub_assessment(scene: Scene) -> dict[str, Any]:
    machine, resource = _machine(scene)
    name = scene.guid()
    parent = f"{resource}/providers/Microsoft.Security/assessments/{scene.guid()}"
    return {
        **_enrichments("subAssessmentEventDataEnrichment", "Insert", "2019-01-01-preview", False),
        "id": f"{parent}/subAssessments/{name}",
        "name": name,
        "type": "Microsoft.Security/assessments/subAssessments",
        "tenantId": scene.company.tenant_id,
        "properties": {
            "id": str(scene.draw.randrange(90_000, 400_000)),
            "displayName": "OpenSSL security update",
            "status": {"code": "Unhealthy", "cause": None, "severity": scene.draw.choice(("Medium", "High"))},
            "timeGenerated": fixed_time(scene.at),
            "resourceDetails": _resource_details(machine, resource),
            "additionalData": {
                "$type": "ServerVulnerabilityAssessment",
                "cve": [{"title": "CVE-2026-0001", "link": "https://cve.example/CVE-2026-0001"}],
                "cvss": {"3.0": {"base": 7.5}},
                "patchable": True,
            },
        },
    }


def _score(scene: Scene) -> dict[str, Any]:
    current = scene.draw.randrange(20, 58)
    name = f"ascScore-{scene.hexadecimal(8)}"
    return {
        "securityEventDataEnrichment": {"action": "Update", "apiVersion": "2020-01-01", "isSnapshot": True},
        "id": f"/subscriptions/{scene.company.subscription}/providers/Microsoft.Security/secureScores/{name}",
        "name": name,
        "type": "Microsoft.Security/secureScores",
        "tenantId": scene.company.tenant_id,
        "properties": {
            "displayName": "ASC score",
            "score": {"max": 58, "current": current, "percentage": round(current / 58, 4)},
            "weight": 199,
        },
    }


#: Dataset's name → an object of it, which is a message by itself.
EXPORTS: dict[str, Callable[[Scene], dict[str, Any]]] = {
    "DefenderForCloudAlerts": _alert,
    "DefenderForCloudAssessments": _assessment,
    "DefenderForCloudSubAssessments": _sub_assessment,
    "DefenderForCloudScores": _score,
}


def azure_monitor_record(scene: Scene) -> dict[str, Any]:
    """A diagnostic record, as other Azure services send it to the same hub."""
    return {
        "time": fixed_time(scene.at),
        "resourceId": f"/tenants/{scene.company.tenant_id}/providers/Microsoft.aadiam",
        "operationName": "Sign-in activity",
        "operationVersion": "1.0",
        "category": scene.draw.choice(("SignInLogs", "AuditLogs")),
        "tenantId": scene.company.tenant_id,
        "resultType": "0",
        "durationMs": 0,
        "callerIpAddress": scene.remote.address,
        "correlationId": scene.guid(),
        "Level": 4,
        "properties": {"id": scene.guid(), "userPrincipalName": scene.person.principal, "riskState": "none"},
    }


def unknown_properties(scene: Scene) -> dict[str, Any]:
    """A row of the unknown table."""
    return {
        "Timestamp": fixed_time(scene.at),
        "DeviceId": scene.device.machine_id,
        "DeviceName": scene.device.name,
        "SummaryScore": round(scene.draw.random(), 6),
        "Findings": [{"Name": "Rare parent", "Weight.Value": scene.draw.randrange(10)}],
        "IsFinal": scene.chance(0.5),
        "ReportId": scene.number,
    }
