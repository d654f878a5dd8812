"""DeviceEvents: all that has no table of its own."""

from __future__ import annotations

from ...columns import collect
from ...mapping import Computed, Shape
from . import _device_events, _processes
from ._connections import CONNECTION_FIELDS
from .actions import event_fields
from .endpoint_parts import (
    DEVICE,
    EVENT_ID,
    FILE,
    FILE_COMPUTED,
    FILE_HASHES,
    INITIATOR_HASHES,
    INITIATOR_VERSION,
    PROVIDER,
    SESSION_ADDRESS,
    SESSION_DEVICE,
    inside,
    related_hashes,
)
from .table import ONLY_HOST_NAME, table

__all__ = ["DEVICE_EVENTS"]

_OWN_PROCESS = (
    "FileName",
    "FolderPath",
    "MD5",
    "SHA1",
    "SHA256",
    "ProcessId",
    "ProcessCommandLine",
    "ProcessCreationTime",
    "ProcessCreationTime#ticks",
    "AdditionalFields.ProcessCurrentWorkingDirectory",
    "AccountName",
    "AccountSid",
)
_PROCESS_OF_ACTION = ("ActionType", "ProcessId", "ProcessCommandLine")
_ACCOUNTS = (
    "AccountName",
    "AccountDomain",
    "AccountSid",
    "InitiatingProcessAccountName",
    "InitiatingProcessAccountDomain",
    "InitiatingProcessAccountSid",
    "InitiatingProcessAccountObjectId",
    "InitiatingProcessAccountUpn",
)
_GROUP_KEYS = ("GroupName", "GroupDomainName", "GroupSid")
_SCAN_KEYS = ("User", "Domain")
_CONNECTION_KEYS = ("LocalAddress", "LocalPort", "RemoteAddress", "RemotePort", "Uri", "destinationUrl")
_DNS_KEYS = ("DnsQueryString", "DnsQueryResult")
_STORAGE_KEYS = (
    "DeviceInstanceId",
    "DeviceId",
    "ClassName",
    "BusType",
    "DriveLetter",
    "ProductId",
    "ProductName",
    "MediaName",
    "SerialNumber",
    "SerialNumberId",
    "DiskSize",
    "VendorId",
    "Manufacturer",
)
_OTHER_KEYS = (
    "InitiatingProcessCurrentWorkingDirectory",
    "PipeName",
    "PolicyName",
    "ProcessCurrentWorkingDirectory",
    "ReferrerUri",
    "RemovableStoragePolicy",
    "RuleId",
    "ThreatName",
)

