"""The alerts of `benchmarks.generator` as Microsoft Graph sends them, with a device more in the evidence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from benchmarks.generator import AlertGenerator

_PREFIX = "#microsoft.graph.security."


class GraphAlertGenerator(AlertGenerator):
    """Deterministic alerts from a seed; `evidence` counts the device, which is the first item."""

    def __init__(self, seed: int = 7, evidence: int = 4, odd: float = 0.0) -> None:
        super().__init__(seed, evidence - 1, odd)

    def records(self, count: int) -> Iterator[bytes]:
        """`count` alerts as the API sends them: compact JSON, one bytes object each."""
        for number in range(count):
            alert = _graph_alert(self._alert(number))
            if self._random.random() < self._odd:
                self._make_odd(alert)
            yield json.dumps(alert, separators=(",", ":"), ensure_ascii=False).encode()

    def _make_odd(self, alert: dict[str, Any]) -> None:
        kind = self._random.randrange(5)
        if kind == 0:
            alert["newField"] = {"a": 1}
        elif kind == 1:
            alert["productName"] = ["unexpected"]
        elif kind == 2:
            alert["TenantId"] = alert.pop("tenantId")
        elif kind == 3:
            alert["evidence"][0]["osBuild"] = "22631"
        else:
            alert["evidence"][-1]["newField"] = "text"


def _graph_alert(alert: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": alert["id"],
        "providerAlertId": alert["id"],
        "incidentId": str(alert["incidentId"]),
        "status": alert["status"][:1].lower() + alert["status"][1:],
        "severity": alert["severity"].lower(),
        "classification": "truePositive" if alert["classification"] else "unknown",
        "determination": "malware" if alert["determination"] else "unknown",
        "serviceSource": "microsoftDefenderForEndpoint",
        "detectionSource": "microsoftDefenderForEndpoint",
        "productName": "Microsoft Defender for Endpoint",
        "detectorId": alert["detectorId"],
        "tenantId": alert["aadTenantId"],
        "title": alert["title"],
        "description": alert["description"],
        "recommendedActions": "",
        "category": alert["category"],
        "assignedTo": alert["assignedTo"],
        "alertWebUrl": f"https://security.microsoft.com/alerts/{alert['id']}?tid={alert['aadTenantId']}",
        "incidentWebUrl": f"https://security.microsoft.com/incident2/{alert['incidentId']}/overview",
        "actorDisplayName": None,
        "threatDisplayName": None,
        "threatFamilyName": alert["threatFamilyName"],
        "mitreTechniques": alert["mitreTechniques"],
        "createdDateTime": alert["alertCreationTime"],
        "lastUpdateDateTime": alert["lastUpdateTime"],
        "resolvedDateTime": alert["resolvedTime"],
        "firstActivityDateTime": alert["firstEventTime"],
        "lastActivityDateTime": alert["lastEventTime"],
        "systemTags": [],
        "alertPolicyId": None,
        "investigationState": alert["investigationState"][:1].lower() + alert["investigationState"][1:],
        "additionalData": None,
        "comments": [
            {
                "comment": each["comment"],
                "createdByDisplayName": each["createdBy"],
                "createdDateTime": each["createdTime"],
            }
            for each in alert["comments"]
        ],
        "evidence": [_device(alert), *(_item(each, alert) for each in alert["evidence"])],
    }


def _base(name: str, created: str, item: dict[str, Any]) -> dict[str, Any]:
    return {
        "@odata.type": f"{_PREFIX}{name}",
        "createdDateTime": created,
        "verdict": "suspicious",
        "remediationStatus": "none",
        "remediationStatusDetails": None,
        "roles": [],
        "detailedRoles": [],
        "tags": [],
        **item,
    }


def _device(alert: dict[str, Any]) -> dict[str, Any]:
    item = {
        "firstSeenDateTime": "2026-01-09T08:12:44.51Z",
        "mdeDeviceId": alert["machineId"],
        "azureAdDeviceId": None,
        "deviceDnsName": alert["computerDnsName"],
        "hostName": alert["computerDnsName"].partition(".")[0],
        "ntDomain": "CONTOSO",
        "dnsDomain": "corp.contoso.com",
        "osPlatform": "Windows11",
        "osBuild": 22631,
        "version": "23H2",
        "healthStatus": "active",
        "riskScore": "high",
        "rbacGroupId": 75,
        "rbacGroupName": alert["rbacGroupName"],
        "onboardingStatus": "onboarded",
        "defenderAvStatus": "updated",
        "lastIpAddress": "10.20.30.40",
        "lastExternalIpAddress": "203.0.113.7",
        "ipInterfaces": ["10.20.30.40", "fe80::1c2f:51ff:fe2a:9b01", "127.0.0.1", "::1"],
        "vmMetadata": None,
        "loggedOnUsers": alert["loggedOnUsers"],
        "resourceAccessEvents": [],
    }
    return _base("deviceEvidence", alert["alertCreationTime"], item)


def _item(item: dict[str, Any], alert: dict[str, Any]) -> dict[str, Any]:
    kind, machine = item["entityType"], {"mdeDeviceId": alert["machineId"]}
    values: dict[str, Any]
    if kind == "User":
        name, values = "userEvidence", {"userAccount": _account(item), "stream": None}
    elif kind == "Process":
        name, values = "processEvidence", {**_process(item), **machine}
    elif kind == "File":
        name = "fileEvidence"
        values = {"detectionStatus": "detected", "fileDetails": _file(item), **machine}
    elif kind == "Ip":
        place = {"countryLetterCode": "US", "location": None, "stream": None}
        name, values = "ipEvidence", {"ipAddress": item["ipAddress"], **place}
    elif kind == "Url":
        name, values = "urlEvidence", {"url": item["url"]}
    else:
        keys = [key for key in item if key.startswith("registry")]
        name, values = "registryValueEvidence", {**{key: item[key] for key in keys}, **machine}
    return _base(name, item["evidenceCreationTime"], values)


def _account(item: dict[str, Any]) -> dict[str, Any]:
    return {
        "accountName": item["accountName"],
        "domainName": item["domainName"],
        "userSid": item["userSid"],
        "azureAdUserId": item["aadUserId"],
        "userPrincipalName": item["userPrincipalName"],
        "displayName": None,
    }


def _file(item: dict[str, Any]) -> dict[str, Any]:
    return {
        "sha1": item["sha1"],
        "sha256": item["sha256"],
        "fileName": item["fileName"],
        "filePath": item["filePath"],
        "fileSize": 45056,
        "filePublisher": "Microsoft Corporation",
        "signer": None,
        "issuer": None,
    }


def _process(item: dict[str, Any]) -> dict[str, Any]:
    parent = {"fileName": item["parentProcessFileName"], "filePath": item["parentProcessFilePath"]}
    nothing = dict.fromkeys(("sha1", "sha256", "fileSize", "filePublisher", "signer", "issuer"))
    return {
        "processId": item["processId"],
        "parentProcessId": item["parentProcessId"],
        "processCommandLine": item["processCommandLine"],
        "processCreationDateTime": item["processCreationTime"],
        "parentProcessCreationDateTime": item["parentProcessCreationTime"],
        "detectionStatus": "detected",
        "imageFile": _file(item),
        "parentProcessImageFile": {**nothing, **parent},
        "userAccount": _account(item),
    }
