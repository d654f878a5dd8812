"""Defender for Endpoint's tables (`Device…`): what is computed."""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ...columns import (
    by_distinct,
    collect,
    file_parts,
    first_known,
    is_ip,
    join_known,
    lower,
    only_ip,
    only_where,
)
from ..endpoint_alerts import process_identity, registry_fields
from ._functions import (
    TEXTS,
    URL_DOMAIN,
    URL_FIELDS,
    Categorised,
    action_name,
    by_action,
    cloud_provider,
    collect_with,
    domain_and_address,
    image_path,
    json_items,
    lowered_list,
    network_type,
    protocol_fields,
    url_fields,
)

__all__ = [
    "CONNECTION_FIELDS",
    "DNS_FIELDS",
    "HTTP_AND_TLS_FIELDS",
    "PROCESS_FIELDS",
    "VERSION_FIELDS",
    "account_or_initiator",
    "addresses_of_adapter",
    "connection",
    "connection_protocol",
    "device_cloud",
    "device_event_accounts",
    "device_event_action",
    "device_event_connection",
    "device_event_processes",
    "device_event_versions",
    "file_action",
    "file_fields",
    "http_and_tls_fields",
    "logged_on_users",
    "logon_action",
    "logon_source",
    "network_action",
    "process_action",
    "public_address",
    "registry_action",
    "registry_key",
    "registry_of",
    "request_addresses",
    "signature_fields",
]

_PROCESS_ACTIONS = {"ProcessCreated": ("start", ["start"])}


@by_action
def process_action(action_type: str | None) -> Categorised:
    """Of DeviceProcessEvents: start for ProcessCreated, else info."""
    action, types = _PROCESS_ACTIONS.get(action_type or "", (action_name(action_type), ["info"]))
    return action, ["process"], types


_FILE_ACTIONS = {
    "FileCreated": ("creation", "creation"),
    "FileModified": ("modification", "change"),
    "FileRenamed": ("rename", "change"),
    "FileDeleted": ("deletion", "deletion"),
}


@by_action
def file_action(action_type: str | None) -> Categorised:
    """Of DeviceFileEvents: creation, change, deletion, else info."""
    action, event_type = _FILE_ACTIONS.get(action_type or "", (action_name(action_type), "info"))
    return action, ["file"], [event_type]


_REGISTRY_ACTIONS = {
    "RegistryKeyCreated": ("creation", "creation"),
    "RegistryKeyDeleted": ("deletion", "deletion"),
    "RegistryKeyRenamed": ("rename", "change"),
    "RegistryValueDeleted": ("deletion", "deletion"),
    "RegistryValueSet": ("modification", "change"),
}


@by_action
def registry_action(action_type: str | None) -> Categorised:
    """Of DeviceRegistryEvents: creation, change, deletion, else access, as ECS has no info there."""
    action, event_type = _REGISTRY_ACTIONS.get(action_type or "", (action_name(action_type), "access"))
    return action, ["registry"], [event_type]


@by_action
def logon_action(action_type: str | None) -> Categorised:
    """Of logons: start."""
    return action_name(action_type), ["authentication"], ["start"]


_CONNECTION_TYPES = {
    "ConnectionAttempt": ["connection", "start"],
    "ConnectionFailed": ["connection", "denied"],
    "ConnectionRequest": ["connection", "start"],
    "ConnectionSuccess": ["connection", "start"],
    "InboundConnectionAccepted": ["allowed", "connection", "start"],
    "InboundConnectionAttempt": ["connection", "start"],
    "ListeningConnectionCreated": ["start"],
}


@by_action
def network_action(action_type: str | None) -> Categorised:
    """Of DeviceNetworkEvents: connection with start or denied; protocol for inspected ones; else info."""
    text = action_type or ""
    inspected = text.endswith("ConnectionInspected")
    return (
        action_name(action_type),
        ["network"],
        _CONNECTION_TYPES.get(text, ["info", "protocol"] if inspected else ["info"]),
    )


