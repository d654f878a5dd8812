"""What several types of evidence have in common: accounts, devices, files, addresses."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeAlias

from msgspec import Raw

from ...columns import (
    HASH_LENGTHS,
    URL_PARTS,
    canonical_ip,
    hash_of,
    known_name,
    network_type,
    parts_of_url,
)
from ...operating_systems import operating_system_family
from .._items import account_names, file_paths
from .alert import Alert, Fields, Roles
from .related import Part
from .values import (
    LONGEST_KEPT,
    Item,
    address,
    are_short,
    child,
    count,
    known,
    member,
    parsed,
    spelled,
    text,
    texts,
)

__all__ = [
    "ATTACKED",
    "DESTINATIONS",
    "DEVICE_PROPERTIES",
    "SOURCES",
    "account_fields",
    "address_fields",
    "device_fields",
    "end_fields",
    "file_fields",
    "hash_fields",
    "host_addresses",
    "host_of",
    "image_fields",
    "machine_fields",
    "os_name",
    "part",
    "url_fields",
    "user_prefix",
]

ATTACKED = frozenset({"attacked", "destination"})
"""Roles of what is acted upon."""
_CHANGED = frozenset({"added", "created", "edited"})
"""Roles of an account that an attacker has made or changed."""
_SCANNED = frozenset({"attacked", "scanned"})
"""Roles of an address that traffic went to, as far as no other role says that it came from there."""
SOURCES = frozenset({"source", "attacker"})
"""Roles of where traffic comes from, and of who acts."""
DESTINATIONS = frozenset({"destination", "commandandcontrol"})
"""Roles of where traffic goes to."""


def user_prefix(roles: Roles) -> str:
    """`user.target` for an account that is acted upon, else `user`; one that acts, too, is `user`."""
    if not roles or not SOURCES.isdisjoint(roles):
        return "user"
    return "user" if ATTACKED.isdisjoint(roles) and _CHANGED.isdisjoint(roles) else "user.target"


def account_fields(account: Item, prefix: str = "user") -> Fields:
    """A `userAccount`: name, domain, id (the SID, else Entra's object id), address and display name.

    Name and domain are those of the user principal name where they are not sent by themselves. All ids are in
    `related.user`.
    """
    sid, object_id = text(account, "userSid"), text(account, "azureAdUserId")
    principal = text(account, "userPrincipalName")
    name, domain, email = account_names(text(account, "accountName"), text(account, "domainName"), principal)
    fields: Fields = {
        f"{prefix}.name": name,
        f"{prefix}.domain": domain,
        f"{prefix}.id": sid or object_id,
        f"{prefix}.email": email,
        f"{prefix}.full_name": text(account, "displayName"),
    }
    identifiers = (principal, sid, object_id, text(account, "activeDirectoryObjectGuid"))
    others = [each for each in identifiers if each is not None]
    if others:
        fields["related.user"] = others
    return fields


def part(item: Item, name: str, function: Callable[..., Fields], *arguments: str) -> Part:
    """What a function makes of the object under a name; the same part for the same JSON."""
    value = item.get(name)
    if type(value) is Raw:
        data = bytes(value)
        if len(data) <= LONGEST_KEPT:
            return _part(data, function, arguments)
    return Part(function(child(item, name), *arguments))


@lru_cache(maxsize=8192)
def _part(data: bytes, function: Callable[..., Fields], arguments: tuple[str, ...]) -> Part:
    value = parsed(data)
    return Part(function(spelled(value) if isinstance(value, dict) else {}, *arguments))


def host_of(item: Item, alert: Alert) -> Part:
    """The host of an item that only has a device's id: of the alert's evidence of that device."""
    identifier = text(item, "mdeDeviceId")
    if identifier is None:
        return _NOTHING
    host = alert.hosts.get(identifier)
    if host is None:
        device = alert.devices.get(identifier)
        host = _unknown_host(identifier) if device is None else device_fields(device)
        alert.hosts[identifier] = host
    return host


_NOTHING = Part({})


def _unknown_host(identifier: str) -> Part:
    return Part({"host.id": identifier, "cloud.instance.id": identifier})


DEVICE_PROPERTIES = (
    *(
        "mdeDeviceId",
        "deviceDnsName",
        "hostName",
        "ntDomain",
        "dnsDomain",
        "osPlatform",
        "version",
        "osBuild",
    ),
    *("riskScore", "lastIpAddress", "lastExternalIpAddress", "azureAdDeviceId"),
)
"""The properties of a device that `device_fields` reads, besides `ipInterfaces` and `vmMetadata`."""


def device_fields(device: Item) -> Part:
    """A `deviceEvidence` as `host.*`.

    The external address is that of whatever stands between the device and the internet, mostly a NAT that
    many devices share: it is in `related.ip`, not the host's own. Of a virtual machine in Azure, `cloud.*`
    has the machine's id, name and subscription.
    """
    interfaces = tuple(texts(device, "ipInterfaces"))
    metadata = device.get("vmMetadata")
    machine = machine_fields(child(device, "vmMetadata")) if metadata is not None else _NO_MACHINE
    values = tuple(map(device.get, DEVICE_PROPERTIES))
    try:
        if are_short(values) and are_short(interfaces) and are_short(tuple(value for _, value in machine)):
            return _kept_device(interfaces, machine, *values)
        return _device(interfaces, machine, *values)
    except TypeError:  # an odd value that is a list or an object
        return _device(interfaces, machine, *(text(device, name) for name in DEVICE_PROPERTIES))


_Machine: TypeAlias = "tuple[tuple[str, str | None], ...]"
_NO_MACHINE: _Machine = ()


def machine_fields(metadata: Item) -> _Machine:
    """What `vmMetadata` says of a virtual machine: its id, name and subscription in Azure."""
    resource = text(metadata, "resourceId") or ""
    found = (
        ("cloud.instance.id", text(metadata, "vmId")),
        ("cloud.instance.name", resource.rpartition("/virtualMachines/")[2].partition("/")[0] or None),
        ("cloud.account.id", text(metadata, "subscriptionId")),
    )
    return tuple((name, value) for name, value in found if value is not None)


def _device(interfaces: tuple[str, ...], machine: _Machine, *values: Any) -> Part:
    sent = dict(zip(DEVICE_PROPERTIES, values, strict=True))
    device = {name: text(sent, name) for name in DEVICE_PROPERTIES}
    name = known_name(device["deviceDnsName"]) or known_name(device["hostName"])
    platform, risk = os_name(device["osPlatform"]), member(sent, "riskScore")
    external = address(device["lastExternalIpAddress"])
    return Part(
        {
            "host.id": device["mdeDeviceId"],
            "host.hostname": name,
            "host.name": name.lower() if name is not None else None,
            "host.domain": device["ntDomain"] or device["dnsDomain"],
            "host.ip": host_addresses(device["lastIpAddress"], *interfaces),
            "host.os.name": platform,
            "host.os.type": operating_system_family(platform),
            "host.os.version": os_name(device["version"]),
            "host.os.build": device["osBuild"] if device["osBuild"] != "0" else None,
            "host.risk.calculated_level": risk,
            "device.id": device["azureAdDeviceId"],
            "cloud.instance.id": device["mdeDeviceId"],
            **dict(machine),
            "related.ip": [external] if external is not None else None,
        }
    )


_kept_device = lru_cache(maxsize=8192, typed=True)(_device)


def host_addresses(*addresses: str | None) -> list[str]:
    """The texts that are addresses, each once."""
    return list(dict.fromkeys(plain for each in addresses if (plain := address(each)) is not None))


def os_name(platform: str | None) -> str | None:
    """The name of a platform or the text of a version; `Unknown` and `Other` are none."""
    return platform if platform is not None and platform.strip().lower() not in {"unknown", "other"} else None


def _paths_of(details: Item) -> tuple[str | None, ...]:
    directory, name = text(details, "filePath"), text(details, "fileName")
    return (_kept_paths if are_short((directory, name)) else file_paths)(directory, name)


_kept_paths = lru_cache(maxsize=16384)(file_paths)


def file_fields(details: Item, prefix: str = "file") -> Fields:
    """A `fileDetails` as `file.*` or another prefix: name, paths, extension, size, hashes, signer.

    `filePath` is the directory, or already the whole path. A name with a separator is the path. Of `a.txt:b`,
    an alternate data stream, the name is `a.txt` and `fork_name` b; the path has both, as ECS has it.
    """
    name, directory, path, extension, stream = _paths_of(details)
    fields: Fields = {
        f"{prefix}.name": name,
        f"{prefix}.directory": directory,
        f"{prefix}.path": path,
        f"{prefix}.extension": extension,
        f"{prefix}.fork_name": stream,
        f"{prefix}.size": count(details, "fileSize"),
        f"{prefix}.code_signature.subject_name": text(details, "signer", "filePublisher"),
    }
    fields.update(hash_fields(details, f"{prefix}.hash"))
    fields.update(_authentihash(details))
    return fields


def _authentihash(details: Item) -> Fields:
    """`sha256Ac`, the hash of a file without its signature, for which ECS has no field of its own."""
    value = hash_of(text(details, "sha256Ac"), "sha256")
    return {"related.hash": [value]} if value is not None else {}


def hash_fields(details: Item, prefix: str) -> Fields:
    """md5, sha1 and sha256 where they have the right length, in lower case."""
    found = {f"{prefix}.{name}": hash_of(text(details, name), name) for name in HASH_LENGTHS}
    return {name: value for name, value in found.items() if value is not None}


def image_fields(details: Item, prefix: str) -> Fields:
    """The image of a process: `name`, `executable`, `hash.*` under `process` or `process.parent`."""
    name, _, path, _, _ = _paths_of(details)
    return {
        f"{prefix}.name": name,
        f"{prefix}.executable": path,
        **hash_fields(details, f"{prefix}.hash"),
        **_authentihash(details),
    }


def address_fields(item: Item, roles: Roles) -> Fields:
    """An `ipEvidence` by its roles: source, destination, or only related."""
    if not DESTINATIONS.isdisjoint(roles):
        prefix = "destination"
    elif not SOURCES.isdisjoint(roles):
        prefix = "source"
    elif not _SCANNED.isdisjoint(roles):
        prefix = "destination"
    else:
        plain = address(text(item, "ipAddress"))
        return {"related.ip": [plain]} if plain is not None else {}
    fields = end_fields(item, prefix)
    fields["network.type"] = network_type(fields.get(f"{prefix}.ip"))
    return fields


def end_fields(item: Item, prefix: str) -> Fields:
    """An `ipEvidence` as one end of a connection, `source` or `destination`, with its place.

    `address` keeps what is sent where that is no IP address; that of zeros is none. A country of two letters
    is a code.
    """
    raw, place = text(item, "ipAddress"), child(item, "location")
    plain, country = address(raw), text(place, "countryName")
    code = country if country is not None and _is_country(country) else None
    code = text(item, "countryLetterCode") or code
    return {
        f"{prefix}.ip": plain,
        f"{prefix}.address": plain or (raw if canonical_ip(raw) is None else None),
        f"{prefix}.geo.city_name": text(place, "city"),
        f"{prefix}.geo.country_iso_code": code.upper() if code and _is_country(code) else None,
        f"{prefix}.geo.country_name": country if country and not _is_country(country) else None,
        f"{prefix}.geo.region_name": text(place, "state"),
    }


_is_country = re.compile(r"[A-Za-z]{2}\Z").match


_URL_FIELDS = tuple(f"url.{name}" for name in URL_PARTS)
_DOMAIN = list(URL_PARTS).index("domain")


def _url(value: str) -> Part:
    parts = parts_of_url(value)
    fields = {"url.original": value, **dict(zip(_URL_FIELDS, parts, strict=True))}
    if fields["url.scheme"] is not None:
        fields["url.full"] = value.strip()
    return Part(fields)


_kept_url = lru_cache(maxsize=8192)(_url)


def url_fields(value: str | None) -> Part:
    """A URL as `url.*`: its parts only where its host is one; `url.full` only with a scheme."""
    if value is None or not known(value):
        return _NOTHING
    return (_kept_url if len(value) <= LONGEST_KEPT else _url)(value)
