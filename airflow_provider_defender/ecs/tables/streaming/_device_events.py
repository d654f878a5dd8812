"""DeviceEvents: what is computed of processes, accounts and connections."""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ...columns import (
    by_distinct,
    canonical_ip,
    collect,
    first_known,
    known_text,
    only_where,
    positive,
)
from ..endpoint_alerts import registry_fields
from ._connections import ends
from ._devices import file_fields
from ._inspected import by_distinct_where, names_among
from ._processes import Columns, chosen, initiator_and_parent, nothing_like, process_fields
from .functions import TEXTS, URL_DOMAIN, domain_and_address, json_items, url_fields

__all__ = [
    "ACCOUNT_FIELDS",
    "STORAGE_FIELDS",
    "VERSION_FIELDS",
    "device_event_accounts",
    "device_event_connection",
    "device_event_file",
    "device_event_processes",
    "device_event_protocol",
    "device_event_versions",
    "registry_key",
    "storage_fields",
]

_PROTOCOLS = {
    "DnsQueryRequest": "dns",
    "DnsQueryResponse": "dns",
    "LdapSearch": "ldap",
    "RemoteDesktopConnection": "rdp",
}


def device_event_protocol(action_type: pa.Array) -> pa.Array:
    """`network.protocol` of action types that name one."""
    return by_distinct(lambda text: (_PROTOCOLS.get(text or ""),), (pa.string(),), action_type)[0]


_ABOUT_INITIATOR = frozenset(
    [
        "AmsiScriptContent",
        "AmsiScriptDetection",
        "AntivirusScanCancelled",
        "AntivirusScanCompleted",
        "AntivirusScanFailed",
        "AppControlPolicyApplied",
        "AppGuardBrowseToUrl",
        "AppGuardCreateContainer",
        "AppGuardLaunchedWithUrl",
        "AppGuardResumeContainer",
        "AppGuardStopContainer",
        "AppGuardSuspendContainer",
        "AsrLsassCredentialTheftAudited",
        "AsrLsassCredentialTheftBlocked",
        "AuditPolicyModification",
        "BrowserLaunchedToOpenUrl",
        "ClrUnbackedModuleLoaded",
        "ControlFlowGuardViolation",
        "ControlledFolderAccessViolationAudited",
        "ControlledFolderAccessViolationBlocked",
        "DnsQueryRequest",
        "DnsQueryResponse",
        "DpapiAccessed",
        "DriverLoad",
        "ExploitGuardAcgAudited",
        "ExploitGuardAcgEnforced",
        "ExploitGuardWin32SystemCallAudited",
        "ExploitGuardWin32SystemCallBlocked",
        "FileTimestampModificationEvent",
        "GetClipboardData",
        "LdapSearch",
        "MemoryRemoteProtect",
        "NamedPipeEvent",
        "OtherAlertRelatedActivity",
        "PTraceDetected",
        "PlistPropertyModified",
        "PowerShellCommand",
        "ProcessPrimaryTokenModified",
        "ScreenshotTaken",
        "ScriptContent",
        "SensitiveFileRead",
        "ShellLinkCreateFileEvent",
        "SmartScreenUrlWarning",
        "TamperingAttempt",
        "WriteToLsassProcessMemory",
    ]
)
"""Action types, beside the API calls, in which the initiating process acts: the row's own process, if there
is one, is what it acts on."""

_ON_PROCESSES = (
    "MemoryRemoteProtect",
    "PTraceDetected",
    "ProcessPrimaryTokenModified",
    "WriteToLsassProcessMemory",
)
"""Those of them that act on another process, as most API calls do."""


def is_own_process(action_type: pa.Array, number: pa.Array, command_line: pa.Array) -> pa.Array:
    """Whether the row's own process is the one that the event is about, and the initiating one its parent."""

    def acts(text: str | None) -> tuple[bool]:
        return (text is not None and text not in _ABOUT_INITIATOR and not text.endswith("ApiCall"),)

    has_process = pc.or_(pc.is_valid(positive(number)), pc.is_valid(command_line))
    if not pc.any(has_process).as_py():
        return has_process
    (acting,) = by_distinct(acts, (pa.bool_(),), action_type)
    return pc.and_(acting, has_process)