_ACTION_CATEGORIES: dict[str, tuple[str, str]] = {
    "AntivirusDetection": ("malware", "info"),
    "AntivirusDetectionActionType": ("malware", "info"),
    "AppControlPolicyApplied": ("configuration", "change"),
    "AuditPolicyModification": ("configuration", "change"),
    "ClrUnbackedModuleLoaded": ("library", "start"),
    "CreateRemoteThreadApiCall": ("api", "change"),
    "DnsQueryRequest": ("network", "protocol"),
    "DnsQueryResponse": ("network", "protocol"),
    "DriverLoad": ("driver", "start"),
    "FileTimestampModificationEvent": ("file", "change"),
    "LdapSearch": ("network", "protocol"),
    "MemoryRemoteProtect": ("process", "change"),
    "PasswordChangeAttempt": ("iam", "change"),
    "PowerShellCommand": ("process", "info"),
    "ProcessCreatedUsingWmiQuery": ("process", "start"),
    "ProcessPrimaryTokenModified": ("process", "change"),
    "RemoteDesktopConnection": ("network", "connection"),
    "RemovableStorageFileEvent": ("file", "info"),
    "ScheduledTaskCreated": ("configuration", "creation"),
    "ScheduledTaskDeleted": ("configuration", "deletion"),
    "ScheduledTaskDisabled": ("configuration", "change"),
    "ScheduledTaskEnabled": ("configuration", "change"),
    "ScheduledTaskUpdated": ("configuration", "change"),
    "SecurityGroupCreated": ("iam", "creation"),
    "SecurityGroupDeleted": ("iam", "deletion"),
    "SensitiveFileRead": ("file", "access"),
    "ServiceInstalled": ("configuration", "creation"),
    "UserAccountAddedToLocalGroup": ("iam", "change"),
    "UserAccountCreated": ("iam", "creation"),
    "UserAccountDeleted": ("iam", "deletion"),
    "UserAccountModified": ("iam", "change"),
    "UserAccountRemovedFromLocalGroup": ("iam", "change"),
    "WriteToLsassProcessMemory": ("process", "change"),
}
_API_VERBS = {"Open": "access", "Read": "access", "Get": "access", "Write": "change", "Set": "change"}
_NETWORK_GUARDS = ("Firewall", "ExploitGuardNetworkProtection")
_GUARDS = ("Asr", "ExploitGuard", "AppControl", "ControlledFolderAccess", "SmartScreen")


@by_action
def device_event_action(action_type: str | None) -> Categorised:
    """Of DeviceEvents: by the action type's own entry, else by how it begins and ends, else host and info."""
    text = action_type or ""
    action = "load" if text == "DriverLoad" else action_name(action_type)
    category, event_type = _ACTION_CATEGORIES.get(text) or _by_form(text)
    types = ["group" if "Group" in text else "user", event_type] if category == "iam" else [event_type]
    return action, ["api", "process"] if category == "api" else [category], types


def _by_form(text: str) -> tuple[str, str]:
    blocked = text.endswith("Blocked")
    if text.endswith("ApiCall"):
        return "api", next((kind for verb, kind in _API_VERBS.items() if text.startswith(verb)), "info")
    if text.startswith(_NETWORK_GUARDS):
        return "network", "denied" if blocked else "info"
    if text.startswith(_GUARDS):
        return "intrusion_detection", "denied" if blocked else "info"
    return "host", "info"


