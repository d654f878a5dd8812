"""Defender for Endpoint: the tables `Device…`.

Where a row has an initiating process, it is `process` (it has done what the row tells), except in
DeviceProcessEvents, where `process` is the new one and the initiating one its parent. DeviceEvents has both
kinds. `process.entity_id` is machine, pid and start, as in the alerts.
"""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from ...columns import collect
from ...mapping import Computed, Mapping, Shape
from ..endpoint_alerts import process_identity
from . import _endpoint as own
from ._functions import (
    device_event_id,
    host_names,
    image_path,
    operating_system_type,
    outcomes,
    protocol_fields,
    related_addresses,
)
from ._table import ARGUMENTS, ONLY_HOST_NAME, table

__all__ = ["ENDPOINT_TABLES"]

_PROVIDER = "defender_endpoint"

_DEVICE = {"host.hostname": "DeviceName", "host.id": "DeviceId"}

_EVENT_ID = Computed(
    ("event.id",),
    ("DeviceId", "ReportId", "Timestamp#ticks"),
    device_event_id,
    "Device, report id and time in units of 100 ns since 1970: report ids alone come again.",
)
_HOST_NAME = Computed(
    ("host.name", "related.hosts"), ("DeviceName",), host_names, "The device's name in lower case."
)

_HOST_AND_SESSION = Computed(
    ("host.name", "related.hosts"),
    ("DeviceName", "InitiatingProcessRemoteSessionDeviceName"),
    host_names,
    "The device's name in lower case; related.hosts also has the device of the remote session.",
)
_SESSION_RELATED = Computed(
    ("related.ip",),
    ("InitiatingProcessRemoteSessionIP",),
    related_addresses,
    "Where the initiating process' remote session came from.",
)

_INITIATOR = {
    "process.command_line": "InitiatingProcessCommandLine",
    "process.hash.md5": "InitiatingProcessMD5",
    "process.hash.sha1": "InitiatingProcessSHA1",
    "process.hash.sha256": "InitiatingProcessSHA256",
    "process.name": "InitiatingProcessFileName",
    "process.parent.name": "InitiatingProcessParentFileName",
    "process.parent.pid": "InitiatingProcessParentId",
    "process.parent.start": "InitiatingProcessParentCreationTime",
    "process.pid": "InitiatingProcessId",
    "process.start": "InitiatingProcessCreationTime",
}
_INITIATOR_VERSION = {
    "process.pe.company": "InitiatingProcessVersionInfoCompanyName",
    "process.pe.description": "InitiatingProcessVersionInfoFileDescription",
    "process.pe.file_version": "InitiatingProcessVersionInfoProductVersion",
    "process.pe.original_file_name": "InitiatingProcessVersionInfoOriginalFileName",
    "process.pe.product": "InitiatingProcessVersionInfoProductName",
}
_INITIATOR_ACCOUNT = {
    "process.user.id": "InitiatingProcessAccountSid",
    "process.user.name": "InitiatingProcessAccountName",
}
_USER_IS_INITIATOR = {
    "user.domain": "InitiatingProcessAccountDomain",
    "user.email": "InitiatingProcessAccountUpn",
    "user.id": "InitiatingProcessAccountSid",
    "user.name": "InitiatingProcessAccountName",
}
_INITIATOR_NAMES = (
    "InitiatingProcessAccountName",
    "InitiatingProcessAccountUpn",
    "InitiatingProcessAccountSid",
    "InitiatingProcessAccountObjectId",
)
_SESSION_DEVICE, _SESSION_ADDRESS = (
    "InitiatingProcessRemoteSessionDeviceName",
    "InitiatingProcessRemoteSessionIP",
)
_INITIATOR_HASHES = ("InitiatingProcessMD5", "InitiatingProcessSHA1", "InitiatingProcessSHA256")
_FILE_HASHES = ("MD5", "SHA1", "SHA256")

_INITIATOR_COMPUTED = (
    Computed(
        ("process.executable",),
        ("InitiatingProcessFolderPath", "InitiatingProcessFileName"),
        image_path,
        "The path, with the file's name appended where it does not end in it.",
    ),
    Computed(
        ("process.entity_id",),
        ("DeviceId", "InitiatingProcessId", "InitiatingProcessCreationTime#ticks"),
        process_identity,
        "Machine, pid and start, because a pid alone comes again.",
    ),
    Computed(
        ("process.parent.entity_id",),
        ("DeviceId", "InitiatingProcessParentId", "InitiatingProcessParentCreationTime#ticks"),
        process_identity,
        "Machine, pid and start.",
    ),
)