_OWN_PROCESS_COLUMNS = 12


def device_event_processes(action_type: pa.Array, device: pa.Array, *columns: pa.Array) -> Columns:
    """`process.*` and `process.parent.*` of DeviceEvents, as in `PROCESS_FIELDS`.

    Args:
        action_type: says whether the row's own process acts, or the initiating one.
        device: the device's id, for the processes' entity ids.
        columns: name, path, MD5, SHA-1, SHA-256, number, command line, start and start in ticks of the row's
            own process, its working directory, account and the account's SID, then `INITIATING_INPUTS`.
    """
    own = columns[:_OWN_PROCESS_COLUMNS]
    initiator, its_parent = initiator_and_parent(*columns[_OWN_PROCESS_COLUMNS:])
    is_own = is_own_process(action_type, own[5], own[6])
    process, parent = initiator, its_parent
    if pc.any(is_own).as_py():
        process, parent = chosen(is_own, own, initiator), chosen(is_own, initiator, its_parent)
    return (*process_fields(device, *process), *process_fields(device, *parent))


VERSION_FIELDS = ("company", "description", "file_version", "original_file_name", "product")
"""What `device_event_versions` gives of the process' image, and of its parent's, under `pe`."""


def device_event_versions(
    action_type: pa.Array, number: pa.Array, command_line: pa.Array, *initiating: pa.Array
) -> Columns:
    """`process.pe.*` and `process.parent.pe.*` of DeviceEvents, as in `VERSION_FIELDS`.

    Microsoft says only what the initiating process' image is, which is the process or its parent.
    """
    is_own = is_own_process(action_type, number, command_line)
    is_other = pc.invert(is_own)
    return (
        *(only_where(is_other, column) for column in initiating),
        *(only_where(is_own, column) for column in initiating),
    )


ACCOUNT_FIELDS = (
    "user.name",
    "user.domain",
    "user.id",
    "user.email",
    "user.target.name",
    "user.target.domain",
    "user.target.id",
    "group.name",
    "group.domain",
    "group.id",
    "related.user",
)
"""What `device_event_accounts` gives."""

_ON_ACCOUNTS = ("UserAccount", "PasswordChange", "LogonRights", "AccountChecked")
_ON_GROUPS = "SecurityGroup"
_SCAN = "AntivirusScan"
_BY_ACCOUNTS = (
    "AuditPolicyModification",
    "NetworkShareObject",
    "RemoteWmiOperation",
    "ScheduledTask",
    "SecurityLogCleared",
    "ServiceInstalled",
    "WmiBind",
)
"""What is done to tasks, services, shares and logs; a service of Windows may do it for the row's account."""
_SERVICES = pa.array(["S-1-5-18", "S-1-5-19", "S-1-5-20"])
"""The SIDs of SYSTEM, LOCAL SERVICE and NETWORK SERVICE."""


def _role_of_account(action: str | None) -> tuple[str]:
    """What the row's account is to the action: a group, its object or subject, a process' account, or any."""
    text = action or ""
    if text.startswith(_ON_GROUPS):
        return ("group",)
    if text.startswith(_ON_ACCOUNTS):
        return ("object",)
    if text.startswith(_BY_ACCOUNTS):
        return ("subject",)
    if text.endswith("ApiCall") or text in _ON_PROCESSES:
        return ("process",)
    return ("scan",) if text.startswith(_SCAN) else ("any",)


