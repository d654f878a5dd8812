"""Defender for Endpoint: the tables `Device…`.

Where a row has an initiating process, it is `process` (it has done what the row tells), except in
DeviceProcessEvents, where `process` is the new one and the initiating one its parent. DeviceEvents has both
kinds. `process.entity_id` is machine, pid and start, as in the alerts.
"""

from __future__ import annotations

from ...mapping import Computed, Mapping
from . import _device_state as state
from . import _devices as devices
from .actions import event_constants, event_fields
from .endpoint_events import DEVICE_EVENTS
from .endpoint_network import DEVICE_NETWORK_EVENTS
from .endpoint_parts import (
    DEVICE,
    EVENT_ID,
    FILE,
    FILE_COMPUTED,
    FILE_HASHES,
    HOST_AND_SESSION,
    HOST_NAME,
    INITIATING_ACCOUNT,
    INITIATING_PROCESS,
    INITIATOR,
    INITIATOR_ACCOUNT,
    INITIATOR_COMPUTED,
    INITIATOR_HASHES,
    INITIATOR_VERSION,
    PROVIDER,
    SESSION_ADDRESS,
    SESSION_DEVICE,
    SESSION_RELATED,
    USER_IS_INITIATOR,
    WORKING_DIRECTORY,
    command_arguments,
    hash_fields,
    identified,
    image,
    related_hashes,
    related_users,
)
from .functions import operating_system_type, protocol_fields, related_addresses
from .table import table

__all__ = ["ENDPOINT_TABLES"]

_USER = ("user.name", "user.domain", "user.id", "user.email")
_PROCESS_USER = ("process.user.name", "process.user.id")

DEVICE_PROCESS_EVENTS = table(
    "DeviceProcessEvents",
    PROVIDER,
    constants={},
    copies={
        **DEVICE,
        "process.command_line": "ProcessCommandLine",
        "process.pe.company": "ProcessVersionInfoCompanyName",
        "process.pe.description": "ProcessVersionInfoFileDescription",
        "process.pe.file_version": "ProcessVersionInfoProductVersion",
        "process.pe.original_file_name": "ProcessVersionInfoOriginalFileName",
        "process.pe.product": "ProcessVersionInfoProductName",
        "process.parent.command_line": "InitiatingProcessCommandLine",
        "process.parent.pe.company": "InitiatingProcessVersionInfoCompanyName",
        "process.parent.pe.description": "InitiatingProcessVersionInfoFileDescription",
        "process.parent.pe.file_version": "InitiatingProcessVersionInfoProductVersion",
        "process.parent.pe.original_file_name": "InitiatingProcessVersionInfoOriginalFileName",
        "process.parent.pe.product": "InitiatingProcessVersionInfoProductName",
    },
    computed=(
        EVENT_ID,
        Computed(
            ("host.name", "related.hosts"),
            ("DeviceName", SESSION_DEVICE, "ProcessRemoteSessionDeviceName"),
            devices.host_and_others,
            "The device's name in lower case; related.hosts also has the devices of remote sessions.",
        ),
        Computed(
            ("related.ip",),
            (SESSION_ADDRESS, "ProcessRemoteSessionIP"),
            related_addresses,
            "Where the processes' remote sessions came from.",
        ),
        event_fields("DeviceProcessEvents"),
        image("process", "FolderPath", "FileName"),
        identified("process", "Process"),
        command_arguments("process", "ProcessCommandLine"),
        image("process.parent", "InitiatingProcessFolderPath", "InitiatingProcessFileName"),
        identified("process.parent", "InitiatingProcess"),
        command_arguments("process.parent", "InitiatingProcessCommandLine"),
        Computed(
            ("process.working_directory", "process.parent.working_directory"),
            ("AdditionalFields",),
            devices.working_directories,
            "`ProcessCurrentWorkingDirectory` and `InitiatingProcessCurrentWorkingDirectory` in "
            "AdditionalFields, which Linux and macOS have.",
        ),
        Computed(
            (
                "process.parent.code_signature.status",
                "process.parent.code_signature.exists",
                "process.parent.code_signature.trusted",
                "process.parent.code_signature.valid",
            ),
            ("InitiatingProcessSignatureStatus",),
            devices.signature_fields,
            "Valid, Invalid, Unsigned; Unknown is none.",
        ),
        Computed(
            (
                *_USER,
                *_PROCESS_USER,
                "process.parent.user.name",
                "process.parent.user.id",
                "related.user",
            ),
            (
                "AccountName",
                "AccountDomain",
                "AccountSid",
                "AccountUpn",
                "AccountObjectId",
                *INITIATING_ACCOUNT,
            ),
            devices.created_process_accounts,
            "The user is the account that the process runs as; the parent's is the initiating one's. An id "
            "is the SID, else the id in Entra; related.user has both. What one account lacks is taken from "
            "the other where both have the same SID.",
        ),
        related_hashes(*FILE_HASHES, *INITIATOR_HASHES, of=("process", "process.parent")),
    ),
)