_FILE = {
    "file.hash.md5": "MD5",
    "file.hash.sha1": "SHA1",
    "file.hash.sha256": "SHA256",
    "file.name": "FileName",
    "file.size": "FileSize",
}
_FILE_COMPUTED = Computed(
    ("file.path", "file.directory", "file.extension"),
    ("FolderPath", "FileName"),
    own.file_fields,
    "FolderPath mostly ends in the file's name; where it does not, the name is appended.",
)


def _related_users(*more: str) -> Computed:
    return Computed(
        ("related.user",),
        (*more, *_INITIATOR_NAMES),
        collect,
        "Names, user principal names and ids of the accounts.",
    )


def _related_hashes(*columns: str) -> Computed:
    return Computed(("related.hash",), columns, collect, "All hashes of the row.")


def _action(function: Callable[[pa.Array], tuple[pa.Array, ...]], note: str) -> Computed:
    return Computed(("event.action", "event.category", "event.type"), ("ActionType",), function, note)


DEVICE_PROCESS_EVENTS = table(
    "DeviceProcessEvents",
    _PROVIDER,
    constants={},
    copies={
        **_DEVICE,
        "process.command_line": "ProcessCommandLine",
        "process.hash.md5": "MD5",
        "process.hash.sha1": "SHA1",
        "process.hash.sha256": "SHA256",
        "process.name": "FileName",
        "process.pe.company": "ProcessVersionInfoCompanyName",
        "process.pe.description": "ProcessVersionInfoFileDescription",
        "process.pe.file_version": "ProcessVersionInfoProductVersion",
        "process.pe.original_file_name": "ProcessVersionInfoOriginalFileName",
        "process.pe.product": "ProcessVersionInfoProductName",
        "process.pid": "ProcessId",
        "process.start": "ProcessCreationTime",
        "process.user.id": "AccountSid",
        "process.user.name": "AccountName",
        "process.parent.code_signature.status": "InitiatingProcessSignatureStatus",
        "process.parent.command_line": "InitiatingProcessCommandLine",
        "process.parent.hash.md5": "InitiatingProcessMD5",
        "process.parent.hash.sha1": "InitiatingProcessSHA1",
        "process.parent.hash.sha256": "InitiatingProcessSHA256",
        "process.parent.name": "InitiatingProcessFileName",
        "process.parent.pe.company": "InitiatingProcessVersionInfoCompanyName",
        "process.parent.pe.description": "InitiatingProcessVersionInfoFileDescription",
        "process.parent.pe.file_version": "InitiatingProcessVersionInfoProductVersion",
        "process.parent.pe.original_file_name": "InitiatingProcessVersionInfoOriginalFileName",
        "process.parent.pe.product": "InitiatingProcessVersionInfoProductName",
        "process.parent.pid": "InitiatingProcessId",
        "process.parent.start": "InitiatingProcessCreationTime",
        "process.parent.user.id": "InitiatingProcessAccountSid",
        "process.parent.user.name": "InitiatingProcessAccountName",
        "user.domain": "AccountDomain",
        "user.email": "AccountUpn",
        "user.id": "AccountSid",
        "user.name": "AccountName",
    },
    computed=(
        _EVENT_ID,
        Computed(
            ("host.name", "related.hosts"),
            ("DeviceName", _SESSION_DEVICE, "ProcessRemoteSessionDeviceName"),
            host_names,
            "The device's name in lower case; related.hosts also has the devices of remote sessions.",
        ),
        Computed(
            ("related.ip",),
            (_SESSION_ADDRESS, "ProcessRemoteSessionIP"),
            related_addresses,
            "Where the processes' remote sessions came from.",
        ),
        _action(own.process_action, "start for ProcessCreated, else info."),
        Computed(
            ("process.executable",),
            ("FolderPath", "FileName"),
            image_path,
            "FolderPath, with the file's name appended where it does not end in it.",
        ),
        ARGUMENTS,
        Computed(
            ("process.entity_id",),
            ("DeviceId", "ProcessId", "ProcessCreationTime#ticks"),
            process_identity,
            "Machine, pid and start, because a pid alone comes again.",
        ),
        Computed(
            ("process.parent.executable",),
            ("InitiatingProcessFolderPath", "InitiatingProcessFileName"),
            image_path,
            "The path, with the file's name appended where it does not end in it.",
        ),
        Computed(
            ("process.parent.entity_id",),
            ("DeviceId", "InitiatingProcessId", "InitiatingProcessCreationTime#ticks"),
            process_identity,
            "Machine, pid and start.",
        ),
        Computed(
            ("process.parent.code_signature.exists", "process.parent.code_signature.trusted"),
            ("InitiatingProcessSignatureStatus",),
            own.signature_fields,
            "Valid, Invalid, Unsigned; null for Unknown.",
        ),
        _related_users("AccountName", "AccountUpn", "AccountSid", "AccountObjectId"),
        _related_hashes(*_FILE_HASHES, *_INITIATOR_HASHES),
    ),
)