def device_event_accounts(
    action_type: pa.Array,
    number: pa.Array,
    command_line: pa.Array,
    name: pa.Array,
    domain: pa.Array,
    sid: pa.Array,
    *others: pa.Array,
) -> Columns:
    """Who acts, who is acted upon, and groups, as in `ACCOUNT_FIELDS`: each one identity, never parts of two.

    Args:
        action_type: says what the row's account is to the action.
        number: the row's own process, whose account acts if that process does.
        command_line: its command line.
        name: the row's account.
        domain: its domain.
        sid: its SID.
        others: name, domain, SID, Entra's object id and user principal name of the initiating process'
            account; name, domain and SID of the group, and user and domain of the scan, among
            `AdditionalFields`.
    """
    initiating, group, scan = others[:5], others[5:8], others[8:10]
    (role,) = by_distinct(_role_of_account, (pa.string(),), action_type)
    is_group, is_object = pc.equal(role, "group"), pc.equal(role, "object")
    account = (name, domain, sid)
    of_group = chosen(pc.and_(is_group, pc.invert(_is_known(*group))), account, group)
    if pc.any(is_group).as_py():
        account = tuple(only_where(pc.invert(is_group), column) for column in account)
    is_target = pc.or_(is_object, pc.equal(role, "process"))
    is_for_account = pc.and_(pc.equal(role, "subject"), pc.is_in(initiating[2], _SERVICES))
    acts = pc.or_(is_own_process(action_type, number, command_line), is_for_account)
    actor = _actor(account, initiating, is_target, acts)
    if pc.any(pc.is_valid(scan[0])).as_py():
        is_scan = pc.and_not(pc.equal(role, "scan"), _is_known(*actor[:3]))
        nothing = nothing_like(name)
        scanning = tuple(only_where(is_scan, column) for column in scan)
        actor = chosen(pc.is_valid(scanning[0]), (*scanning, nothing, nothing), actor)
    target = _target(account, actor, is_object)
    by_initiator = (initiating[0], initiating[4], initiating[2], initiating[3])
    return (*actor, *target, *of_group, collect(account[0], account[2], *by_initiator, actor[0]))


def _is_known(*columns: pa.Array) -> pa.Array:
    name, _, identifier = columns
    return pc.or_(pc.is_valid(name), pc.is_valid(identifier))


def _actor(account: Columns, initiating: Columns, is_target: pa.Array, acts: pa.Array) -> Columns:
    """Name, domain, id and user principal name of who acts.

    It is the initiating process' account, but the row's where this or its process acts (`acts`). The row's
    account stands in where the initiating one is not known, unless it is acted upon; and where it is the same
    one, by its SID, and only it has the name.
    """
    name, domain, sid, object_id, principal = initiating
    of_account = (*account, nothing_like(name))
    of_initiator = (name, domain, first_known(sid, object_id), principal)
    is_same = pc.fill_null(pc.equal(account[2], sid), False)
    is_named = pc.and_(pc.is_valid(account[0]), pc.is_null(name))
    unknown = pc.invert(pc.or_(_is_known(name, domain, of_initiator[2]), pc.is_valid(principal)))
    instead = pc.and_not(pc.or_(acts, unknown), is_target)
    instead = pc.and_(_is_known(*account), pc.or_(instead, pc.and_(is_same, is_named)))
    return chosen(instead, of_account, of_initiator)


def _target(account: Columns, actor: Columns, is_object: pa.Array) -> Columns:
    """Name, domain and SID of the row's account where it is acted upon.

    That is so by the meaning of the action (`is_object`), or because it is another account than the one that
    acts.
    """
    name, _, sid = account
    has_sids = pc.and_(pc.is_valid(sid), pc.fill_null(pc.starts_with(actor[2], "S-"), False))
    same_sid = pc.fill_null(pc.equal(sid, actor[2]), False)
    same_name = pc.fill_null(pc.equal(pc.utf8_lower(name), pc.utf8_lower(actor[0])), False)
    is_actor = pc.if_else(has_sids, same_sid, same_name)
    wanted = pc.or_(is_object, pc.invert(is_actor))
    return tuple(only_where(wanted, column) for column in account)