DEVICE_EVENTS = table(
    "DeviceEvents",
    PROVIDER,
    constants={},
    copies={
        **DEVICE,
        **FILE,
        "file.origin_url": "FileOriginUrl",
        "http.request.referrer": "AdditionalFields.ReferrerUri",
        "rule.id": "AdditionalFields.RuleId",
        "rule.name": "AdditionalFields.RemovableStoragePolicy",
        "rule.ruleset": "AdditionalFields.PolicyName",
        "threat.software.name": "AdditionalFields.ThreatName",
    },
    inside={
        "AdditionalFields": Shape(
            dict.fromkeys(
                (
                    *_GROUP_KEYS,
                    *_SCAN_KEYS,
                    *_CONNECTION_KEYS,
                    *_DNS_KEYS,
                    *_STORAGE_KEYS,
                    *_OTHER_KEYS,
                ),
                "dynamic",
            )
        )
    },
    computed=(
        EVENT_ID,
        ONLY_HOST_NAME,
        event_fields("DeviceEvents"),
        Computed(
            FILE_COMPUTED.fields,
            (*FILE_COMPUTED.inputs, *inside("PipeName")),
            _device_events.device_event_file,
            f"{FILE_COMPUTED.note} Of a NamedPipeEvent without a file, the pipe.",
        ),
        Computed(
            tuple(
                f"{prefix}.{name}"
                for prefix in ("process", "process.parent")
                for name in _processes.PROCESS_FIELDS
            ),
            ("ActionType", "DeviceId", *_OWN_PROCESS, *_processes.INITIATING_INPUTS),
            _device_events.device_event_processes,
            "Where the event is about a process that the initiating one started or handled, that is "
            "`process` and the initiating one its parent; where the initiating one acts (API calls, DNS "
            "queries and so on), that is `process`. Its user is the row's account or the initiating "
            "process' one accordingly, its id the SID, else Entra's object id. A pid of 0 is none. The "
            "working directory is what AdditionalFields say, on Linux and macOS.",
        ),
        Computed(
            tuple(
                f"{prefix}.pe.{name}"
                for prefix in ("process", "process.parent")
                for name in _device_events.VERSION_FIELDS
            ),
            (*_PROCESS_OF_ACTION, *INITIATOR_VERSION.values()),
            _device_events.device_event_versions,
            "Of the initiating process' image, which is the process or its parent.",
        ),
        Computed(
            _device_events.ACCOUNT_FIELDS,
            (*_PROCESS_OF_ACTION, *_ACCOUNTS, *inside(*_GROUP_KEYS, *_SCAN_KEYS)),
            _device_events.device_event_accounts,
            "user.* is who acts, one identity: the initiating process' account; the row's account where the "
            "row's own process acts (see process), where a service of Windows changes a task, service, share "
            "or log for it, and where no other is known. user.target.* is the row's account where it is "
            "acted upon: an account that is created, deleted, changed, given rights or put into a group, and "
            "any other account than the one that acts, as that of a process whose memory is written. group.* "
            "is the group of AdditionalFields; of a group that is created or deleted, else the row's "
            "account. An antivirus scan without an account was run by the User of AdditionalFields. Ids are "
            "SIDs, else Entra's object ids; related.user has all names and ids of accounts.",
        ),
        Computed(
            (*CONNECTION_FIELDS, "dns.question.name", "dns.resolved_ip", "dns.type"),
            (
                "ActionType",
                "DeviceName",
                "LocalIP",
                "LocalPort",
                "RemoteIP",
                "RemotePort",
                "RemoteDeviceName",
                "RemoteUrl",
                "FileOriginUrl",
                "FileOriginIP",
                SESSION_DEVICE,
                "ProcessRemoteSessionDeviceName",
                SESSION_ADDRESS,
                "ProcessRemoteSessionIP",
                *inside(*_CONNECTION_KEYS, *_DNS_KEYS),
            ),
            _device_events.device_event_connection,
            "As in DeviceNetworkEvents, where the row has addresses, a URL or a remote device. The direction "
            "is ingress for Inbound in the action type, and for what another device asks of this one "
            "(NetworkShareObjectAccessChecked, RemoteWmiOperation); egress for Outbound; of a remote desktop "
            "connection, by the end with port 3389, of a named pipe with 445; else unknown. Addresses, ports "
            "and the URL (Uri, destinationUrl) may be in AdditionalFields. Remote sessions and where a file "
            "came from are only related. dns.* of DnsQueryResponse; resolved_ip has all addresses among the "
            "results, related.hosts all names.",
        ),
        Computed(
            ("network.protocol",),
            ("ActionType",),
            _device_events.device_event_protocol,
            "dns, ldap or rdp, where the action type names it.",
        ),
        Computed(
            _device_events.STORAGE_FIELDS,
            ("ActionType", *inside(*_STORAGE_KEYS)),
            _device_events.storage_fields,
            "Of plug-and-play devices, removable storage and mounted USB drives: DeviceInstanceId, else "
            "DeviceId, and ClassName of the plugged device; BusType by its name in Windows (7 is Usb, 15 "
            "FileBackedVirtual, as of a mounted image), DriveLetter, Manufacturer, ProductName, else "
            "MediaName.",
        ),
        Computed(
            ("registry.hive", "registry.key", "registry.path", "registry.value"),
            ("RegistryKey", "RegistryValueName"),
            _device_events.registry_key,
            "The hive abbreviated (HKLM), the key without its hive.",
        ),
        Computed(("registry.data.strings",), ("RegistryValueData",), collect, "The value's data."),
        related_hashes(*FILE_HASHES, *INITIATOR_HASHES, of=("file",)),
    ),
    notes={
        "rule.id": "Of an attack surface reduction rule.",
        "rule.name": "The removable storage policy.",
        "rule.ruleset": "The application control policy.",
        "threat.software.name": "The name of what Defender Antivirus detected.",
    },
)