DEVICE_FILE_EVENTS = table(
    "DeviceFileEvents",
    _PROVIDER,
    constants={},
    copies={
        **_DEVICE,
        **_INITIATOR,
        **_INITIATOR_VERSION,
        **_INITIATOR_ACCOUNT,
        **_FILE,
        "file.origin_referrer_url": "FileOriginReferrerUrl",
        "file.origin_url": "FileOriginUrl",
        "source.port": "RequestSourcePort",
    },
    computed=(
        _EVENT_ID,
        _HOST_AND_SESSION,
        _action(
            own.file_action,
            "FileCreated creation; FileModified and FileRenamed change; FileDeleted deletion.",
        ),
        *_INITIATOR_COMPUTED,
        _FILE_COMPUTED,
        Computed(
            ("network.transport", "network.protocol"),
            ("RequestProtocol",),
            protocol_fields,
            "Of the remote request, in lower case; Local is none.",
        ),
        Computed(
            ("source.ip", "related.ip"),
            ("RequestSourceIP", "FileOriginIP", _SESSION_ADDRESS),
            own.request_addresses,
            "Where the remote request came from; related.ip also where the file and the remote session "
            "came from.",
        ),
        Computed(
            ("user.name", "user.domain", "user.id", "user.email"),
            (
                "RequestAccountName",
                "RequestAccountDomain",
                "RequestAccountSid",
                "InitiatingProcessAccountName",
                "InitiatingProcessAccountDomain",
                "InitiatingProcessAccountSid",
                "InitiatingProcessAccountUpn",
            ),
            own.account_or_initiator,
            "The account of the remote request, else that of the initiating process; never parts of both.",
        ),
        _related_users("RequestAccountName", "RequestAccountSid"),
        _related_hashes(*_FILE_HASHES, *_INITIATOR_HASHES),
    ),
)

DEVICE_IMAGE_LOAD_EVENTS = table(
    "DeviceImageLoadEvents",
    _PROVIDER,
    constants={"event.action": "load", "event.category": ["library"], "event.type": ["start"]},
    copies={
        **_DEVICE,
        **_INITIATOR,
        **_INITIATOR_VERSION,
        **_INITIATOR_ACCOUNT,
        **_USER_IS_INITIATOR,
        **_FILE,
        "dll.hash.md5": "MD5",
        "dll.hash.sha1": "SHA1",
        "dll.hash.sha256": "SHA256",
        "dll.name": "FileName",
    },
    computed=(
        _EVENT_ID,
        _HOST_AND_SESSION,
        _SESSION_RELATED,
        *_INITIATOR_COMPUTED,
        _FILE_COMPUTED,
        Computed(
            ("dll.path",),
            ("FolderPath", "FileName"),
            image_path,
            "FolderPath, with the file's name appended where it does not end in it.",
        ),
        _related_users(),
        _related_hashes(*_FILE_HASHES, *_INITIATOR_HASHES),
    ),
)

DEVICE_REGISTRY_EVENTS = table(
    "DeviceRegistryEvents",
    _PROVIDER,
    constants={},
    copies={
        **_DEVICE,
        **_INITIATOR,
        **_INITIATOR_VERSION,
        **_INITIATOR_ACCOUNT,
        **_USER_IS_INITIATOR,
    },
    computed=(
        _EVENT_ID,
        _HOST_AND_SESSION,
        _SESSION_RELATED,
        _action(
            own.registry_action,
            "Created creation; deleted deletion; key renamed or value set change; else access.",
        ),
        *_INITIATOR_COMPUTED,
        Computed(
            ("registry.hive", "registry.key", "registry.path", "registry.data.type", "registry.value"),
            (
                "RegistryKey",
                "PreviousRegistryKey",
                "RegistryValueName",
                "PreviousRegistryValueName",
                "RegistryValueType",
            ),
            own.registry_of,
            "The hive abbreviated (HKLM), the key without its hive, the type as REG_SZ and so on; the "
            "previous key and value name where nothing is there now.",
        ),
        Computed(("registry.data.strings",), ("RegistryValueData",), collect, "The value's data."),
        _related_users(),
        _related_hashes(*_INITIATOR_HASHES),
    ),
)