_ABOUT_INITIATOR = frozenset(
    [
        "AntivirusScanCancelled",
        "AntivirusScanCompleted",
        "AntivirusScanFailed",
        "AppControlPolicyApplied",
        "AppGuardBrowseToUrl",
        "AppGuardCreateContainer",
        "AppGuardLaunchedWithUrl",
        "AppGuardResumeContainer",
        "AuditPolicyModification",
        "BrowserLaunchedToOpenUrl",
        "ClrUnbackedModuleLoaded",
        "ControlFlowGuardViolation",
        "DnsQueryResponse",
        "DpapiAccessed",
        "DriverLoad",
        "ExploitGuardAcgEnforced",
        "ExploitGuardWin32SystemCallBlocked",
        "LdapSearch",
        "MemoryRemoteProtect",
        "NamedPipeEvent",
        "OtherAlertRelatedActivity",
        "PowerShellCommand",
        "ProcessPrimaryTokenModified",
        "ScreenshotTaken",
        "SmartScreenUrlWarning",
        "WriteToLsassProcessMemory",
    ]
)
"""Action types, beside the API calls, in which the initiating process acts: the row's own process, if there
is one, is what it acts on."""

PROCESS_FIELDS = (
    "name",
    "executable",
    "hash.md5",
    "hash.sha1",
    "hash.sha256",
    "pid",
    "command_line",
    "start",
    "entity_id",
)
"""What `device_event_processes` gives of the process, and of its parent."""


def acting_process(action_type: pa.Array, number: pa.Array, command_line: pa.Array) -> pa.Array:
    """Whether the row's own process is the one that the event is about, and the initiating one its parent."""

    def acts(text: str | None) -> tuple[bool]:
        return (text is not None and text not in _ABOUT_INITIATOR and not text.endswith("ApiCall"),)

    (own,) = by_distinct(acts, (pa.bool_(),), action_type)
    return pc.and_(pc.fill_null(own, False), pc.or_(pc.is_valid(number), pc.is_valid(command_line)))


def device_event_processes(
    action_type: pa.Array, device: pa.Array, *columns: pa.Array
) -> tuple[pa.Array, ...]:
    """`process.*` and `process.parent.*` of DeviceEvents, as in `PROCESS_FIELDS`.

    Args:
        action_type: says whether the row's own process acts, or the initiating one.
        device: the device's id, for the processes' entity ids.
        columns: name, path, MD5, SHA-1, SHA-256, pid, command line, start and start in ticks of the row's own
            process, the same of the initiating one, and name, pid, start, ticks of that one's parent.
    """
    own, initiating = _process(device, *columns[:9]), _process(device, *columns[9:18])
    name, number, start, ticks = columns[18:]
    nothing = pa.nulls(len(name), pa.string())
    parent = (
        *(name, nothing, nothing, nothing, nothing, number, nothing, start),
        process_identity(device, number, ticks),
    )
    is_own = acting_process(action_type, columns[5], columns[6])
    return _either(is_own, (*own, *initiating), (*initiating, *parent))


def _process(device: pa.Array, name: pa.Array, path: pa.Array, *columns: pa.Array) -> tuple[pa.Array, ...]:
    *known, ticks = columns
    return name, image_path(path, name), *known, process_identity(device, known[3], ticks)


VERSION_FIELDS = ("company", "description", "file_version", "original_file_name", "product")
"""What `device_event_versions` gives of the process' image, and of its parent's, under `pe`."""


def device_event_versions(
    action_type: pa.Array, number: pa.Array, command_line: pa.Array, *initiating: pa.Array
) -> tuple[pa.Array, ...]:
    """`process.pe.*` and `process.parent.pe.*` of DeviceEvents, as in `VERSION_FIELDS`.

    Microsoft says only what the initiating process' image is, which is the process or its parent.
    """
    is_own = acting_process(action_type, number, command_line)
    is_other = pc.invert(is_own)
    return (
        *(only_where(is_other, column) for column in initiating),
        *(only_where(is_own, column) for column in initiating),
    )


def device_event_accounts(
    action_type: pa.Array,
    number: pa.Array,
    command_line: pa.Array,
    name: pa.Array,
    sid: pa.Array,
    initiating_name: pa.Array,
    initiating_sid: pa.Array,
) -> tuple[pa.Array, ...]:
    """`process.user.name`, `.id`, `process.parent.user.name`, `.id` of DeviceEvents."""
    is_own = acting_process(action_type, number, command_line)
    return (
        pc.if_else(is_own, name, initiating_name),
        pc.if_else(is_own, sid, initiating_sid),
        only_where(is_own, initiating_name),
        only_where(is_own, initiating_sid),
    )


