"""Realistic Defender for Endpoint alerts for the benchmarks: about 3.7 kB each with three evidence items.

Names repeat as in a real tenant: a few hundred detections on a few thousand machines.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

EVIDENCE_KEYS = (
    "entityType",
    "evidenceCreationTime",
    "sha1",
    "sha256",
    "fileName",
    "filePath",
    "processId",
    "processCommandLine",
    "processCreationTime",
    "parentProcessId",
    "parentProcessCreationTime",
    "parentProcessFileName",
    "parentProcessFilePath",
    "ipAddress",
    "url",
    "registryKey",
    "registryHive",
    "registryValueType",
    "registryValue",
    "registryValueName",
    "accountName",
    "domainName",
    "userSid",
    "aadUserId",
    "userPrincipalName",
    "detectionStatus",
)
CATEGORIES = (
    "Execution",
    "SuspiciousActivity",
    "Malware",
    "Ransomware",
    "DefenseEvasion",
    "Persistence",
    "CommandAndControl",
    "LateralMovement",
    "CredentialAccess",
    "Discovery",
)
PROGRAMS = ("rundll32.exe", "powershell.exe", "cmd.exe", "mshta.exe", "wscript.exe", "bash", "python3")
TEXT = (
    "a process was observed loading an unsigned module from a folder that users can write to which attackers "
    "use to run code inside trusted programs and to hide from monitoring while they collect credentials"
)


REGISTRY_VALUE = {
    "registryHive": "HKEY_LOCAL_MACHINE",
    "registryKey": "SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Run",
    "registryValueName": "Updater",
    "registryValueType": "String",
    "registryValue": "C:\\temp\\updater.exe",
}


class AlertGenerator:
    """Deterministic alerts from a seed."""

    def __init__(self, seed: int = 7, evidence: int = 3, odd: float = 0.0) -> None:
        self._random = random.Random(seed)
        self._evidence = evidence
        self._odd = odd
        self._start = datetime(2026, 11, 1, tzinfo=timezone.utc)
        self._machines = [self._hex(40) for _ in range(3000)]
        self._files = [(self._hex(40), self._hex(64)) for _ in range(2000)]
        self._detections = [self._detection() for _ in range(300)]
        self._users = [self._guid() for _ in range(2000)]
        self._commands = [self._hex(self._random.randrange(20, 160)) for _ in range(3000)]

    def records(self, count: int) -> Iterator[bytes]:
        """`count` alerts as the API sends them: compact JSON, one bytes object each."""
        for number in range(count):
            alert = self._alert(number)
            if self._random.random() < self._odd:
                self._make_odd(alert)
            yield json.dumps(alert, separators=(",", ":"), ensure_ascii=False).encode()

    def _hex(self, digits: int) -> str:
        return f"{self._random.getrandbits(digits * 4):0{digits}x}"

    def _guid(self) -> str:
        text = self._hex(32)
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def _time(self, number: int, seconds: float = 0.0) -> str:
        moment = self._start + timedelta(seconds=number * 0.4 + seconds)
        return f"{moment:%Y-%m-%dT%H:%M:%S}.{self._random.randrange(10**7):07d}".rstrip("0") + "Z"

    def _detection(self) -> dict[str, Any]:
        words = self._random.choices(TEXT.split(), k=self._random.randrange(45, 80))
        return {
            "title": " ".join(words[:6]).capitalize(),
            "description": " ".join(words).capitalize() + ".",
            "detectorId": self._guid(),
            "category": self._random.choice(CATEGORIES),
            "mitreTechniques": self._random.sample(
                ["T1064", "T1085", "T1220", "T1059.001", "T1564.001", "T1003"], self._random.randrange(4)
            ),
        }

    def _alert(self, number: int) -> dict[str, Any]:
        r = self._random
        detection = r.choice(self._detections)
        machine = r.randrange(len(self._machines))
        user = f"user{r.randrange(2000)}"
        resolved = r.random() < 0.4
        return {
            "id": f"da{r.randrange(10**17, 10**18)}_{r.randrange(-(2**31), 2**31)}",
            "incidentId": 100000 + number // 3,
            "investigationId": r.choice([None, 500000 + number // 5]),
            "assignedTo": r.choice([None, "secop123@contoso.com"]),
            "severity": r.choice(["Informational", "Low", "Medium", "High"]),
            "status": "Resolved" if resolved else r.choice(["New", "InProgress"]),
            "classification": "TruePositive" if resolved else None,
            "determination": "Malware" if resolved else None,
            "investigationState": r.choice(
                ["Queued", "Running", "SuccessfullyRemediated", "UnsupportedAlertType"]
            ),
            "detectionSource": r.choice(["WindowsDefenderAtp", "WindowsDefenderAv", "CustomDetection"]),
            "detectorId": detection["detectorId"],
            "category": detection["category"],
            "threatFamilyName": r.choice([None, None, "Meterpreter"]),
            "title": detection["title"],
            "description": detection["description"],
            "alertCreationTime": self._time(number),
            "firstEventTime": self._time(number, -90),
            "lastEventTime": self._time(number, -60),
            "lastUpdateTime": self._time(number, 200)[:22].rstrip(".Z") + "Z",
            "resolvedTime": self._time(number, 190) if resolved else None,
            "machineId": self._machines[machine],
            "computerDnsName": f"WS{machine:05d}.corp.contoso.com",
            "rbacGroupName": f"Group {machine % 12}",
            "aadTenantId": "a839b112-1253-6432-9bf6-94542403f21c",
            "threatName": None,
            "mitreTechniques": detection["mitreTechniques"],
            "relatedUser": {"userName": user, "domainName": "CONTOSO"} if r.random() < 0.7 else None,
            "loggedOnUsers": [{"accountName": user, "domainName": "CONTOSO"}],
            "comments": [
                {
                    "comment": "Checked with the owner of the machine.",
                    "createdBy": "secop123@contoso.com",
                    "createdTime": self._time(number, 150),
                }
            ]
            if resolved
            else [],
            "domains": [],
            "evidence": [self._item(number, position, user) for position in range(self._evidence)],
        }

    def _item(self, number: int, position: int, user: str) -> dict[str, Any]:
        r = self._random
        kind = ("User", "Process", "File", "Process", "Ip", "Url", "Registry")[
            position if position < 2 else r.randrange(2, 7)
        ]
        item: dict[str, Any] = dict.fromkeys(EVIDENCE_KEYS)
        item["entityType"] = kind
        item["evidenceCreationTime"] = self._time(number, 1)
        if kind in ("Process", "File"):
            item.update(self._file())
        if kind == "Process":
            item.update(self._process(number, item["fileName"]))
        if kind in ("User", "Process"):
            item.update(self._account(user))
        if kind == "Ip":
            item["ipAddress"] = f"203.0.113.{r.randrange(256)}"
        if kind == "Url":
            item["url"] = f"https://site{r.randrange(500)}.example.com/path/{self._hex(8)}?id={number}"
        if kind == "Registry":
            item.update(REGISTRY_VALUE)
        return item

    def _file(self) -> dict[str, Any]:
        r = self._random
        sha1, sha256 = r.choice(self._files)
        name = r.choice(PROGRAMS)
        return {
            "sha1": sha1,
            "sha256": sha256,
            "fileName": name,
            "filePath": "C:\\Windows\\System32" if name.endswith("exe") else "/usr/bin",
            "detectionStatus": r.choice(["Detected", "Prevented"]),
        }

    def _process(self, number: int, file_name: str) -> dict[str, Any]:
        r = self._random
        return {
            "processId": r.randrange(4, 60000),
            "processCommandLine": f'"{file_name}" -enc {r.choice(self._commands)}',
            "processCreationTime": self._time(number, -95),
            "parentProcessId": r.randrange(4, 60000),
            "parentProcessCreationTime": self._time(number, -900),
            "parentProcessFileName": "explorer.exe",
            "parentProcessFilePath": "C:\\Windows",
        }

    def _account(self, user: str) -> dict[str, Any]:
        return {
            "accountName": user,
            "domainName": "CONTOSO",
            "userSid": f"S-1-5-21-1111111111-222222222-333333333-{int(user[4:]) + 1000}",
            "aadUserId": self._users[int(user[4:])],
            "userPrincipalName": f"{user}@contoso.com",
        }

    def _make_odd(self, alert: dict[str, Any]) -> None:
        """One oddity of the kinds seen on the wire: a number as text, a new field, a wrong type, a case."""
        kind = self._random.randrange(5)
        if kind == 0:
            alert["incidentId"] = str(alert["incidentId"])
        elif kind == 1:
            alert["newField"] = {"a": 1}
        elif kind == 2:
            alert["rbacGroupName"] = ["unexpected"]
        elif kind == 3:
            alert["MachineId"] = alert.pop("machineId")
        elif alert["evidence"]:
            alert["evidence"][0]["processId"] = "4711"