DEVICE_LOGON_EVENTS = table(
    "DeviceLogonEvents",
    _PROVIDER,
    constants={},
    copies={
        **_DEVICE,
        **_INITIATOR,
        **_INITIATOR_VERSION,
        **_INITIATOR_ACCOUNT,
        "event.reason": "FailureReason",
        "source.port": "RemotePort",
        "user.domain": "AccountDomain",
        "user.id": "AccountSid",
        "user.name": "AccountName",
    },
    computed=(
        _EVENT_ID,
        ONLY_HOST_NAME,
        _action(own.logon_action, "Authentication, start."),
        Computed(
            ("event.outcome",),
            ("ActionType",),
            outcomes(frozenset({"LogonSuccess"}), frozenset({"LogonFailed"})),
            "LogonSuccess success, LogonFailed failure; LogonAttempted says neither: unknown.",
        ),
        *_INITIATOR_COMPUTED,
        Computed(("network.transport", "network.protocol"), ("Protocol",), protocol_fields, "In lower case."),
        Computed(
            ("source.ip", "source.domain", "related.ip", "related.hosts"),
            ("DeviceName", "RemoteIP", "RemoteDeviceName", _SESSION_DEVICE, _SESSION_ADDRESS),
            own.logon_source,
            "The remote device is where the logon came from.",
        ),
        _related_users("AccountName", "AccountSid"),
        _related_hashes(*_INITIATOR_HASHES),
    ),
)

_DNS_KEYS = (
    "query",
    "qclass_name",
    "qtype_name",
    "rcode_name",
    "answers",
    "AA",
    "TC",
    "RD",
    "RA",
    "AD",
    "CD",
    "DO",
)
_WEB_KEYS = ("method", "referrer", "status_code", "version", "cipher", "server_name", "established")


def _inside(*keys: str) -> tuple[str, ...]:
    return tuple(f"AdditionalFields.{key}" for key in keys)


DEVICE_NETWORK_EVENTS = table(
    "DeviceNetworkEvents",
    _PROVIDER,
    constants={},
    copies={
        **_DEVICE,
        **_INITIATOR,
        **_INITIATOR_VERSION,
        **_INITIATOR_ACCOUNT,
        **_USER_IS_INITIATOR,
        "rule.name": "AdditionalFields.SignatureName",
        "user_agent.original": "AdditionalFields.user_agent",
    },
    inside={
        "AdditionalFields": Shape(
            dict.fromkeys(
                (*_DNS_KEYS, *_WEB_KEYS, "direction", "host", "uri", "user_agent", "SignatureName"), "dynamic"
            )
        )
    },
    computed=(
        _EVENT_ID,
        ONLY_HOST_NAME,
        _action(
            own.network_action,
            "connection with start, or denied for ConnectionFailed, or allowed for "
            "InboundConnectionAccepted; protocol for inspected connections; else info.",
        ),
        Computed(
            ("event.outcome",),
            ("ActionType",),
            outcomes(
                frozenset({"ConnectionSuccess", "InboundConnectionAccepted"}), frozenset({"ConnectionFailed"})
            ),
            "Of connections that were made, or failed; else unknown.",
        ),
        *_INITIATOR_COMPUTED,
        Computed(
            ("network.transport", "network.protocol"),
            ("Protocol", "ActionType"),
            own.connection_protocol,
            "Tcp, Udp, Icmp are transports, all else is a protocol; also by what was inspected.",
        ),
        Computed(
            (*own.CONNECTION_FIELDS, *own.DNS_FIELDS),
            (
                "ActionType",
                *_inside("direction"),
                "DeviceName",
                "LocalIP",
                "LocalPort",
                "RemoteIP",
                "RemotePort",
                "RemoteUrl",
                *_inside("host", "uri", "server_name"),
                _SESSION_DEVICE,
                _SESSION_ADDRESS,
                *_inside(*_DNS_KEYS),
            ),
            own.connection,
            "The source is the end that began: the remote one for ingress. The direction is what "
            "AdditionalFields says, else what the action type does, else unknown. RemoteUrl's host is the "
            "remote end's domain; what was inspected of HTTP or TLS names the destination, whichever end "
            "that is, and is the URL where there is no RemoteUrl. dns.* of DnsConnectionInspected; "
            "resolved_ip has those answers that are addresses.",
        ),
        Computed(
            own.HTTP_AND_TLS_FIELDS,
            ("ActionType", *_inside(*_WEB_KEYS)),
            own.http_and_tls_fields,
            "Of HttpConnectionInspected and SslConnectionInspected.",
        ),
        _related_users(),
        _related_hashes(*_INITIATOR_HASHES),
    ),
)

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
)
_INITIATING_PROCESS = (
    "InitiatingProcessFileName",
    "InitiatingProcessFolderPath",
    *_INITIATOR_HASHES,
    "InitiatingProcessId",
    "InitiatingProcessCommandLine",
    "InitiatingProcessCreationTime",
    "InitiatingProcessCreationTime#ticks",
)
_INITIATING_PARENT = (
    "InitiatingProcessParentFileName",
    "InitiatingProcessParentId",
    "InitiatingProcessParentCreationTime",
    "InitiatingProcessParentCreationTime#ticks",
)

