"""Evidence of endpoints: devices, files, processes, the registry, malware, logon sessions."""

from __future__ import annotations

from ...columns import HASH_LENGTHS, hash_of
from .._items import NO_TYPE, registry_parts
from .alert import Alert, Fields, Parts, roles_of
from .parts import (
    account_fields,
    device_fields,
    file_fields,
    hash_fields,
    host_of,
    image_fields,
    part,
    user_prefix,
)
from .related import together
from .values import Item, child, children, moment, process_id, text

__all__ = [
    "PROCESS_PREFIXES",
    "device",
    "device_users",
    "file",
    "file_hash",
    "host_logon_session",
    "malware",
    "process",
    "process_account",
    "process_image",
    "registry_key",
    "registry_value",
]


def device(item: Item, alert: Alert) -> Parts:
    """`deviceEvidence`: the host, and the users logged on to it in `related.user`."""
    return device_fields(item), device_users(item)


def device_users(item: Item) -> Fields:
    """Who is logged on, and from where a device was accessed."""
    users = [text(each, "accountName") for each in children(item, "loggedOnUsers")]
    events = children(item, "resourceAccessEvents")
    return {
        "related.user": [each for each in users if each is not None],
        "related.ip": [each for event in events if (each := text(event, "ipAddress")) is not None],
    }


def file(item: Item, alert: Alert) -> Parts:
    """`fileEvidence`: the file, and its host."""
    return host_of(item, alert), part(item, "fileDetails", file_fields)


def process(item: Item, alert: Alert) -> Parts:
    """`processEvidence`: the process, its parent, its image as `file.*`, the account that it ran as."""
    image = part(item, "imageFile", process_image)
    parent = part(item, "parentProcessImageFile", image_fields, "process.parent")
    account = part(item, "userAccount", process_account)
    machine = text(item, "mdeDeviceId")
    own = {
        "process.command_line": text(item, "processCommandLine"),
        **_instance(item, machine, "process"),
        **_instance(item, machine, "parentProcess"),
    }
    return host_of(item, alert), image, parent, account, own


PROCESS_PREFIXES = {"process": "process", "parentProcess": "process.parent"}


def _instance(item: Item, machine: str | None, name: str) -> Fields:
    """Number, start and id of a process or its parent.

    Microsoft sends 0 where it knows no number. The id is as of endpoint alerts: unique among machines and
    times.
    """
    prefix = PROCESS_PREFIXES[name]
    start, number = moment(item, f"{name}CreationDateTime"), process_id(item, f"{name}Id")
    is_known = machine is not None and number is not None and start is not None
    return {
        f"{prefix}.pid": number,
        f"{prefix}.start": start,
        f"{prefix}.entity_id": f"{machine}-{number}-{start}" if is_known else None,
    }


def process_image(details: Item) -> Fields:
    """A process's image, which is also the row's file."""
    fields = file_fields(details)
    hashes = {name: value for name, value in fields.items() if name.startswith("file.hash.")}
    return {
        **fields,
        **{f"process{name.removeprefix('file')}": value for name, value in hashes.items()},
        "process.name": fields["file.name"],
        "process.executable": fields["file.path"],
    }


def process_account(account: Item) -> Fields:
    """The account that a process ran as."""
    fields = account_fields(account)
    return {**fields, "process.user.id": fields["user.id"], "process.user.name": fields["user.name"]}


def registry_key(item: Item, alert: Alert) -> Parts:
    """`registryKeyEvidence`: hive and key."""
    return host_of(item, alert), _registry(item)


def registry_value(item: Item, alert: Alert) -> Parts:
    """`registryValueEvidence`: hive, key, value and its data."""
    data = text(item, "registryValue")
    own = {**_registry(item, data), "registry.data.strings": [data] if data is not None else None}
    return host_of(item, alert), own


def _registry(item: Item, data: str | None = None) -> Fields:
    value, value_type = text(item, "registryValueName"), text(item, "registryValueType")
    if data is None and (value_type or "").lower() == NO_TYPE:
        value_type = None
    hive, key, path, value_type = registry_parts(
        text(item, "registryHive"), text(item, "registryKey"), value, value_type
    )
    return {
        "registry.hive": hive,
        "registry.key": key,
        "registry.path": path,
        "registry.value": value,
        "registry.data.type": value_type,
    }


def malware(item: Item, alert: Alert) -> Fields:
    """`malwareEvidence`: its name as `threat.software.name`, its first file and process, all hashes.

    `file.*` is the first file; only where there is none, the image of the first process.
    """
    files, processes = children(item, "files"), children(item, "processes")
    fields = together(process(processes[0], alert)) if processes else {}
    if files:
        others = {name: value for name, value in fields.items() if not name.startswith("file.")}
        fields = {**together(file(files[0], alert)), **others}
    images = [child(each, "fileDetails") for each in files] + [child(each, "imageFile") for each in processes]
    digests = [digest for each in images for digest in hash_fields(each, "file.hash").values()]
    return {**fields, "threat.software.name": text(item, "name"), "related.hash": digests}


def file_hash(item: Item, alert: Alert) -> Fields:
    """`fileHashEvidence`: the hash of a file; sha256ac, which ECS does not know, only as related."""
    value, name = text(item, "value"), (text(item, "algorithm") or "").lower()
    found = hash_fields({name: value}, "file.hash")
    if found or name in HASH_LENGTHS:
        return found
    return {"related.hash": [digest for each in HASH_LENGTHS if (digest := hash_of(value, each))]}


def host_logon_session(item: Item, alert: Alert) -> Fields:
    """`hostLogonSessionEvidence`: the account, the host, and when the session began and ended."""
    session_host = child(item, "host")
    fields = dict(device_fields(session_host)) if session_host else {}
    identifier = fields.get("host.id")
    if identifier is not None:
        of_device = identifier in alert.devices  # which knows whether it is a virtual machine
        fields.update(
            (name, value)
            for name, value in host_of(session_host, alert).items()
            if value and (not fields.get(name) or (of_device and name.startswith("cloud.")))
        )
    account = child(item, "account")
    account = child(account, "userAccount") or account
    fields.update(account_fields(account, user_prefix(roles_of(item))))
    return fields
