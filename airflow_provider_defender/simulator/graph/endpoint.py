"""An alert of Defender for Endpoint as Microsoft Graph shows it.

The pairs of properties are those of Microsoft's "Migrate from the MDE SIEM API to the Microsoft Defender XDR
alerts API" and of the two alerts' pages. An endpoint alert has the same id, times and versions in both APIs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_defender.simulator.defender.catalogue import Device, Population
from airflow_provider_defender.simulator.graph.evidence.base import Evidence, evidence
from airflow_provider_defender.simulator.graph.evidence.devices import device_of
from airflow_provider_defender.simulator.graph.versions import Record

__all__ = ["graph_alert"]

_DETECTION_SOURCES = {
    "WindowsDefenderAtp": "microsoftDefenderForEndpoint",
    "WindowsDefenderAv": "antivirus",
    "WindowsDefenderSmartScreen": "smartScreen",
    "CustomerTI": "customTi",
    "OfficeATP": "microsoftDefenderForOffice365",
    "AutomatedInvestigation": "automatedInvestigation",
    "ThreatExperts": "microsoftThreatExperts",
    "CustomDetection": "customDetection",
    "AzureATP": "microsoftDefenderForIdentity",
    "CloudAppSecurity": "cloudAppSecurity",
    "MTP": "microsoft365Defender",
}
_DETERMINATIONS = {
    "CompromisedUser": "compromisedAccount",
    "Clean": "notMalicious",
    "InsufficientData": "notEnoughDataToValidate",
    "ConfirmedUserActivity": "confirmedActivity",
}
_SEVERITIES = {"UnSpecified": "unknown"}
_REMEDIATION = {"Detected": "active", "Blocked": "blocked", "Prevented": "prevented"}
_MALWARE = "Malware and unwanted software can harm the device. Check the file's origin, and scan the device."
_ADVICE = (
    "1. Check the process tree.\n2. Isolate the device if other activity looks suspicious.\n"
    "3. Reset the user’s password."
)


def _camel(value: Any, names: Mapping[str, str]) -> str:
    """A member of an enumeration in Graph's spelling; null is `unknown`."""
    if not isinstance(value, str) or not value:
        return "unknown"
    return names.get(value, value[0].lower() + value[1:])


def graph_alert(alert: Mapping[str, Any], population: Population, tenant_id: str) -> Record:
    """The Graph alert of an endpoint alert, as the alerts API has it with its evidence."""
    alert_id, incident = alert["id"], alert.get("incidentId")
    portal = "https://security.microsoft.com"
    items = [item for item in alert.get("evidence") or () if isinstance(item, dict)]
    return {
        "id": alert_id,
        "providerAlertId": alert_id,
        "incidentId": None if incident is None else str(incident),
        "status": _camel(alert.get("status"), {}),
        "severity": _camel(alert.get("severity"), _SEVERITIES),
        "classification": _camel(alert.get("classification"), {}),
        "determination": _camel(alert.get("determination"), _DETERMINATIONS),
        "serviceSource": "microsoftDefenderForEndpoint",
        "detectionSource": _DETECTION_SOURCES.get(alert.get("detectionSource") or "", "unknown"),
        "productName": "Microsoft Defender for Endpoint",
        "detectorId": alert.get("detectorId"),
        "tenantId": alert.get("aadTenantId") or tenant_id,
        "title": alert.get("title"),
        "description": alert.get("description"),
        "recommendedActions": _MALWARE if alert.get("threatName") else _ADVICE,
        "category": alert.get("category"),
        "categories": [alert["category"]] if alert.get("category") else [],
        "assignedTo": alert.get("assignedTo"),
        "alertWebUrl": f"{portal}/alerts/{alert_id}?tid={tenant_id}",
        "incidentWebUrl": None if incident is None else f"{portal}/incidents/{incident}?tid={tenant_id}",
        "actorDisplayName": None,
        "threatDisplayName": alert.get("threatName"),
        "threatFamilyName": alert.get("threatFamilyName"),
        "mitreTechniques": alert.get("mitreTechniques") or [],
        "createdDateTime": alert.get("alertCreationTime"),
        "lastUpdateDateTime": alert.get("lastUpdateTime"),
        "resolvedDateTime": alert.get("resolvedTime"),
        "firstActivityDateTime": alert.get("firstEventTime"),
        "lastActivityDateTime": alert.get("lastEventTime"),
        "investigationState": _camel(alert.get("investigationState"), {}),
        "systemTags": [],
        "alertPolicyId": None,
        "additionalData": None,
        "customDetails": {},
        "comments": [_comment(comment) for comment in alert.get("comments") or ()],
        "evidence": _evidence(alert, items, population),
    }


def _comment(comment: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "comment": comment.get("comment"),
        "createdByDisplayName": comment.get("createdBy"),
        "createdDateTime": comment.get("createdTime"),
    }


