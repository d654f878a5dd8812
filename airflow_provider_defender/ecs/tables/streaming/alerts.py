"""Alerts of all products with their evidence, and behaviors with their entities, as the stream has them."""

from __future__ import annotations

from ...columns import collect, difference_in_nanoseconds, first_known
from ...mapping import Computed, Mapping, Shape
from ..endpoint_alerts import severity_numbers
from . import _alerts as own
from ._functions import (
    THREAT_FIELDS,
    actions,
    cloud_provider,
    lowered_list,
    name_of_address,
    threat_fields,
)
from ._table import ACTION, ARGUMENTS, ONLY_HOST_NAME, table

__all__ = ["ALERT_TABLES"]

_PROVIDER = "defender_xdr"

_SEVERITY = Computed(
    ("event.severity", "event.risk_score"),
    ("Severity",),
    severity_numbers,
    "Unspecified 0, Informational 1, Low 2, Medium 3, High 4, Critical 5; the risk score is 21, 21, 47, 73, "
    "99, and null for Unspecified.",
)
_THREAT_NOTE = (
    "Categories that are tactics of MITRE, by name; techniques and sub-techniques from AttackTechniques, "
    '`["Rundll32 (T1218.011)"]`. Names stand at the places of their ids; ids whose names are not known '
    "come last."
)
_SOURCE = {"event.provider": "ServiceSource", "observer.name": "DetectionSource"}

_ENTITY = {
    "email.local_id": "NetworkMessageId",
    "email.subject": "EmailSubject",
    "file.hash.sha1": "SHA1",
    "file.hash.sha256": "SHA256",
    "file.name": "FileName",
    "file.size": "FileSize",
    "host.hostname": "DeviceName",
    "host.id": "DeviceId",
    "process.command_line": "ProcessCommandLine",
    "registry.value": "RegistryValueName",
    "service.id": "ApplicationId",
    "service.name": "Application",
    "threat.software.name": "ThreatFamily",
    "user.domain": "AccountDomain",
    "user.email": "AccountUpn",
    "user.name": "AccountName",
}


def _entity_computed(direction: str | None) -> tuple[Computed, ...]:
    """What is computed of evidence and of entities; `direction` is the column that says which end it is."""
    ends = Computed(
        own.ENDS_FIELDS,
        ("DeviceName", "RemoteUrl", "LocalIP", "RemoteIP", *((direction,) if direction else ())),
        own.ends,
        "The URL's parts, null where it is none; related.ip has valid addresses only, related.hosts the "
        "machine (lower case) and the URL's host. The remote address is source or destination, as "
        "EvidenceDirection says.",
    )
    return (
        ONLY_HOST_NAME,
        ends,
        Computed(
            (
                "file.path",
                "file.directory",
                "file.extension",
                "process.name",
                "process.executable",
                "process.hash.sha1",
                "process.hash.sha256",
            ),
            ("EntityType", "FolderPath", "FileName", "SHA1", "SHA256"),
            own.image_fields,
            "FolderPath is the directory, or (on Linux) already the whole path. process.* only for "
            "processes, whose file is the process's image.",
        ),
        ARGUMENTS,
        Computed(
            ("process.pid",), ("AdditionalFields.ProcessId",), own.pid, "Decimal, or 0x… in hexadecimal."
        ),
        Computed(
            ("registry.hive", "registry.key", "registry.path"),
            ("RegistryKey", "RegistryValueName"),
            own.registry_key,
            "The hive abbreviated (HKLM), the key without its hive.",
        ),
        Computed(("registry.data.strings",), ("RegistryValueData",), collect, "The value's data."),
        Computed(
            ("user.id",),
            ("AccountSid", "AccountObjectId"),
            first_known,
            "The security identifier, else Entra's id.",
        ),
        Computed(("related.hash",), ("SHA1", "SHA256"), collect, "The file's hashes."),
        Computed(
            ("related.user",),
            ("AccountName", "AccountUpn", "AccountSid", "AccountObjectId"),
            collect,
            "Name and ids of the account.",
        ),
    )


_PROCESS_ID = {"AdditionalFields": Shape({"ProcessId": "dynamic"})}

