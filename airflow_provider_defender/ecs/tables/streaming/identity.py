"""Defender for Identity: logons, queries and changes of directories, and the identities themselves."""

from __future__ import annotations

from ...columns import collect, first_known
from ...mapping import Computed, Kind, Mapping, Shape
from . import _identity as own
from ._functions import (
    THREAT_FIELDS,
    operating_system_type,
    outcomes,
    protocol_fields,
    text_list,
    threat_fields,
)
from ._table import ACTION, ONLY_HOST_NAME, table

__all__ = ["IDENTITY_TABLES"]

_PROVIDER = "defender_identity"

_ACTOR = {
    "event.id": "ReportId",
    "host.hostname": "DeviceName",
    "service.name": "Application",
    "source.geo.name": "Location",
    "source.port": "Port",
    "destination.port": "DestinationPort",
    "user.domain": "AccountDomain",
    "user.email": "AccountUpn",
    "user.full_name": "AccountDisplayName",
    "user.name": "AccountName",
}
_ACTOR_NAMES = ("AccountName", "AccountUpn", "AccountSid", "AccountObjectId", "AccountDisplayName")

_USER_ID = Computed(
    ("user.id",), ("AccountSid", "AccountObjectId"), first_known, "The security identifier, else Entra's id."
)
_PROTOCOL = Computed(
    ("network.transport", "network.protocol"), ("Protocol",), protocol_fields, "In lower case."
)
_ENDS = Computed(
    own.ENDS_FIELDS,
    ("DeviceName", "IPAddress", "DestinationDeviceName", "DestinationIPAddress", "TargetDeviceName"),
    own.ends,
    "The source is the machine that the account used; the destination is the one that served it, or, where "
    "neither its name nor its address is known, the one that it was about.",
)
_THREAT = Computed(
    THREAT_FIELDS,
    ("AdditionalFields.Category", "AdditionalFields.AttackTechniques"),
    threat_fields,
    "From Category and AttackTechniques in AdditionalFields: `Domain Accounts (T1078.002)` is a "
    "sub-technique of T1078. Names stand at the places of their ids; ids whose names are not known come "
    "last.",
)
_THREAT_KEYS: dict[str, Kind] = {"Category": "dynamic", "AttackTechniques": "dynamic"}


def _related_users(*more: str) -> Computed:
    return Computed(
        ("related.user",), (*_ACTOR_NAMES, *more), collect, "Names and ids of the account and the target."
    )


IDENTITY_LOGON_EVENTS = table(
    "IdentityLogonEvents",
    _PROVIDER,
    constants={"event.category": ["authentication"], "event.type": ["start"]},
    copies={
        **_ACTOR,
        "event.reason": "FailureReason",
        "host.os.name": "OSPlatform",
        "host.type": "DeviceType",
        "source.as.organization.name": "Isp",
        "user.target.full_name": "TargetAccountDisplayName",
    },
    inside={"AdditionalFields": Shape({**_THREAT_KEYS, "SourceComputerOperatingSystemType": "dynamic"})},
    computed=(
        ACTION,
        Computed(
            ("event.outcome",),
            ("ActionType",),
            outcomes(frozenset({"LogonSuccess"}), frozenset({"LogonFailed"})),
            "LogonSuccess success, LogonFailed failure; all else, as LogonAttempted: unknown.",
        ),
        Computed(
            ("host.os.type",),
            ("AdditionalFields.SourceComputerOperatingSystemType", "OSPlatform"),
            operating_system_type,
            "windows, linux, macos, ios, android, where one of the names says so.",
        ),
        ONLY_HOST_NAME,
        _USER_ID,
        _PROTOCOL,
        _ENDS,
        _THREAT,
        _related_users("TargetAccountDisplayName"),
    ),
)

IDENTITY_QUERY_EVENTS = table(
    "IdentityQueryEvents",
    _PROVIDER,
    constants={"event.category": ["network"]},
    copies={
        **_ACTOR,
        "user.target.email": "TargetAccountUpn",
        "user.target.full_name": "TargetAccountDisplayName",
    },
    inside={"AdditionalFields": Shape(_THREAT_KEYS)},
    computed=(
        ACTION,
        Computed(
            ("event.type", "dns.question.name"),
            ("ActionType", "Protocol", "QueryTarget"),
            own.query_fields,
            "protocol for DNS queries, whose target is the question; access for others.",
        ),
        ONLY_HOST_NAME,
        _USER_ID,
        _PROTOCOL,
        _ENDS,
        _THREAT,
        _related_users("TargetAccountUpn", "TargetAccountDisplayName"),
    ),
)

IDENTITY_DIRECTORY_EVENTS = table(
    "IdentityDirectoryEvents",
    _PROVIDER,
    constants={},
    copies={
        **_ACTOR,
        "source.as.organization.name": "ISP",
        "user.target.email": "TargetAccountUpn",
        "user.target.full_name": "TargetAccountDisplayName",
    },
    inside={"AdditionalFields": Shape(_THREAT_KEYS)},
    computed=(
        Computed(
            ("event.action", "event.category", "event.type"),
            ("ActionType",),
            own.directory_action,
            "iam with user or group, and creation, deletion or change by the action's words; process, file, "
            "configuration for what is no change of an identity.",
        ),
        ONLY_HOST_NAME,
        _USER_ID,
        _PROTOCOL,
        _ENDS,
        _THREAT,
        _related_users("TargetAccountUpn", "TargetAccountDisplayName"),
    ),
)

IDENTITY_INFO = table(
    "IdentityInfo",
    _PROVIDER,
    constants={"event.category": ["iam"], "event.kind": "asset", "event.type": ["info", "user"]},
    copies={
        "event.id": "ReportId",
        "organization.name": "CompanyName",
        "user.domain": "AccountDomain",
        "user.email": "EmailAddress",
        "user.full_name": "AccountDisplayName",
        "user.name": "AccountName",
        "user.risk.calculated_level": "RiskLevel",
    },
    computed=(
        Computed(
            ("user.id",),
            ("AccountObjectId", "OnPremSid", "CloudSid"),
            first_known,
            "Entra's id, else the security identifier.",
        ),
        Computed(("user.roles",), ("AssignedRoles",), text_list, "The texts of the JSON array."),
        Computed(
            ("related.user",),
            (
                "AccountName",
                "AccountUpn",
                "EmailAddress",
                "AccountDisplayName",
                "AccountObjectId",
                "OnPremSid",
                "CloudSid",
            ),
            collect,
            "All names and ids of the identity.",
        ),
    ),
)

IDENTITY_TABLES: tuple[Mapping, ...] = (
    IDENTITY_DIRECTORY_EVENTS,
    IDENTITY_INFO,
    IDENTITY_LOGON_EVENTS,
    IDENTITY_QUERY_EVENTS,
)
"""The mappings of Defender for Identity's tables."""
