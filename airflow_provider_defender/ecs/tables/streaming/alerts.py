"""Alerts of all products with their evidence, and behaviors with their entities, as the stream has them."""

from __future__ import annotations

from ...columns import difference_in_nanoseconds, first_known
from ...mapping import Computed, Mapping
from ..endpoint_alerts import severity_numbers
from . import _alerts as own
from ._email import account_of_address, domains, users
from ._evidence import COLUMNS, evidence, notes, sources
from ._evidence import FIELDS as EVIDENCE_FIELDS
from .functions import (
    THREAT_FIELDS,
    actions,
    threat_fields,
)
from .table import ACTION, ONLY_HOST_NAME, table

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


def _evidence(*more: str) -> Computed:
    """The fields of evidence and of entities, from the columns that both tables have and `more`."""
    names = (*COLUMNS, *more)
    note = "From the columns, and from the entity in AdditionalFields."
    return Computed(EVIDENCE_FIELDS, names, evidence(names), note, sources(names))


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
    copies={**_SOURCE, "event.id": "AlertId", "message": "Title", "rule.name": "Title"},
    computed=(
        Computed(
            ("event.category", "event.type"),
            ("EntityType", "Categories", "ServiceSource"),
            own.evidence_categories,
            "By the entity: file, process, registry, network, host, iam, email, session, authentication, "
            "configuration; malware by the alert's "
            "categories. Type info (access for registry: ECS has no info there).",
        ),
        _SEVERITY,
        Computed(THREAT_FIELDS, ("Categories", "AttackTechniques"), threat_fields, _THREAT_NOTE),
        _evidence("EvidenceDirection", "CloudResource", "ResourceID", "ResourceType", "SubscriptionId"),
    ),
    notes=notes(),
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
        Computed(("related.hosts",), ("DeviceName",), domains, "The machine, in lower case."),
        Computed(
            ("user.name", "user.domain", "user.email"),
            ("AccountUpn",),
            account_of_address,
            "The user principal name, and what stands before and behind its `@`.",
        ),
        Computed(("related.user",), ("AccountUpn", "AccountObjectId"), users, "Name and id of the account."),
    ),
)

BEHAVIOR_ENTITIES = table(
    "BehaviorEntities",
    _PROVIDER,
    constants={},
    copies={**_SOURCE, "event.id": "BehaviorId"},
    computed=(
        ACTION,
        Computed(
            ("event.category", "event.type"),
            ("EntityType", "Categories", "ServiceSource"),
            own.evidence_categories,
            "By the entity: file, process, registry, network, host, iam, email, session, authentication, "
            "configuration; malware by the behavior's "
            "categories. Type info (access for registry: ECS has no info there).",
        ),
        Computed(
            own.TACTIC_FIELDS, ("Categories",), own.tactics, "Categories that are tactics of MITRE, by name."
        ),
        _evidence("CloudResourceId", "CloudResourceType", "CloudSubscriptionId", "DetailedEntityRole"),
    ),
    notes=notes(),
)

ALERT_TABLES: tuple[Mapping, ...] = (ALERT_EVIDENCE, ALERT_INFO, BEHAVIOR_ENTITIES, BEHAVIOR_INFO)
"""The mappings of the tables that all products share."""