DEVICE_FILE_EVENTS = table(
    "DeviceFileEvents",
    PROVIDER,
    constants={},
    copies={
        **DEVICE,
        **INITIATOR,
        **INITIATOR_VERSION,
        **FILE,
        "file.origin_referrer_url": "FileOriginReferrerUrl",
        "file.origin_url": "FileOriginUrl",
    },
    computed=(
        EVENT_ID,
        event_fields("DeviceFileEvents"),
        image("process", "InitiatingProcessFolderPath", "InitiatingProcessFileName"),
        *INITIATING_PROCESS,
        WORKING_DIRECTORY,
        FILE_COMPUTED,
        Computed(
            ("network.transport", "network.protocol"),
            ("RequestProtocol",),
            protocol_fields,
            "Of the remote request, in lower case; Local is none.",
        ),
        Computed(
            ("host.name", "source.address", "source.ip", "source.port", "related.ip", "related.hosts"),
            (
                "DeviceName",
                "RequestSourceIP",
                "RequestSourcePort",
                "FileOriginIP",
                "FileOriginUrl",
                "FileOriginReferrerUrl",
                SESSION_DEVICE,
                SESSION_ADDRESS,
            ),
            devices.request_ends,
            "The device's name in lower case, and where the remote request came from. related.* also have "
            "where the file and the remote session came from.",
        ),
        Computed(
            (*_USER, *_PROCESS_USER, "related.user"),
            ("RequestAccountName", "RequestAccountDomain", "RequestAccountSid", *INITIATING_ACCOUNT),
            devices.request_accounts,
            "The account of the remote request, else that of the initiating process, which is the process' "
            "own; never parts of both, unless they have the same SID. An id is the SID, else that in Entra.",
        ),
        related_hashes(*FILE_HASHES, *INITIATOR_HASHES, of=("file", "process")),
    ),
)

DEVICE_IMAGE_LOAD_EVENTS = table(
    "DeviceImageLoadEvents",
    PROVIDER,
    constants={},
    copies={
        **DEVICE,
        **INITIATOR,
        **INITIATOR_VERSION,
        **INITIATOR_ACCOUNT,
        **USER_IS_INITIATOR,
        **FILE,
    },
    computed=(
        EVENT_ID,
        event_fields("DeviceImageLoadEvents"),
        HOST_AND_SESSION,
        SESSION_RELATED,
        *INITIATOR_COMPUTED,
        Computed(
            ("dll.path", "dll.name", *FILE_COMPUTED.fields),
            FILE_COMPUTED.inputs,
            devices.library_fields,
            "FolderPath, which mostly is the whole path; where it is a folder, the file's name is appended. "
            "The library is the file.",
        ),
        related_users(),
        Computed(
            (*hash_fields("dll"), *hash_fields("file"), *hash_fields("process"), "related.hash"),
            (*FILE_HASHES, *INITIATOR_HASHES),
            devices.hashes_of_image,
            "In lower case, of the right length for their algorithm and not all zeros.",
        ),
    ),
)

DEVICE_REGISTRY_EVENTS = table(
    "DeviceRegistryEvents",
    PROVIDER,
    constants={},
    copies={
        **DEVICE,
        **INITIATOR,
        **INITIATOR_VERSION,
        **INITIATOR_ACCOUNT,
        **USER_IS_INITIATOR,
    },
    computed=(
        EVENT_ID,
        HOST_AND_SESSION,
        SESSION_RELATED,
        event_fields("DeviceRegistryEvents"),
        *INITIATOR_COMPUTED,
        Computed(
            (
                "registry.hive",
                "registry.key",
                "registry.path",
                "registry.value",
                "registry.data.type",
                "registry.data.strings",
            ),
            (
                "ActionType",
                "RegistryKey",
                "PreviousRegistryKey",
                "RegistryValueName",
                "PreviousRegistryValueName",
                "RegistryValueType",
                "RegistryValueData",
            ),
            state.registry_fields,
            "The hive abbreviated (HKLM), the key without its hive, the type as REG_SZ and so on, numbers in "
            "decimal; the previous key and value name where nothing is there now. No type where a value was "
            "deleted, or where the action is about a key.",
        ),
        related_users(),
        related_hashes(*INITIATOR_HASHES, of=("process",)),
    ),
)