def device_event_file(path: pa.Array, name: pa.Array, pipe: pa.Array) -> Columns:
    r"""As `file_fields`; of a NamedPipeEvent without a file, the pipe, a file of the pipes' file system.

    Args:
        path: the file's path.
        name: its name.
        pipe: the pipe's whole path, as `\Device\NamedPipe\svcctl`; a dot in it begins no extension.
    """
    file = file_fields(path, name)
    if pipe.null_count == len(pipe):
        return file
    is_pipe = pc.and_(pc.is_null(path), pc.is_null(name))
    own = by_distinct(_pipe, (pa.string(),) * 3, only_where(is_pipe, pipe))
    whole, folder, last = (first_known(*pair) for pair in zip((file[0], file[1], file[3]), own, strict=True))
    return whole, folder, file[2], last, *file[4:]


def _pipe(path: str | None) -> tuple[str | None, ...]:
    folder, _, name = (path or "").rpartition("\\")
    return path, folder or None, name or None


_SERVED_AT = {"NamedPipeEvent": 445, "RemoteDesktopConnection": 3389}
"""The port at which Windows serves what the action type is about: pipes of other devices go through SMB."""
_BEGUN_BY_OTHERS = ("NetworkShareObjectAccessChecked", "RemoteWmiOperation")
"""Action types of what another device asks of this one."""


def device_event_connection(
    action_type: pa.Array,
    device_name: pa.Array,
    local: pa.Array,
    local_port: pa.Array,
    remote: pa.Array,
    remote_port: pa.Array,
    remote_device: pa.Array,
    url: pa.Array,
    file_origin_url: pa.Array,
    file_origin_address: pa.Array,
    *more: pa.Array,
) -> Columns:
    """The two ends of a connection and a URL, as in `CONNECTION_FIELDS`, then those of `dns_query`.

    The remote end's domain is the remote device, else the URL's host.

    Args:
        action_type: says which end began, by Inbound or Outbound in it.
        device_name: the device.
        local: its address.
        local_port: its port.
        remote: the other end's address.
        remote_port: the other end's port.
        remote_device: the other end's name.
        url: the URL.
        file_origin_url: where the file came from; its host is related.
        file_origin_address: the address that the file came from; it is related.
        more: names and addresses of the devices of two remote sessions; then among `AdditionalFields` local
            address and port, remote address and port, the URLs `Uri` and `destinationUrl`, and what
            `dns_query` takes.
    """
    devices, addresses, extra = more[:2], more[2:4], more[4:]
    host, origin = _origin_host(file_origin_url)
    local, remote = first_known(local, extra[0]), first_known(remote, extra[2])
    of_url = url_fields(_whole_url(url, first_known(extra[4], extra[5])))
    *dns, answered = dns_query(*extra[6:])
    ports = (_port(local_port, extra[1]), _port(remote_port, extra[3]))
    return ends(
        _direction(action_type, remote, *ports),
        device_name,
        (local, ports[0]),
        (remote, ports[1]),
        of_url,
        of_url[URL_DOMAIN],
        nothing_like(url),
        remote_device,
        (*devices, host),
        (*addresses, origin, file_origin_address),
        tuple(dns),
        answered,
    )


def _origin_host(url: pa.Array) -> tuple[pa.Array, pa.Array]:
    """The host of the URL that a file came from, as a name or as an address."""
    if url.null_count == len(url):
        return url, url
    return domain_and_address(url_fields(url)[URL_DOMAIN])


def _whole_url(url: pa.Array, other: pa.Array) -> pa.Array:
    """The URL; the other one where that is a mere name, or null."""
    if other.null_count == len(other):
        return url
    is_whole = pc.fill_null(pc.match_substring(url, "://"), False)
    return first_known(only_where(is_whole, url), other, url)


def _port(port: pa.Array, text: pa.Array) -> pa.Array:
    """The port, else the one that is a text."""
    if text.null_count == len(text):
        return port
    digits = only_where(pc.match_substring_regex(text, "^[0-9]{1,5}$"), text)
    return first_known(port, digits.cast(pa.int64()))


