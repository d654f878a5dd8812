"""Defender for Identity: logons, queries and changes of directories, and the identities themselves."""

from __future__ import annotations

from ...columns import first_known, only_named, positive
from ...mapping import ColumnType, Computed, Mapping, Shape
from . import _identity as own
from .actions import event_constants, event_fields
from .functions import (
    THREAT_FIELDS,
    operating_system_type,
    protocol_fields,
    text_list,
    threat_fields,
)
from .table import table

__all__ = ["IDENTITY_TABLES"]

_PROVIDER = "defender_identity"

_COPIES = {
    "event.id": "ReportId",
    "service.name": "Application",
}
_ACTOR_INPUTS = (
    *("AccountName", "AccountDomain", "AccountUpn", "AccountSid", "AccountObjectId", "AccountDisplayName"),
    *("AdditionalFields.SourceAccountName", "AdditionalFields.ACTOR.ACCOUNT"),
)
_ACTOR_NOTE = (
    "Who acted. `user.id` is the security identifier, else Entra's id; the name is AccountName, else what "
    "stands before the `@` of the principal name, and so the domain behind it, unless the names differ; "
    "`user.email` is the principal name if it is an address. Where no column says anything of the account, "
    "SourceAccountName (`DOMAIN\\name`), else ACTOR.ACCOUNT, in AdditionalFields."
)
_LOGON_ACCOUNTS = Computed(
    (*own.ACTOR_FIELDS, "related.user", "user.target.full_name"),
    (*_ACTOR_INPUTS, "TargetAccountDisplayName"),
    own.actor_and_name,
    f"{_ACTOR_NOTE} The target is the account that was logged on to.",
)
_ACTOR_AND_TARGET = Computed(
    (*own.ACTOR_FIELDS, *own.TARGET_FIELDS),
    (
        *_ACTOR_INPUTS,
        *("TargetAccountUpn", "TargetAccountDisplayName"),
        *(f"AdditionalFields.{key}" for key in own.TARGET_KEYS),
    ),
    own.actor_and_target,
    f"{_ACTOR_NOTE} Who was acted upon: the columns, else TARGET_OBJECT.USER in AdditionalFields. The group "
    "that a member was added to (TO.GROUP) or removed from (FROM.GROUP), else the group that was changed. "
    "New names in `user.changes.*`.",
)
_HOST = Computed(
    ("host.hostname", "host.name"),
    ("DeviceName", "AdditionalFields.FROM.DEVICE"),
    own.host,
    "The machine that the account used; `host.name` in lower case.",
)
_PORTS = (
    Computed(("source.port",), ("Port",), positive, "0 stands for none."),
    Computed(("destination.port",), ("DestinationPort",), positive, "0 stands for none."),
)
_NAMED_NOTE = "As sent; words such as Unknown are none."


def _named(**fields: str) -> tuple[Computed, ...]:
    """Columns with names, of which some say that there is none."""
    names = {"network": "source.as.organization.name", "system": "host.os.name", "device": "host.type"}
    return tuple(
        Computed((names[field],), (column,), only_named, _NAMED_NOTE) for field, column in fields.items()
    )


_LOCATION = Computed(
    ("source.geo.country_iso_code", "source.geo.name"),
    ("Location",),
    own.location,
    "Two letters are the country's code; all else is a place's name.",
)
_PROTOCOL = Computed(
    ("network.transport", "network.protocol"), ("Protocol",), protocol_fields, "In lower case."
)
_ENDS = Computed(
    own.ENDS_FIELDS,
    (
        *("DeviceName", "IPAddress", "DestinationDeviceName", "DestinationIPAddress", "TargetDeviceName"),
        *("AdditionalFields.FROM.DEVICE", "AdditionalFields.TO.DEVICE"),
    ),
    own.ends,
    "The source is the machine that the account used; the destination is the one that served it, or, where "
    "neither its name nor its address is known, the one that it was about, else TO.DEVICE in "
    "AdditionalFields. Of several addresses in one column all are in `related.ip`, and none is the source.",
)
_THREAT = Computed(
    THREAT_FIELDS,
    ("AdditionalFields.Category", "AdditionalFields.AttackTechniques"),
    threat_fields,
    "From Category and AttackTechniques in AdditionalFields: `Domain Accounts (T1078.002)` is a "
    "sub-technique of T1078. Names stand at the places of their ids; ids whose names are not known come "
    "last.",
)
_KEYS: dict[str, ColumnType] = dict.fromkeys(
    (
        *("Category", "AttackTechniques", "SourceComputerOperatingSystemType", "SourceAccountName"),
        *("ACTOR.ACCOUNT", "FROM.DEVICE", "TO.DEVICE"),
    ),
    "dynamic",
)
_SYSTEM_KEYS: dict[str, ColumnType] = {
    "SourceComputerOperatingSystem": "dynamic",
    "SourceComputerOperatingSystemVersion": "dynamic",
}
_TARGET_KEYS: dict[str, ColumnType] = dict.fromkeys(own.TARGET_KEYS, "dynamic")
_SYSTEM = (
    Computed(
        ("host.os.full",),
        ("AdditionalFields.SourceComputerOperatingSystem",),
        only_named,
        "The operating system of the machine that the account used, with its release.",
    ),
    Computed(
        ("host.os.version",),
        ("AdditionalFields.SourceComputerOperatingSystemVersion",),
        only_named,
        "Its version.",
    ),
    Computed(
        ("host.os.type",),
        (
            "AdditionalFields.SourceComputerOperatingSystemType",
            "AdditionalFields.SourceComputerOperatingSystem",
        ),
        operating_system_type,
        "windows, linux, macos, ios, android, where one of the names says so.",
    ),
)
_COMMON = (_HOST, *_PORTS, _LOCATION, _PROTOCOL, _ENDS, _THREAT)