DEVICE_LOGON_EVENTS = table(
    "DeviceLogonEvents",
    PROVIDER,
    constants={},
    copies={
        **DEVICE,
        **INITIATOR,
        **INITIATOR_VERSION,
        "event.reason": "FailureReason",
    },
    computed=(
        EVENT_ID,
        event_fields("DeviceLogonEvents"),
        Computed(
            ("process.executable", "process.name"),
            ("InitiatingProcessFolderPath", "InitiatingProcessFileName"),
            devices.image_in_folder,
            "The folder path with the file's name, which is appended where it does not end in it.",
        ),
        *INITIATING_PROCESS,
        WORKING_DIRECTORY,
        Computed(("network.transport", "network.protocol"), ("Protocol",), protocol_fields, "In lower case."),
        Computed(
            (
                "host.name",
                "source.address",
                "source.ip",
                "source.port",
                "source.domain",
                "related.ip",
                "related.hosts",
            ),
            ("DeviceName", "RemoteIP", "RemotePort", "RemoteDeviceName", SESSION_DEVICE, SESSION_ADDRESS),
            devices.logon_source,
            "The device's name in lower case. The remote device is where the logon came from; its address as "
            "sent, else its name. A port of 0 is none.",
        ),
        Computed(
            (*_USER, *_PROCESS_USER, "related.user"),
            ("AccountName", "AccountDomain", "AccountSid", *INITIATING_ACCOUNT),
            devices.logon_accounts,
            "The user is the account that logs on; the process' account is that of the initiating one. What "
            "one account lacks is taken from the other where both have the same SID. An id is the SID, else "
            "the id in Entra.",
        ),
        related_hashes(*INITIATOR_HASHES, of=("process",)),
    ),
)

DEVICE_FILE_CERTIFICATE_INFO = table(
    "DeviceFileCertificateInfo",
    PROVIDER,
    constants=event_constants("DeviceFileCertificateInfo"),
    copies={
        **DEVICE,
        "file.code_signature.exists": "IsSigned",
        "file.code_signature.timestamp": "CertificateCountersignatureTime",
        "file.code_signature.trusted": "IsTrusted",
        "file.x509.not_after": "CertificateExpirationTime",
        "file.x509.not_before": "CertificateCreationTime",
    },
    computed=(
        EVENT_ID,
        HOST_NAME,
        Computed(
            state.CERTIFICATE_FIELDS,
            ("Signer", "Issuer", "CertificateSerialNumber"),
            state.certificate_fields,
            "Signer and Issuer are common names, or distinguished names with their parts. The serial number "
            "in base 16, in upper case without colons.",
        ),
        Computed(
            ("file.hash.sha1", "file.code_signature.thumbprint_sha256", "related.hash"),
            ("SHA1", "SignerHash", "IssuerHash"),
            state.certificate_hashes,
            "SignerHash is the thumbprint where it is one of SHA-256; related.hash has all three.",
        ),
    ),
)

DEVICE_INFO = table(
    "DeviceInfo",
    PROVIDER,
    constants=event_constants("DeviceInfo"),
    copies={
        **DEVICE,
        "device.id": "AadDeviceId",
        "host.architecture": "OSArchitecture",
        "host.os.version": "OSVersion",
        "observer.version": "ClientVersion",
    },
    computed=(
        EVENT_ID,
        HOST_NAME,
        Computed(
            state.CLOUD_FIELDS,
            (
                "CloudPlatforms",
                "AzureVmSubscriptionId",
                "AzureVmId",
                "AzureResourceId",
                "AwsResourceName",
                "GcpFullResourceName",
            ),
            state.cloud_fields,
            "aws, azure or gcp, by the platform's name, else by which resource id there is. Account, project "
            "and so on as the resource's id says, unless Azure's own ids of the machine do.",
        ),
        Computed(
            ("host.ip", "related.ip"),
            ("PublicIP",),
            state.public_address,
            "The public address from which the device reaches the service, as far as Microsoft knows it.",
        ),
        Computed(
            ("host.os.name", "host.os.platform", "host.type", "device.manufacturer", "device.model.name"),
            ("OSPlatform", "OSDistribution", "DeviceType", "Vendor", "Model"),
            state.named,
            "As sent; Unknown and the like are none.",
        ),
        Computed(
            ("host.os.full",),
            ("OSPlatform", "OSDistribution", "OSVersionInfo"),
            state.full_name_of_system,
            "The distribution's name, else the platform's, and OSVersionInfo, which names the version, "
            "behind it.",
        ),
        Computed(
            ("host.os.type",),
            ("OSPlatform", "OSDistribution"),
            operating_system_type,
            "windows, linux, macos, ios, android or unix, by the platform's or the distribution's name.",
        ),
        Computed(
            ("related.user",),
            ("LoggedOnUsers",),
            state.logged_on_users,
            "Names and security identifiers of the users logged on.",
        ),
    ),
)

DEVICE_NETWORK_INFO = table(
    "DeviceNetworkInfo",
    PROVIDER,
    constants=event_constants("DeviceNetworkInfo"),
    copies=DEVICE,
    computed=(
        EVENT_ID,
        HOST_NAME,
        Computed(
            ("host.ip", "host.mac", "network.name", "related.ip"),
            (
                "IPAddresses",
                "MacAddress",
                "ConnectedNetworks",
                "DnsAddresses",
                "DefaultGateways",
                "IPv4Dhcp",
                "IPv6Dhcp",
            ),
            state.adapter_fields,
            "Valid addresses only; related.ip also has DNS servers, gateways and DHCP servers. The MAC as "
            "ECS writes it, `00-00-5E-00-53-23`. The network's name where the adapter is connected to one.",
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