def _evidence(alert: Mapping[str, Any], items: list[Evidence], population: Population) -> list[Evidence]:
    """The alert's device, then its evidence item by item."""
    machine = alert.get("machineId")
    device = population.device(machine)
    found = []
    if device is not None:
        created = items[0]["evidenceCreationTime"] if items else alert.get("alertCreationTime")
        found.append(_device(alert, device, created))
    for item in items:
        make = _MAKERS.get(item.get("entityType") or "")
        if make is not None:
            found.append(make(item, machine, alert))
    return found


def _device(alert: Mapping[str, Any], device: Device, created: Any) -> Evidence:
    return evidence(
        "deviceEvidence",
        created,
        detailed=["PrimaryDevice"],
        **{**device_of(device), "rbacGroupName": alert.get("rbacGroupName")},
    )


def _common(item: Evidence) -> dict[str, Any]:
    """What Graph says of the state of an item, from what the alerts API says of its detection."""
    status = item.get("detectionStatus")
    return {
        "verdict": "malicious" if status in ("Blocked", "Prevented") else "suspicious",
        "remediation": _REMEDIATION.get(status or "", "none"),
    }


def _user(item: Evidence, machine: Any, alert: Mapping[str, Any]) -> Evidence:
    return evidence(
        "userEvidence",
        item["evidenceCreationTime"],
        verdict="suspicious",
        roles=("compromised",) if alert.get("category") == "CredentialAccess" else (),
        userAccount=_account(item),
        stream=None,
    )


def _account(item: Evidence) -> dict[str, Any] | None:
    if not item.get("accountName"):
        return None
    return {
        "accountName": item["accountName"],
        "domainName": item.get("domainName"),
        "userSid": item.get("userSid"),
        "azureAdUserId": item.get("aadUserId"),
        "userPrincipalName": item.get("userPrincipalName"),
        "displayName": None,
        "activeDirectoryObjectGuid": None,
        "tenantId": None,
        "resourceAccessEvents": [],
    }


def _details(item: Evidence) -> dict[str, Any]:
    digest = hashlib.md5(str(item.get("sha256") or item.get("fileName")).encode(), usedforsecurity=False)
    return {
        "sha1": item.get("sha1"),
        "sha256": item.get("sha256"),
        "md5": digest.hexdigest(),
        "sha256Ac": None,
        "fileName": item.get("fileName"),
        "filePath": item.get("filePath"),
        "fileSize": 4_096 + int(digest.hexdigest()[:5], 16),
        "filePublisher": None,
        "signer": None,
        "issuer": None,
    }


def _file(item: Evidence, machine: Any, alert: Mapping[str, Any]) -> Evidence:
    return evidence(
        "fileEvidence",
        item["evidenceCreationTime"],
        **_common(item),
        detectionStatus=_camel(item.get("detectionStatus"), {}),
        mdeDeviceId=machine,
        fileDetails=_details(item),
    )


def _process(item: Evidence, machine: Any, alert: Mapping[str, Any]) -> Evidence:
    return evidence(
        "processEvidence",
        item["evidenceCreationTime"],
        **_common(item),
        processId=item.get("processId"),
        parentProcessId=item.get("parentProcessId"),
        processCommandLine=item.get("processCommandLine"),
        processCreationDateTime=item.get("processCreationTime"),
        parentProcessCreationDateTime=item.get("parentProcessCreationTime"),
        detectionStatus=_camel(item.get("detectionStatus"), {}),
        mdeDeviceId=machine,
        imageFile=_details(item),
        parentProcessImageFile=_parent(item),
        userAccount=_account(item),
    )


def _parent(item: Evidence) -> dict[str, Any]:
    nothing: dict[str, Any] = dict.fromkeys(_details(item))
    return {
        **nothing,
        "fileName": item.get("parentProcessFileName"),
        "filePath": item.get("parentProcessFilePath"),
    }


def _ip(item: Evidence, machine: Any, alert: Mapping[str, Any]) -> Evidence:
    control = alert.get("category") == "CommandAndControl"
    return evidence(
        "ipEvidence",
        item["evidenceCreationTime"],
        verdict="suspicious",
        roles=("commandAndControl",)
        if control
        else ("source",)
        if alert.get("category") == "LateralMovement"
        else (),
        ipAddress=item.get("ipAddress"),
        countryLetterCode=None,
        location=None,
        stream=None,
    )


def _url(item: Evidence, machine: Any, alert: Mapping[str, Any]) -> Evidence:
    return evidence("urlEvidence", item["evidenceCreationTime"], verdict="suspicious", url=item.get("url"))


def _registry(item: Evidence, machine: Any, alert: Mapping[str, Any]) -> Evidence:
    return evidence(
        "registryValueEvidence",
        item["evidenceCreationTime"],
        **_common(item),
        mdeDeviceId=machine,
        registryHive=item.get("registryHive"),
        registryKey=item.get("registryKey"),
        registryValue=item.get("registryValue"),
        registryValueName=item.get("registryValueName"),
        registryValueType=item.get("registryValueType"),
    )


_MAKERS: Mapping[str, Callable[[Evidence, Any, Mapping[str, Any]], Evidence]] = {
    "User": _user,
    "File": _file,
    "Process": _process,
    "Ip": _ip,
    "Url": _url,
    "Registry": _registry,
}