_PROCESS_OF_ACTION = ("ActionType", "ProcessId", "ProcessCommandLine")

DEVICE_EVENTS = table(
    "DeviceEvents",
    _PROVIDER,
    constants={},
    copies={**_DEVICE, **_FILE, "file.origin_url": "FileOriginUrl"},
    inside={"AdditionalFields": Shape({"DnsQueryString": "dynamic", "DnsQueryResult": "dynamic"})},
    computed=(
        _EVENT_ID,
        ONLY_HOST_NAME,
        _action(
            own.device_event_action,
            "api and process for API calls, driver, file, configuration, iam, malware, network, library, "
            "intrusion_detection by the action type; else host and info.",
        ),
        _FILE_COMPUTED,
        Computed(
            tuple(
                f"{prefix}.{name}" for prefix in ("process", "process.parent") for name in own.PROCESS_FIELDS
            ),
            ("ActionType", "DeviceId", *_OWN_PROCESS, *_INITIATING_PROCESS, *_INITIATING_PARENT),
            own.device_event_processes,
            "Where the event is about a process that the initiating one started or handled, that is "
            "`process` and the initiating one its parent; where the initiating one acts (API calls, DNS "
            "queries and so on), that is `process`.",
        ),
        Computed(
            tuple(
                f"{prefix}.pe.{name}"
                for prefix in ("process", "process.parent")
                for name in own.VERSION_FIELDS
            ),
            (*_PROCESS_OF_ACTION, *_INITIATOR_VERSION.values()),
            own.device_event_versions,
            "Of the initiating process' image, which is the process or its parent.",
        ),
        Computed(
            ("process.user.name", "process.user.id", "process.parent.user.name", "process.parent.user.id"),
            (
                *_PROCESS_OF_ACTION,
                "AccountName",
                "AccountSid",
                "InitiatingProcessAccountName",
                "InitiatingProcessAccountSid",
            ),
            own.device_event_accounts,
            "The row's account and that of the initiating process.",
        ),
        Computed(
            ("user.name", "user.domain", "user.id", "user.email"),
            (
                "AccountName",
                "AccountDomain",
                "AccountSid",
                "InitiatingProcessAccountName",
                "InitiatingProcessAccountDomain",
                "InitiatingProcessAccountSid",
                "InitiatingProcessAccountUpn",
            ),
            own.account_or_initiator,
            "The row's account, else that of the initiating process; never parts of both.",
        ),
        Computed(
            (*own.CONNECTION_FIELDS, "dns.question.name", "dns.resolved_ip"),
            (
                "ActionType",
                "DeviceName",
                "LocalIP",
                "LocalPort",
                "RemoteIP",
                "RemotePort",
                "RemoteDeviceName",
                "RemoteUrl",
                _SESSION_DEVICE,
                _SESSION_ADDRESS,
                *_inside("DnsQueryString", "DnsQueryResult"),
            ),
            own.device_event_connection,
            "As in DeviceNetworkEvents, where the row has addresses, a URL or a remote device; the direction "
            "by Inbound or Outbound in the action type, else unknown. dns.* of DnsQueryResponse; resolved_ip "
            "has all addresses among the results.",
        ),
        Computed(
            ("registry.hive", "registry.key", "registry.path", "registry.value"),
            ("RegistryKey", "RegistryValueName"),
            own.registry_key,
            "The hive abbreviated (HKLM), the key without its hive.",
        ),
        Computed(("registry.data.strings",), ("RegistryValueData",), collect, "The value's data."),
        _related_users("AccountName", "AccountSid"),
        _related_hashes(*_FILE_HASHES, *_INITIATOR_HASHES),
    ),
)