ALERT_INFO = table(
    "AlertInfo",
    _PROVIDER,
    constants={"event.kind": "alert"},
    copies={**_SOURCE, "event.id": "AlertId", "message": "Title", "rule.name": "Title"},
    computed=(
        Computed(("event.action",), ("Category",), actions, "The category, in lower case."),
        Computed(
            ("event.category", "event.type"),
            ("Category", "ServiceSource"),
            own.alert_categories,
            "malware by the alert's category, and host, email, iam or the like by the product; type info.",
        ),
        _SEVERITY,
        Computed(THREAT_FIELDS, ("Category", "AttackTechniques"), threat_fields, _THREAT_NOTE),
    ),
)

ALERT_EVIDENCE = table(
    "AlertEvidence",
    _PROVIDER,
    constants={"event.kind": "alert"},
    copies={
        **_SOURCE,
        **_ENTITY,
        "cloud.account.id": "SubscriptionId",
        "event.id": "AlertId",
        "message": "Title",
        "rule.name": "Title",
    },
    inside=_PROCESS_ID,
    computed=(
        Computed(
            ("event.category", "event.type"),
            ("EntityType", "Categories", "ServiceSource"),
            own.evidence_categories,
            "By the entity: file, process, registry, network, host, iam, email; malware by the alert's "
            "categories. Type info (access for registry: ECS has no info there).",
        ),
        _SEVERITY,
        Computed(THREAT_FIELDS, ("Categories", "AttackTechniques"), threat_fields, _THREAT_NOTE),
        Computed(
            ("cloud.provider",), ("CloudPlatform",), cloud_provider, "aws, azure or gcp, by the platform."
        ),
        *_entity_computed("EvidenceDirection"),
    ),
)

BEHAVIOR_INFO = table(
    "BehaviorInfo",
    _PROVIDER,
    constants={},
    copies={
        **_SOURCE,
        "event.end": "EndTime",
        "event.id": "BehaviorId",
        "event.start": "StartTime",
        "host.hostname": "DeviceName",
        "host.id": "DeviceId",
        "rule.description": "Description",
        "rule.name": "Title",
        "user.email": "AccountUpn",
        "user.id": "AccountObjectId",
    },
    computed=(
        ACTION,
        Computed(
            ("event.category", "event.type"),
            ("Categories", "ServiceSource"),
            own.alert_categories,
            "malware by the behavior's categories, and host, email, iam or so by the product; type info.",
        ),
        Computed(
            ("event.duration",),
            ("StartTime#ticks", "EndTime#ticks"),
            difference_in_nanoseconds,
            "End minus start in ns.",
        ),
        _SEVERITY,
        Computed(("message",), ("Title", "Description"), first_known, "The title, else the description."),
        Computed(THREAT_FIELDS, ("Categories", "AttackTechniques"), threat_fields, _THREAT_NOTE),
        ONLY_HOST_NAME,
        Computed(("related.hosts",), ("DeviceName",), lowered_list, "The machine, in lower case."),
        Computed(("user.name",), ("AccountUpn",), name_of_address, "What stands before the `@`."),
        Computed(
            ("related.user",), ("AccountUpn", "AccountObjectId"), collect, "Name and id of the account."
        ),
    ),
)

BEHAVIOR_ENTITIES = table(
    "BehaviorEntities",
    _PROVIDER,
    constants={},
    copies={**_SOURCE, **_ENTITY, "cloud.account.id": "CloudSubscriptionId", "event.id": "BehaviorId"},
    inside=_PROCESS_ID,
    computed=(
        ACTION,
        Computed(
            ("event.category", "event.type"),
            ("EntityType", "Categories", "ServiceSource"),
            own.evidence_categories,
            "By the entity: file, process, registry, network, host, iam, email; malware by the behavior's "
            "categories. Type info (access for registry: ECS has no info there).",
        ),
        Computed(
            own.TACTIC_FIELDS, ("Categories",), own.tactics, "Categories that are tactics of MITRE, by name."
        ),
        Computed(
            ("cloud.provider",), ("CloudPlatform",), cloud_provider, "aws, azure or gcp, by the platform."
        ),
        *_entity_computed(None),
    ),
)

ALERT_TABLES: tuple[Mapping, ...] = (ALERT_EVIDENCE, ALERT_INFO, BEHAVIOR_ENTITIES, BEHAVIOR_INFO)
"""The mappings of the tables that all products share."""