def file_fields(path: pa.Array, name: pa.Array) -> tuple[pa.Array, ...]:
    """`file.path`, `.directory` and `.extension`."""
    directory, whole, extension = file_parts(path, name)
    return first_known(whole, path), only_where(pc.is_valid(name), directory), extension


def account_or_initiator(
    name: pa.Array, domain: pa.Array, sid: pa.Array, *initiating: pa.Array
) -> tuple[pa.Array, ...]:
    """`user.name`, `.domain`, `.id` and `.email`: of the account, else of the initiating process' account.

    Args:
        name: the account's name, as `domain` and `sid`.
        domain: its domain.
        sid: its security identifier.
        initiating: name, domain, security identifier and user principal name of the other account.
    """
    known = pc.or_(pc.is_valid(name), pc.is_valid(sid))
    return _either(known, (name, domain, sid, pa.nulls(len(name), pa.string())), initiating)


def signature_fields(status: pa.Array) -> tuple[pa.Array, ...]:
    """`code_signature.exists` and `.trusted` by Microsoft's signature status."""

    def find(text: str | None) -> tuple[bool | None, bool | None]:
        known = {"valid": (True, True), "invalid": (True, False), "unsigned": (False, False)}
        return known.get((text or "").lower(), (None, None))

    return by_distinct(find, (pa.bool_(), pa.bool_()), status)


_OUTGOING = {"ConnectionAttempt", "ConnectionFailed", "ConnectionRequest", "ConnectionSuccess"}
_INCOMING = {
    "InboundConnectionAccepted",
    "InboundConnectionAttempt",
    "InboundInternetScanInspected",
    "ListeningConnectionCreated",
}

CONNECTION_FIELDS = (
    "network.direction",
    "network.type",
    "source.ip",
    "source.port",
    "source.domain",
    "destination.ip",
    "destination.port",
    "destination.domain",
    *URL_FIELDS,
    "related.ip",
    "related.hosts",
)
"""What `connection` gives."""


def direction_of(action_type: pa.Array, direction: pa.Array) -> pa.Array:
    """`network.direction` from the host's point of view, as ECS wants it for hosts: ingress or egress.

    It is what `AdditionalFields` says, else what the action type does; unknown where neither does.
    """

    def find(action: str | None, text: str | None) -> tuple[str]:
        said = {"in": "ingress", "out": "egress"}.get((text or "").lower())
        return (
            said or ("egress" if action in _OUTGOING else "ingress" if action in _INCOMING else "unknown"),
        )

    return by_distinct(find, (pa.string(),), action_type, direction)[0]


def connection(
    action_type: pa.Array,
    direction: pa.Array,
    device_name: pa.Array,
    local: pa.Array,
    local_port: pa.Array,
    remote: pa.Array,
    remote_port: pa.Array,
    url: pa.Array,
    host: pa.Array,
    path: pa.Array,
    server: pa.Array,
    session_device: pa.Array,
    session_address: pa.Array,
    *dns: pa.Array,
) -> tuple[pa.Array, ...]:
    """The two ends of a connection, as in `CONNECTION_FIELDS`, then `DNS_FIELDS`.

    The source is the end that has begun; where the direction is unknown, the host is taken for it. The URL is
    what the event says, whose host is the remote end's domain, else what the inspection saw of HTTP (`host`,
    `path`) or TLS (`server`), whose host is the destination's domain, whichever end that is. The remote
    session's device and address are only related. `dns` is what `dns_fields` takes.
    """
    scheme = pa.repeat(pa.scalar("http://"), len(url))
    asked = first_known(join_known("", scheme, host, pc.fill_null(path, "")), server)
    return _ends(
        direction_of(action_type, direction),
        device_name,
        (local, local_port),
        (remote, remote_port),
        url,
        asked,
        pa.nulls(len(url), pa.string()),
        (session_device, session_address),
        dns_fields(*dns),
    )


