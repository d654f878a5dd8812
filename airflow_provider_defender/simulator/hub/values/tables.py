"""Column name → what stands in it: for all tables, and where one table means something else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_defender.simulator.hub.scene import Scene
from airflow_provider_defender.simulator.hub.values.alerts import ALERT, evidence_table
from airflow_provider_defender.simulator.hub.values.devices import ADAPTER, CERTIFICATE, DEVICE, DEVICE_INFO
from airflow_provider_defender.simulator.hub.values.identities import APPS, CLOUD, DIRECTORY, IDENTITY
from airflow_provider_defender.simulator.hub.values.mail import MAIL, TEAMS
from airflow_provider_defender.simulator.hub.values.makers import Maker, always, one_of
from airflow_provider_defender.simulator.hub.values.processes import FILE, INITIATING, PROCESS, program_file

__all__ = ["maker"]


#: Beginnings of the names of tables whose report ids are texts; those of devices are numbers.
_TEXT_REPORTS = ("Cloud", "Email", "Identity", "Message", "Url")


def maker(table: str, column: str) -> Maker:
    """What fills a column of a table. Raises KeyError when the catalogue has nothing for it."""
    if column == "ReportId" and table.startswith(_TEXT_REPORTS):
        return lambda s: s.guid()
    return _BY_TABLE.get((table, column)) or _BY_COLUMN[column]


_ACTIONS = {
    "BehaviorEntities": ("ImpossibleTravelActivity", "MassDownload"),
    "BehaviorInfo": ("ImpossibleTravelActivity", "MassDownload"),
    "CloudAppEvents": ("FileDownloaded", "UserLoggedIn", "MailItemsAccessed"),
    "CloudAuditEvents": ("Write", "Delete"),
    "CloudProcessEvents": ("ProcessCreated",),
    "CloudStorageAggregatedEvents": ("StorageAggregatedActivity",),
    "DeviceEvents": (
        "AntivirusDetection",
        "PowerShellCommand",
        "UsbDriveMounted",
        "ScheduledTaskCreated",
        "DnsQueryResponse",
    ),
    "DeviceFileEvents": ("FileCreated", "FileModified", "FileRenamed", "FileDeleted"),
    "DeviceImageLoadEvents": ("ImageLoaded",),
    "DeviceLogonEvents": ("LogonSuccess", "LogonFailed", "LogonAttempted"),
    "DeviceNetworkEvents": ("ConnectionSuccess", "ConnectionFailed", "InboundConnectionAccepted"),
    "DeviceProcessEvents": ("ProcessCreated", "OpenProcess"),
    "DeviceRegistryEvents": ("RegistryValueSet", "RegistryKeyCreated", "RegistryValueDeleted"),
    "EmailPostDeliveryEvents": ("Phish ZAP", "Manual Remediation"),
    "IdentityDirectoryEvents": ("Account Password changed", "Group Membership changed"),
    "IdentityLogonEvents": ("LogonSuccess", "LogonFailed"),
    "IdentityQueryEvents": ("LDAP query", "DNS query", "SAMR query"),
    "MessagePostDeliveryEvents": ("Phish ZAP", "Malware ZAP"),
    "UrlClickEvents": ("ClickAllowed", "ClickBlocked"),
}


def _additional_device(s: Scene) -> Any:
    return s.draw.choice(
        ({"InitiatingProcessSignerType": "OsVendor"}, {"Request ID": s.guid(), "count": 3}, "")
    )


def _additional_identity(s: Scene) -> Any:
    """As Defender for Identity writes it: keys with dots and spaces, all values texts."""
    short = s.device.name.partition(".")[0]
    return {
        "Count": "1",
        "Spns": f"cifs/{s.neighbour.name}",
        "Source Mac": s.hexadecimal(12).upper(),
        "SourceAccountName": f"{s.person.domain}\\{s.person.account}",
        "TO.DEVICE": "dc1",
        "FROM.DEVICE": short,
        "ACTOR.DEVICE": short,
        "ACTOR.ACCOUNT": s.person.account,
        "ACTOR.ENTITY_USER": s.person.account,
        "Pass-through authentication": "false",
    }


_ADDITIONAL: dict[str, Maker] = {
    "BehaviorEntities": lambda s: {"$id": "1", "Type": "account", "Name": s.person.account},
    "BehaviorInfo": lambda s: {"Activities": [s.guid()], "Score": 0.71},
    "CloudAppEvents": lambda s: {"Size": s.draw.getrandbits(20), "Target.Path": "/personal", "Shared": False},
    "CloudAuditEvents": lambda s: {"CorrelationId": s.guid()},
    "CloudProcessEvents": lambda s: {"Image Layers": 7},
    "CloudStorageAggregatedEvents": lambda s: {"Tier": "Hot"},
    "EmailEvents": always({"SafeAttachments": "Clean"}),
    "IdentityDirectoryEvents": _additional_identity,
    "IdentityLogonEvents": _additional_identity,
    "IdentityQueryEvents": _additional_identity,
}
_LIBRARY = program_file(lambda s: s.library)
_RUNNING = program_file(lambda s: s.process.program)
_PERSON: dict[str, Maker] = {
    "AccountName": lambda s: s.person.account,
    "AccountDomain": lambda s: s.person.domain.lower(),
    "AccountSid": lambda s: s.person.sid,
    "AccountUpn": lambda s: s.person.principal,
    "AccountObjectId": lambda s: s.person.aad_id,
}
_ATTACHMENT: dict[str, Maker] = {
    "FileName": lambda s: s.email.attachment,
    "FileSize": lambda s: s.draw.randrange(10_000, 900_000),
    "SHA256": lambda s: s.hexadecimal(64),
}
_KERBEROS: dict[str, Maker] = {
    "Protocol": one_of("Kerberos", "Ntlm", "Ldap"),
    "LogonType": one_of("Resource access", "Failed logon", "Interactive"),
    "DeviceType": one_of("Desktop", "Server"),
    **_PERSON,
}
_TEAMS_TABLE: dict[str, Maker] = {
    "SenderDisplayName": lambda s: s.person.account,
    "SenderObjectId": lambda s: s.person.aad_id,
    "ThreatTypes": one_of("Phish", "Malware"),
    "DetectionMethods": always({"Phish": ["URL detonation"]}),
    "ConfidenceLevel": always({"Phish": "High"}),
    "DeliveryLocation": always("Teams"),
}
_TABLES: Mapping[str, Mapping[str, Maker]] = {
    "AlertInfo": {"ProcessCommandLine": always("cmd.exe /c whoami")},
    "AlertEvidence": evidence_table(),
    "BehaviorEntities": {**_PERSON, "EmailClusterId": lambda s: str(s.draw.getrandbits(32))},
    "BehaviorInfo": _PERSON,
    "CallActivityEvents": {"ActivityType": one_of("CallStarted", "ParticipantJoined")},
    "CloudAppEvents": {
        **_PERSON,
        "Application": one_of("Microsoft OneDrive for Business", "Dropbox"),
        "DeviceType": always("Desktop"),
    },
    "CloudProcessEvents": {**_RUNNING, "InitiatingProcessId": lambda s: str(s.actor.pid)},
    "CloudStorageAggregatedEvents": {
        **_PERSON,
        "AccountType": one_of("1", "2"),
        "Location": always("westeurope"),
    },
    "DeviceEvents": _RUNNING,
    "DeviceFileCertificateInfo": {"SHA1": lambda s: s.process.program.hashes["sha1"]},
    "DeviceImageLoadEvents": _LIBRARY,
    "DeviceLogonEvents": {
        "LogonType": one_of("Interactive", "Network", "RemoteInteractive", "Batch"),
        "Protocol": one_of("NTLM", "Kerberos", "Negotiate"),
    },
    "DeviceProcessEvents": _RUNNING,
    "EmailAttachmentInfo": _ATTACHMENT,
    "IdentityDirectoryEvents": _KERBEROS,
    "IdentityInfo": _PERSON,
    "IdentityLogonEvents": _KERBEROS,
    "IdentityQueryEvents": _KERBEROS,
    "MessageEvents": _TEAMS_TABLE,
    "MessagePostDeliveryEvents": _TEAMS_TABLE,
    "MessageUrlInfo": {"ThreatTypes": one_of("Phish", "")},
    "UrlClickEvents": _PERSON,
}

_BY_COLUMN: dict[str, Maker] = {
    **MAIL, **TEAMS, **CLOUD, **APPS, **DIRECTORY, **IDENTITY, **ALERT,
    **CERTIFICATE, **ADAPTER, **DEVICE_INFO, **FILE, **PROCESS, **INITIATING, **DEVICE,
    "AdditionalFields": _additional_device,
}  # fmt: skip
_BY_TABLE: dict[tuple[str, str], Maker] = {
    **{(table, "ActionType"): one_of(*actions) for table, actions in _ACTIONS.items()},
    **{(table, "AdditionalFields"): make for table, make in _ADDITIONAL.items()},
    **{(table, column): make for table, makers in _TABLES.items() for column, make in makers.items()},
}