IDENTITY_LOGON_EVENTS = table(
    "IdentityLogonEvents",
    _PROVIDER,
    constants={},
    copies={
        **_COPIES,
        "event.reason": "FailureReason",
    },
    inside={"AdditionalFields": Shape(_KEYS)},
    computed=(
        event_fields("IdentityLogonEvents"),
        *_named(network="Isp", system="OSPlatform", device="DeviceType"),
        Computed(
            ("host.os.type",),
            ("AdditionalFields.SourceComputerOperatingSystemType", "OSPlatform"),
            operating_system_type,
            "windows, linux, macos, ios, android, where one of the names says so.",
        ),
        *_COMMON,
        _LOGON_ACCOUNTS,
    ),
)

IDENTITY_QUERY_EVENTS = table(
    "IdentityQueryEvents",
    _PROVIDER,
    constants={},
    copies=_COPIES,
    inside={"AdditionalFields": Shape({**_KEYS, **_SYSTEM_KEYS, **_TARGET_KEYS})},
    computed=(
        event_fields("IdentityQueryEvents"),
        Computed(
            ("dns.question.name", "dns.question.type"),
            ("ActionType", "Protocol", "QueryTarget", "QueryType"),
            own.dns_question,
            "The target of a DNS query; QueryType, if it is one of DNS (`Axfr` is AXFR).",
        ),
        *_COMMON,
        *_SYSTEM,
        _ACTOR_AND_TARGET,
    ),
)

IDENTITY_DIRECTORY_EVENTS = table(
    "IdentityDirectoryEvents",
    _PROVIDER,
    constants={},
    copies={
        **_COPIES,
    },
    inside={"AdditionalFields": Shape({**_KEYS, **_SYSTEM_KEYS, **_TARGET_KEYS})},
    computed=(
        event_fields("IdentityDirectoryEvents"),
        *_named(network="ISP"),
        *_COMMON,
        *_SYSTEM,
        _ACTOR_AND_TARGET,
    ),
)

IDENTITY_INFO = table(
    "IdentityInfo",
    _PROVIDER,
    constants=event_constants("IdentityInfo"),
    copies={
        "event.id": "ReportId",
        "organization.name": "CompanyName",
        "user.full_name": "AccountDisplayName",
        "user.risk.calculated_level": "RiskLevel",
    },
    computed=(
        Computed(
            ("user.id",),
            ("OnPremSid", "CloudSid", "AccountObjectId"),
            first_known,
            "The security identifier, of the domain before that of Entra, else Entra's object id, as in all "
            "tables; `related.user` has all of them.",
        ),
        Computed(
            ("user.name", "user.domain"),
            ("AccountName", "AccountDomain", "AccountUpn"),
            own.identity_account,
            "The columns, else what stands before and behind the `@` of the principal name; the domain only "
            "where the names do not differ.",
        ),
        Computed(
            ("user.email",),
            ("EmailAddress", "AccountUpn"),
            first_known,
            "The address, else the principal name.",
        ),
        Computed(("user.roles",), ("AssignedRoles",), text_list, "The texts of the JSON array."),
        Computed(
            ("related.user",),
            (
                *("OtherMailAddresses", "AccountName", "AccountUpn", "EmailAddress", "AccountDisplayName"),
                *("AccountObjectId", "OnPremSid", "CloudSid", "OnPremObjectId"),
            ),
            own.all_names,
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