def device_event_connection(
    action_type: pa.Array,
    device_name: pa.Array,
    local: pa.Array,
    local_port: pa.Array,
    remote: pa.Array,
    remote_port: pa.Array,
    remote_device: pa.Array,
    url: pa.Array,
    session_device: pa.Array,
    session_address: pa.Array,
    query: pa.Array,
    result: pa.Array,
) -> tuple[pa.Array, ...]:
    """As `connection`, of DeviceEvents: incoming where the action type has Inbound in it, else outgoing where
    it has Outbound.

    The remote end's domain is the remote device, else the URL's host. No direction without a remote address.
    The last fields are those of `dns_query`.
    """
    return _ends(
        only_where(pc.is_valid(remote), _direction_in_name(action_type)),
        device_name,
        (local, local_port),
        (remote, remote_port),
        url,
        pa.nulls(len(url), pa.string()),
        remote_device,
        (session_device, session_address),
        dns_query(query, result),
    )


def _direction_in_name(action_type: pa.Array) -> pa.Array:
    def find(text: str | None) -> tuple[str]:
        name = text or ""
        return ("ingress" if "Inbound" in name else "egress" if "Outbound" in name else "unknown",)

    return by_distinct(find, (pa.string(),), action_type)[0]


def _ends(
    way: pa.Array,
    device_name: pa.Array,
    local: tuple[pa.Array, pa.Array],
    remote: tuple[pa.Array, pa.Array],
    url: pa.Array,
    asked: pa.Array,
    remote_name: pa.Array,
    session: tuple[pa.Array, pa.Array],
    dns: tuple[pa.Array, ...],
) -> tuple[pa.Array, ...]:
    """`url` has the remote end's domain; `asked`, the URL where there is no other, has the destination's."""
    incoming = pc.fill_null(pc.equal(way, "ingress"), False)
    local_address, remote_address = only_ip(local[0]), only_ip(remote[0])
    of_url, of_asked = url_fields(url), url_fields(asked)
    host, url_address = domain_and_address(of_url[URL_DOMAIN])
    server, server_address = domain_and_address(of_asked[URL_DOMAIN])
    domain = first_known(lower(remote_name), host)
    addresses = collect(local_address, remote_address, url_address, server_address, only_ip(session[1]))
    return (
        way,
        network_type(remote_address, local_address),
        pc.if_else(incoming, remote_address, local_address),
        pc.if_else(incoming, remote[1], local[1]),
        only_where(incoming, domain),
        pc.if_else(incoming, local_address, remote_address),
        pc.if_else(incoming, local[1], remote[1]),
        pc.if_else(incoming, server, first_known(domain, server)),
        *_either(pc.is_valid(url), of_url, of_asked),
        collect_with(addresses, dns[-1]),
        collect(lower(device_name), domain, host, server, lower(dns[0]), lower(session[0])),
        *dns,
    )


def _either(
    condition: pa.Array, columns: tuple[pa.Array, ...], others: tuple[pa.Array, ...]
) -> tuple[pa.Array, ...]:
    return tuple(pc.if_else(condition, mine, other) for mine, other in zip(columns, others, strict=True))


def logon_source(
    device_name: pa.Array,
    remote: pa.Array,
    remote_name: pa.Array,
    session_device: pa.Array,
    session_address: pa.Array,
) -> tuple[pa.Array, ...]:
    """`source.ip`, `source.domain`, `related.ip`, `related.hosts` of a logon on the device."""
    address, domain = only_ip(remote), lower(remote_name)
    related = collect(address, only_ip(session_address))
    return address, domain, related, lowered_list(device_name, remote_name, session_device)


def request_addresses(source: pa.Array, *others: pa.Array) -> tuple[pa.Array, pa.Array]:
    """`source.ip` of a remote request, and `related.ip` with it and the others."""
    address = only_ip(source)
    return address, collect(address, *map(only_ip, others))