def _direction(
    action_type: pa.Array, remote: pa.Array, local_port: pa.Array, remote_port: pa.Array
) -> pa.Array:
    """Incoming where the action type has Inbound in it, or is what another device began; outgoing likewise.

    Which end began a remote desktop session, or opened a pipe, shows in the port that Windows listens on for
    it. Unknown where there is another end, else null.
    """

    def find(text: str | None) -> tuple[str | None, int | None]:
        name = text or ""
        if "Inbound" in name or name in _BEGUN_BY_OTHERS:
            return "ingress", None
        return "egress" if "Outbound" in name else None, _SERVED_AT.get(name)

    named, served_at = by_distinct(find, (pa.string(), pa.int64()), action_type)
    if remote.null_count == len(remote):
        return named
    serves, asks = (pc.fill_null(pc.equal(port, served_at), False) for port in (local_port, remote_port))
    nothing = pa.scalar(None, pa.string())
    by_port = pc.if_else(serves, "ingress", pc.if_else(asks, "egress", nothing))
    unknown = pc.if_else(pc.is_valid(remote), "unknown", nothing)
    return first_known(named, by_port, unknown)


def dns_query(query: pa.Array, result: pa.Array) -> Columns:
    """`dns.question.name`, `dns.resolved_ip` and `dns.type` of a DnsQueryResponse, and names in its results.

    All addresses among its results are resolved ones.
    """

    def find(name: str | None, text: str | None) -> tuple[Any, ...]:
        texts = [
            value
            for item in json_items(text)
            for value in (item.values() if isinstance(item, dict) else [item])
            if isinstance(value, str)
        ]
        found = dict.fromkeys(filter(None, map(canonical_ip, texts)))
        return name, list(found) or None, "answer" if name or found else None, names_among(texts)

    return by_distinct(find, (pa.string(), TEXTS, pa.string(), TEXTS), query, result)


STORAGE_FIELDS = (
    "device.id",
    "device.type",
    "volume.bus_type",
    "volume.dos_name",
    "volume.product_id",
    "volume.product_name",
    "volume.serial_number",
    "volume.size",
    "volume.vendor_id",
    "volume.vendor_name",
)
"""What `storage_fields` gives."""

_WITH_DEVICE = "^(?:Pnp|RemovableStorage|UsbDrive)"
_BUSES = (
    "Scsi Atapi Ata 1394 Ssa Fibre Usb RAID iScsi Sas Sata Sd Mmc Virtual FileBackedVirtual Spaces Nvme SCM "
    "Ufs"
)
_BUS_NAMES = {str(number): name for number, name in enumerate(_BUSES.split(), 1)}
"""Windows' `STORAGE_BUS_TYPE`: number → name."""


def storage_fields(action_type: pa.Array, *columns: pa.Array) -> Columns:
    """A plugged device and its volume, as in `STORAGE_FIELDS`.

    Args:
        action_type: of drives, removable storage and plug-and-play devices.
        columns: the ids of the device itself and of its kind, its class, the bus type, which is a number of
            Windows, drive letter, product id, the product's and the medium's name, serial number under two
            names, size in bytes, vendor id and manufacturer.
    """
    text = pa.string()
    types = (*(text,) * 7, pa.int64(), text, text)
    has_device = pc.match_substring_regex(action_type, _WITH_DEVICE, ignore_case=True)
    return by_distinct_where(has_device, _storage, types, *columns)


def _storage(*values: str | None) -> tuple[str | int | None, ...]:
    known = map(known_text, values)
    instance, device, kind, bus, letter, product, name, medium, serial, other_serial, *more = known
    size, vendor, maker = more
    return (
        instance or device,
        kind,
        _BUS_NAMES.get(bus or "", bus),
        letter,
        product,
        name or medium,
        serial or other_serial,
        int(size) if size and _SIZE.fullmatch(size) else None,
        vendor,
        maker,
    )


_SIZE = re.compile("[0-9]{1,18}")


def registry_key(key: pa.Array, value: pa.Array) -> tuple[pa.Array, ...]:
    """`registry.hive`, `.key`, `.path` and `.value`."""
    nothing = pa.nulls(len(key), pa.string())
    return *registry_fields(nothing, key, value, nothing)[:3], value