DEVICE_FILE_CERTIFICATE_INFO = table(
    "DeviceFileCertificateInfo",
    _PROVIDER,
    constants={"event.category": ["file"], "event.type": ["info"]},
    copies={
        **_DEVICE,
        "file.code_signature.exists": "IsSigned",
        "file.code_signature.subject_name": "Signer",
        "file.code_signature.timestamp": "CertificateCountersignatureTime",
        "file.code_signature.trusted": "IsTrusted",
        "file.hash.sha1": "SHA1",
        "file.x509.not_after": "CertificateExpirationTime",
        "file.x509.not_before": "CertificateCreationTime",
        "file.x509.serial_number": "CertificateSerialNumber",
    },
    computed=(
        _EVENT_ID,
        _HOST_NAME,
        Computed(("file.x509.issuer.common_name",), ("Issuer",), collect, "As a list."),
        Computed(("file.x509.subject.common_name",), ("Signer",), collect, "As a list."),
        _related_hashes("SHA1", "SignerHash", "IssuerHash"),
    ),
)

DEVICE_INFO = table(
    "DeviceInfo",
    _PROVIDER,
    constants={"event.category": ["host"], "event.type": ["info"]},
    copies={
        **_DEVICE,
        "cloud.account.id": "AzureVmSubscriptionId",
        "cloud.instance.id": "AzureVmId",
        "device.id": "AadDeviceId",
        "device.manufacturer": "Vendor",
        "device.model.name": "Model",
        "host.architecture": "OSArchitecture",
        "host.os.full": "OSVersionInfo",
        "host.os.name": "OSPlatform",
        "host.os.platform": "OSDistribution",
        "host.os.version": "OSVersion",
        "host.type": "DeviceType",
        "observer.version": "ClientVersion",
    },
    computed=(
        _EVENT_ID,
        _HOST_NAME,
        Computed(
            ("cloud.provider",),
            ("CloudPlatforms", "AzureResourceId", "AwsResourceName", "GcpFullResourceName"),
            own.device_cloud,
            "aws, azure or gcp, by the platform's name, else by which resource id there is.",
        ),
        Computed(("host.ip", "related.ip"), ("PublicIP",), own.public_address, "The public address."),
        Computed(
            ("host.os.type",),
            ("OSPlatform",),
            operating_system_type,
            "windows, linux, macos, ios, android, where the platform's name says so.",
        ),
        Computed(
            ("related.user",),
            ("LoggedOnUsers",),
            own.logged_on_users,
            "Names and security identifiers of the users logged on.",
        ),
    ),
)

DEVICE_NETWORK_INFO = table(
    "DeviceNetworkInfo",
    _PROVIDER,
    constants={"event.category": ["host", "network"], "event.type": ["info"]},
    copies=_DEVICE,
    computed=(
        _EVENT_ID,
        _HOST_NAME,
        Computed(
            ("host.ip", "host.mac", "related.ip"),
            ("IPAddresses", "MacAddress", "DnsAddresses", "DefaultGateways", "IPv4Dhcp", "IPv6Dhcp"),
            own.addresses_of_adapter,
            "Valid addresses only; related.ip also has DNS servers, gateways and DHCP servers. The MAC as "
            "ECS writes it, `00-00-5E-00-53-23`.",
        ),
    ),
)

ENDPOINT_TABLES: tuple[Mapping, ...] = (
    DEVICE_EVENTS,
    DEVICE_FILE_CERTIFICATE_INFO,
    DEVICE_FILE_EVENTS,
    DEVICE_IMAGE_LOAD_EVENTS,
    DEVICE_INFO,
    DEVICE_LOGON_EVENTS,
    DEVICE_NETWORK_EVENTS,
    DEVICE_NETWORK_INFO,
    DEVICE_PROCESS_EVENTS,
    DEVICE_REGISTRY_EVENTS,
)
"""The mappings of Defender for Endpoint's tables."""