_INSPECTED = {"Dns": "dns", "Ftp": "ftp", "Http": "http", "Smtp": "smtp", "Ssh": "ssh", "Ssl": "tls"}


def connection_protocol(protocol: pa.Array, action_type: pa.Array) -> tuple[pa.Array, pa.Array]:
    """`network.transport` and `network.protocol`, the latter also by what was inspected."""

    def find(action: str | None) -> tuple[str | None]:
        return (_INSPECTED.get((action or "").removesuffix("ConnectionInspected")),)

    transport, name = protocol_fields(protocol)
    (inspected,) = by_distinct(find, (pa.string(),), action_type)
    return transport, first_known(inspected, name)


_FLAGS = ("AA", "TC", "RD", "RA", "AD", "CD", "DO")
DNS_FIELDS = (
    "dns.question.name",
    "dns.question.class",
    "dns.question.type",
    "dns.response_code",
    "dns.header_flags",
    "dns.resolved_ip",
)
"""What `dns_fields` gives."""


def dns_fields(*columns: pa.Array) -> tuple[pa.Array, ...]:
    """DNS as the network inspection saw it, as in `DNS_FIELDS`.

    Args:
        columns: query, names of class, type and response code, the answers as a JSON array, and the flags AA,
            TC, RD, RA, AD, CD, DO as true or false.
    """
    types = (*(pa.string(),) * 4, TEXTS, TEXTS)
    return by_distinct(_dns, types, *columns)


def _dns(*values: str | None) -> tuple[Any, ...]:
    query, question_class, question_type, code, answers, *flags = values
    short = {"C_INTERNET": "IN", "C_CHAOS": "CH", "C_HESIOD": "HS"}
    addresses = [item for item in json_items(answers) if isinstance(item, str) and is_ip(item)]
    set_flags = [name for name, value in zip(_FLAGS, flags, strict=True) if (value or "").lower() == "true"]
    return (
        query,
        short.get(question_class or "", question_class),
        question_type,
        code,
        set_flags or None,
        list(dict.fromkeys(addresses)) or None,
    )


def dns_query(query: pa.Array, result: pa.Array) -> tuple[pa.Array, ...]:
    """`dns.question.name` and `dns.resolved_ip` of a DnsQueryResponse: all addresses among its results."""

    def find(name: str | None, text: str | None) -> tuple[str | None, list[str] | None]:
        texts = [
            value
            for item in json_items(text)
            for value in (item.values() if isinstance(item, dict) else [item])
            if isinstance(value, str)
        ]
        return name, list(dict.fromkeys(value for value in texts if is_ip(value))) or None

    return by_distinct(find, (pa.string(), TEXTS), query, result)


HTTP_AND_TLS_FIELDS = (
    "http.request.method",
    "http.request.referrer",
    "http.response.status_code",
    "http.version",
    "tls.cipher",
    "tls.client.server_name",
    "tls.established",
    "tls.version",
    "tls.version_protocol",
)
"""What `http_and_tls_fields` gives."""


def http_and_tls_fields(action_type: pa.Array, *columns: pa.Array) -> tuple[pa.Array, ...]:
    """HTTP and TLS as the network inspection saw them, as in `HTTP_AND_TLS_FIELDS`.

    Args:
        action_type: tells whether `version` is HTTP's or TLS's.
        columns: method, referrer, status code, version, cipher, server name, and whether established.
    """
    text = pa.string()
    types = (text, text, pa.int64(), text, text, text, pa.bool_(), text, text)
    return by_distinct(_http_and_tls, types, action_type, *columns)


_STATUS = re.compile("[0-9]{3}")


def _http_and_tls(action: str | None, *values: str | None) -> tuple[Any, ...]:
    method, referrer, status, version, cipher, server, established = values
    is_tls = action == "SslConnectionInspected"
    protocol, number = _tls_version(version) if is_tls else (None, None)
    return (
        method,
        referrer,
        int(status) if status and _STATUS.fullmatch(status) else None,
        None if is_tls else version,
        cipher,
        server,
        {"true": True, "false": False}.get((established or "").lower()),
        number,
        protocol,
    )


