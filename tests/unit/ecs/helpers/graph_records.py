"""Alerts of Microsoft Graph with evidence of every type, made from Microsoft's metadata."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from itertools import count
from typing import Any

from tests.golden import cases
from tests.unit.ecs.helpers.alert_records import DATA

_METADATA: dict[str, Any] = json.loads((DATA / "graph_evidence_types.json").read_text())
EVIDENCE: dict[str, dict[str, str]] = _METADATA["evidence"]
COMPLEX: dict[str, dict[str, str]] = _METADATA["complex"]
ENUMS: dict[str, list[str]] = _METADATA["enum"]
PREFIX = "#microsoft.graph.security."
EVIDENCE_TYPES = tuple(name for name in EVIDENCE if name != "alertEvidence")
ALERT: dict[str, Any] = cases.read(cases.FOLDER / "graph_alerts" / "alert.json")["record"]

_UNSAID = {"unknown", "none", "unknownFutureValue"}
_BASE = EVIDENCE["alertEvidence"]


def alert(*evidence: Any, **changes: Any) -> dict[str, Any]:
    """An alert with this evidence."""
    return {**ALERT, "evidence": list(evidence), **changes}


def full(name: str) -> dict[str, Any]:
    """An evidence item of a type with every property of Microsoft's metadata, each with its own value."""
    numbers = count(1)
    item = {"@odata.type": PREFIX + name, **_object({**_BASE, **EVIDENCE[name]}, (name,), numbers)}
    return {**item, "roles": ["contextual"]}


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The values of a JSON object that are no objects, with their paths; lists of them count as one place."""
    if isinstance(value, dict):
        for name, child in value.items():
            yield from leaves(child, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for child in value:
            yield from leaves(child, path)
    else:
        yield path, value


def _object(properties: dict[str, str], within: tuple[str, ...], numbers: Iterator[int]) -> dict[str, Any]:
    made = {name: _value(name, kind, within, numbers) for name, kind in properties.items()}
    return {name: value for name, value in made.items() if value is not None}


def _value(name: str, kind: str, within: tuple[str, ...], numbers: Iterator[int]) -> Any:
    if kind.startswith("Collection("):
        value = _value(name, kind.removeprefix("Collection(").removesuffix(")"), within, numbers)
        return None if value is None else [value]
    kind = "azureResourceEvidence" if kind == "alertEvidence" else kind
    if kind in EVIDENCE:
        if kind in within[:-1] or within[-2:] == (kind, kind):
            return None
        inner = _object(EVIDENCE[kind], (*within, kind), numbers)
        return {"@odata.type": PREFIX + kind, **inner}
    if kind == "dictionary":
        return {f"key{next(numbers)}": f"value{next(numbers)}"}
    if kind == "fileHash":
        return {"algorithm": "sha256", "value": _digest(next(numbers), 64)}
    if kind in COMPLEX:
        return _object(COMPLEX[kind], (*within, kind), numbers)
    if kind in ENUMS:
        return next(member for member in ENUMS[kind] if member not in _UNSAID)
    return _KINDS[kind](name, next(numbers))


def _text(name: str, number: int) -> str:
    make = _TEXTS.get(name)
    return make(number) if make else f"{name} no. {number}"


def _digest(number: int, length: int) -> str:
    return hashlib.sha512(b"%d" % number).hexdigest()[:length]


def _mail(number: int) -> str:
    return f"person{number}@contoso{number}.example"


def _ip(number: int) -> str:
    return f"198.51.{number // 250}.{number % 250 + 1}"


def _host(number: int) -> str:
    return f"host{number}.example"


_KINDS: dict[str, Callable[[str, int], Any]] = {
    "Boolean": lambda name, number: True,
    "DateTimeOffset": lambda name, number: _time(number),
    "Double": lambda name, number: number + 0.5,
    "Guid": lambda name, number: str(uuid.UUID(int=number << 64)),
    "Int32": lambda name, number: 7000 + number,
    "Int64": lambda name, number: 7000 + number,
    "String": _text,
}


def _time(number: int) -> str:
    moment = datetime(2026, 3, 1, tzinfo=timezone.utc) + timedelta(seconds=number)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


_MAILS = """
email emailAddress mailboxPrimaryAddress primaryAddress recipient recipientEmailAddress recipients sender
senderFromAddress submitter suspiciousRecipients upn userPrincipalName
"""
_IPS = "allowedIpAddresses ipAddress ipInterfaces lastExternalIpAddress lastIpAddress senderIp senderIP"
_HOSTS = "activeDirectoryDomainName deviceDnsName dnsDomain domainName hostName registry"
_TEXTS: dict[str, Callable[[int], str]] = {
    **dict.fromkeys(_MAILS.split(), _mail),
    **dict.fromkeys(_IPS.split(), _ip),
    **dict.fromkeys(_HOSTS.split(), _host),
    **dict.fromkeys(("sid", "userSid"), lambda number: f"S-1-5-21-1-2-3-{1000 + number}"),
    **dict.fromkeys(
        ("baseUrl", "url", "urls", "webUrl"), lambda number: f"https://web{number}.example/p?q=1"
    ),
    "amazonAccountId": lambda number: f"1234567{number:05}",
    "amazonResourceId": lambda number: f"arn:aws:ec2:eu-central-1:1234567{number:05}:instance/i-{number}",
    "countryLetterCode": lambda number: "DE",
    "fileName": lambda number: f"file{number}.exe",
    "filePath": lambda number: f"C:\\folder{number}",
    "fullResourceName": lambda number: (
        f"//run.googleapis.com/projects/p{number}/locations/europe-west3/services/s"
    ),
    "imageId": lambda number: f"registry{number}.example/image{number}:{number}",
    "location": lambda number: f"europe-west{number}",
    "macAddress": lambda number: f"00:00:5e:00:53:{number:02x}",
    "md5": lambda number: _digest(number, 32),
    "mdeDeviceId": lambda number: _digest(number, 40),
    "osPlatform": lambda number: f"Windows {number}",
    "processCommandLine": lambda number: f"file{number}.exe /s {number}",
    "registryHive": lambda number: "HKEY_LOCAL_MACHINE",
    "registryValueType": lambda number: "String",
    "resourceId": lambda number: (
        f"/subscriptions/{uuid.UUID(int=number)}/resourceGroups/g/providers/a.b/c/d{number}"
    ),
    "sha1": lambda number: _digest(number, 40),
    "sha256": lambda number: _digest(number, 64),
    "value": lambda number: _digest(number, 32),
    "vlans": lambda number: str(number),
}
