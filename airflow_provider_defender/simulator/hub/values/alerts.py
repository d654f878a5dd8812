"""Columns about alerts, their evidence and behaviours."""

from __future__ import annotations

from typing import Any

from airflow_provider_defender.simulator.hub.scene import Scene
from airflow_provider_defender.simulator.hub.values.identities import resource
from airflow_provider_defender.simulator.hub.values.makers import Maker, always, one_of

__all__ = ["ALERT", "evidence_table"]

_SECOND = 10_000_000
_SOURCES = {
    "WindowsDefenderAtp": "EDR",
    "WindowsDefenderAv": "Antivirus",
    "WindowsDefenderSmartScreen": "SmartScreen",
    "CustomerTI": "Custom TI",
    "CustomDetection": "Custom detection",
    "OfficeATP": "Microsoft Defender for Office 365",
    "AutomatedInvestigation": "Automated investigation",
    "MTP": "Microsoft Defender XDR",
}
_ENTITIES = {"Registry": "RegistryValue", "Ip": "Ip", "Url": "Url"}
_ENTITY_TYPES = {
    "File": "file",
    "Process": "process",
    "User": "account",
    "Ip": "ip",
    "Url": "url",
    "Machine": "host",
}


#: MITRE ATT&CK's names of the techniques that the catalogue of alerts has.
_TECHNIQUES = {
    "T1003.001": "LSASS Memory",
    "T1016": "System Network Configuration Discovery",
    "T1018": "Remote System Discovery",
    "T1021.002": "SMB/Windows Admin Shares",
    "T1059.001": "PowerShell",
    "T1059.004": "Unix Shell",
    "T1064": "Scripting",
    "T1068": "Exploitation for Privilege Escalation",
    "T1071": "Application Layer Protocol",
    "T1071.001": "Web Protocols",
    "T1085": "Rundll32",
    "T1087.002": "Domain Account",
    "T1095": "Non-Application Layer Protocol",
    "T1105": "Ingress Tool Transfer",
    "T1112": "Modify Registry",
    "T1113": "Screen Capture",
    "T1203": "Exploitation for Client Execution",
    "T1204.002": "Malicious File",
    "T1220": "XSL Script Processing",
    "T1482": "Domain Trust Discovery",
    "T1486": "Data Encrypted for Impact",
    "T1490": "Inhibit System Recovery",
    "T1547.001": "Registry Run Keys / Startup Folder",
    "T1562.001": "Disable or Modify Tools",
    "T1564.001": "Hidden Files and Directories",
    "T1566.001": "Spearphishing Attachment",
    "T1567.002": "Exfiltration to Cloud Storage",
    "T1569.002": "Service Execution",
    "T1571": "Non-Standard Port",
}


def _techniques(s: Scene) -> Any:
    """As the wire has them: the text of a list, names with ids, or no text."""
    return [f"{_TECHNIQUES[number]} ({number})" for number in s.alert["mitreTechniques"]] or ""


def _of_evidence(name: str) -> Maker:
    return lambda s: s.evidence.get(name)


def _evidence_fields(s: Scene) -> Any:
    """What AlertEvidence says besides: the entity in the spelling of the security graph, with references."""
    entity = s.evidence["entityType"]
    fields: dict[str, Any] = {
        "$id": "1",
        "Type": _ENTITY_TYPES.get(entity, entity.lower()),
        "Role": 0,
        "MergeByKey": s.hexadecimal(16),
    }
    if entity == "Process":
        fields |= {
            "ProcessId": str(s.evidence.get("processId")),
            "Host": {"$ref": "2"},
            "CreationTimeUtc": s.evidence.get("processCreationTime"),
        }
    return fields


ALERT: dict[str, Maker] = {
    "AlertId": lambda s: s.alert["id"],
    "Title": lambda s: s.alert["title"],
    "Category": lambda s: s.alert["category"],
    "Categories": lambda s: [s.alert["category"]],
    "Severity": lambda s: s.alert["severity"],
    "ServiceSource": always("Microsoft Defender for Endpoint"),
    "DetectionSource": lambda s: _SOURCES.get(s.alert["detectionSource"], s.alert["detectionSource"]),
    "AttackTechniques": _techniques,
    "ThreatFamily": lambda s: s.alert["threatFamilyName"],
    "BehaviorId": lambda s: f"bh{s.guid()}",
    "Description": lambda s: s.alert["description"],
    "DataSources": lambda s: ["Microsoft Defender for Cloud Apps"],
    "StartTime": lambda s: s.at - 600 * _SECOND,
    "EndTime": lambda s: s.at,
    "EntityType": one_of("User", "Ip", "CloudApplication"),
    "EntityRole": one_of("Impacted", "Related"),
    "DetailedEntityRole": one_of("Attacker", "Target"),
    "EvidenceRole": one_of("Impacted", "Related"),
    "EvidenceDirection": one_of("Source", "Destination"),
    "CloudPlatform": one_of("Azure", "Amazon Web Services"),
    "CloudPlatforms": always('["Azure"]'),
    "CloudResource": always("web1"),
    "CloudResourceId": lambda s: resource(s, "Microsoft.Compute/virtualMachines/web1"),
    "CloudResourceType": always("Virtual machine"),
    "CloudSubscriptionId": lambda s: s.company.subscription,
    "ResourceID": lambda s: resource(s, "Microsoft.Compute/virtualMachines/web1"),
    "ResourceType": always("Virtual machine"),
    "OAuthApplicationId": lambda s: s.guid(),
}


def evidence_table() -> dict[str, Maker]:
    """AlertEvidence: one row an item of the alert, so that most columns are null."""
    absent = (
        "LocalIP",
        "EvidenceDirection",
        "NetworkMessageId",
        "EmailSubject",
        "ApplicationId",
        "Application",
        "OAuthApplicationId",
        "CloudResource",
        "ResourceType",
        "ResourceID",
    )
    return dict.fromkeys(absent, always(None)) | {
        "EntityType": lambda s: _ENTITIES.get(s.evidence["entityType"], s.evidence["entityType"]),
        "SHA1": _of_evidence("sha1"),
        "SHA256": _of_evidence("sha256"),
        "FileName": _of_evidence("fileName"),
        "FolderPath": _of_evidence("filePath"),
        "FileSize": lambda s: s.draw.randrange(10_000, 900_000) if s.evidence.get("fileName") else None,
        "ProcessCommandLine": _of_evidence("processCommandLine"),
        "RemoteIP": _of_evidence("ipAddress"),
        "RemoteUrl": _of_evidence("url"),
        "RegistryKey": _of_evidence("registryKey"),
        "RegistryValueName": _of_evidence("registryValueName"),
        "RegistryValueData": _of_evidence("registryValue"),
        "AccountName": _of_evidence("accountName"),
        "AccountDomain": _of_evidence("domainName"),
        "AccountSid": _of_evidence("userSid"),
        "AccountObjectId": _of_evidence("aadUserId"),
        "AccountUpn": _of_evidence("userPrincipalName"),
        "DeviceId": lambda s: s.alert["machineId"],
        "DeviceName": lambda s: s.alert["computerDnsName"],
        "MachineGroup": lambda s: s.alert["rbacGroupName"],
        "AdditionalFields": _evidence_fields,
    }