def _tls_version(text: str | None) -> tuple[str | None, str | None]:
    """`TLSv12` as (`tls`, `1.2`)."""
    name, _, digits = (text or "").lower().partition("v")
    if name not in ("tls", "ssl", "dtls") or not digits.isdigit():
        return None, None
    return name, ".".join(digits)


def registry_of(
    key: pa.Array, previous_key: pa.Array, name: pa.Array, previous_name: pa.Array, value_type: pa.Array
) -> tuple[pa.Array, ...]:
    """`registry.hive`, `.key`, `.path`, `.data.type` and `.value`; what was there before counts where nothing
    is there now.
    """
    value = first_known(name, previous_name)
    hive = pa.nulls(len(key), pa.string())
    return *registry_fields(hive, first_known(key, previous_key), value, value_type), value


def registry_key(key: pa.Array, value: pa.Array) -> tuple[pa.Array, ...]:
    """`registry.hive`, `.key`, `.path` and `.value`."""
    nothing = pa.nulls(len(key), pa.string())
    return *registry_fields(nothing, key, value, nothing)[:3], value


def device_cloud(platforms: pa.Array, azure: pa.Array, amazon: pa.Array, google: pa.Array) -> pa.Array:
    """`cloud.provider` of a machine: by the platform's name, else by which resource id there is."""
    named = cloud_provider(platforms)
    by_resource = [
        pc.if_else(pc.is_valid(resource), name, pa.scalar(None, pa.string()))
        for resource, name in ((azure, "azure"), (amazon, "aws"), (google, "gcp"))
    ]
    return first_known(named, *by_resource)


def public_address(address: pa.Array) -> tuple[pa.Array, pa.Array]:
    """`host.ip` and `related.ip`."""
    addresses = collect(only_ip(address))
    return addresses, addresses


def logged_on_users(users: pa.Array) -> pa.Array:
    """`related.user`: names and security identifiers from a JSON array of `{UserName, DomainName, Sid}`."""

    def find(text: str | None) -> tuple[list[str] | None]:
        items = [item for item in json_items(text) if isinstance(item, dict)]
        values = [item.get(key) for item in items for key in ("UserName", "Sid")]
        return (list(dict.fromkeys(value for value in values if isinstance(value, str) and value)) or None,)

    return by_distinct(find, (TEXTS,), users)[0]


def addresses_of_adapter(
    addresses: pa.Array, mac: pa.Array, servers: pa.Array, gateways: pa.Array, *dhcp: pa.Array
) -> tuple[pa.Array, ...]:
    """`host.ip`, `host.mac`, `related.ip` of a network adapter.

    Args:
        addresses: JSON array of `{IPAddress, …}`.
        mac: the adapter's hardware address.
        servers: JSON array of DNS servers' addresses.
        gateways: JSON array of gateways' addresses.
        dhcp: addresses of DHCP servers.
    """
    return by_distinct(_adapter, (TEXTS, TEXTS, TEXTS), addresses, mac, servers, gateways, *dhcp)


def _adapter(
    addresses: str | None, mac: str | None, servers: str | None, gateways: str | None, *dhcp: str | None
) -> tuple[list[str] | None, ...]:
    own = [item.get("IPAddress") if isinstance(item, dict) else item for item in json_items(addresses)]
    others = [*json_items(servers), *json_items(gateways), *dhcp]
    own_ips, other_ips = ([ip for ip in ips if isinstance(ip, str) and is_ip(ip)] for ips in (own, others))
    digits = "".join(letter for letter in (mac or "").upper() if letter in "0123456789ABCDEF")
    pairs = [digits[start : start + 2] for start in range(0, len(digits), 2)]
    return (
        list(dict.fromkeys(own_ips)) or None,
        ["-".join(pairs)] if len(pairs) >= _SHORTEST_MAC else None,
        list(dict.fromkeys([*own_ips, *other_ips])) or None,
    )


_SHORTEST_MAC = 6
