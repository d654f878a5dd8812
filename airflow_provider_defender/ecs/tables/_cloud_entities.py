"""The entities of Defender for Cloud's alerts: objects that refer to each other, as ECS fields."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from ..columns import LARGEST_PORT, URL_PARTS, by_distinct, extension_of, is_ip, parts_of_file, parts_of_url
from .streaming._functions import TEXTS, json_items, process_number, protocol_fields

__all__ = ["ENTITY_FIELDS", "entity_fields"]

_TEXT, _LONG = pa.string(), pa.int64()

_TYPES: dict[str, pa.DataType] = {
    "event.category": TEXTS,
    "host.hostname": _TEXT,
    "host.name": _TEXT,
    "host.os.type": _TEXT,
    "user.name": _TEXT,
    "user.domain": _TEXT,
    "user.id": _TEXT,
    "process.pid": _LONG,
    "process.name": _TEXT,
    "process.executable": _TEXT,
    "process.command_line": _TEXT,
    "process.hash.md5": _TEXT,
    "process.hash.sha1": _TEXT,
    "process.hash.sha256": _TEXT,
    "process.parent.pid": _LONG,
    "process.parent.name": _TEXT,
    "process.parent.command_line": _TEXT,
    "file.name": _TEXT,
    "file.directory": _TEXT,
    "file.path": _TEXT,
    "file.extension": _TEXT,
    "file.hash.md5": _TEXT,
    "file.hash.sha1": _TEXT,
    "file.hash.sha256": _TEXT,
    "source.ip": _TEXT,
    "source.port": _LONG,
    "source.geo.country_iso_code": _TEXT,
    "source.geo.city_name": _TEXT,
    "destination.ip": _TEXT,
    "destination.port": _LONG,
    "network.transport": _TEXT,
    "dns.question.name": _TEXT,
    "dns.resolved_ip": TEXTS,
    "url.full": _TEXT,
    "url.original": _TEXT,
    **{f"url.{part}": arrow_type for part, arrow_type in URL_PARTS.items()},
    "container.id": _TEXT,
    "container.name": _TEXT,
    "container.image.name": _TEXT,
    "related.ip": TEXTS,
    "related.hosts": TEXTS,
    "related.user": TEXTS,
    "related.hash": TEXTS,
}
_RESULTS = tuple(_TYPES.values())
ENTITY_FIELDS = tuple(_TYPES)
"""What `entity_fields` gives."""


def entity_fields(alert_type: pa.Array, entities: pa.Array, machine: pa.Array) -> tuple[pa.Array, ...]:
    """The ECS fields of `ENTITY_FIELDS`.

    Args:
        alert_type: tells malware.
        entities: JSON array of objects with a `Type`. `{"$ref": "4"}` stands for the object whose `$id` is 4,
            anywhere in the array.
        machine: the host's name where no entity tells it.

    Single fields are those of the first entity of their kind, but of processes the first that is no other's
    parent, and of files the first that is not the parent's image; `related.*` has what all entities have.
    `source` and `destination` are those of the first network connection. Where it names no source, that is
    the first address of which no entity says that it is something else.
    """
    results = dict(
        zip(ENTITY_FIELDS, by_distinct(_fields, _RESULTS, alert_type, entities, machine), strict=True)
    )
    results["network.transport"] = protocol_fields(results["network.transport"])[0]
    return tuple(results.values())


def _fields(alert_type: str | None, text: str | None, machine: str | None) -> tuple[Any, ...]:
    entities = _Entities(json_items(text), machine)
    found: dict[str, Any] = {}
    for part in (_host, _account, _process, _file, _connection, _dns, _url, _container):
        found.update(part(entities))
    found["event.category"] = _categories(alert_type, entities)
    found.update(_related(entities))
    return tuple(found.get(name) for name in ENTITY_FIELDS)


class _Entities:
    """An alert's entities, with their references resolved on the way."""

    def __init__(self, items: list[Any], machine: str | None) -> None:
        self._machine = machine
        self._by_id: dict[str, dict[str, Any]] = {}
        self.all = list(self._walk(items))
        for each in self.all:
            identifier = _text(each, "$id")
            if identifier is not None:
                self._by_id.setdefault(identifier, each)
        self.process, parent = self._main_process()
        image = self.of(parent, "ImageFile")
        files = self.kind("file")
        self.file = next((each for each in files if each is not image), next(iter(files), {}))

    def _main_process(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The first process that is no other's parent, else the first one; and its own parent."""
        processes = self.kind("process")
        parents = [self.of(each, "ParentProcess") for each in processes]
        older = {id(parent) for each, parent in zip(processes, parents, strict=True) if parent is not each}
        found = [pair for pair in zip(processes, parents, strict=True) if id(pair[0]) not in older]
        return next(iter(found or zip(processes, parents, strict=True)), ({}, {}))

    def _walk(self, value: Any) -> Iterator[dict[str, Any]]:
        """All objects, each before those inside it."""
        stack = [value]
        while stack:
            value = stack.pop()
            if isinstance(value, dict):
                yield value
                stack.extend(reversed(list(value.values())))
            elif isinstance(value, list):
                stack.extend(reversed(value))

    def of(self, owner: dict[str, Any], key: str) -> dict[str, Any]:
        """The object under a key, or the one it refers to; empty where there is none."""
        value = owner.get(key)
        if isinstance(value, dict) and "$ref" in value:
            value = self._by_id.get(_text(value, "$ref") or "")
        return value if isinstance(value, dict) else {}

    def listed(self, owner: dict[str, Any], key: str) -> list[dict[str, Any]]:
        """The objects of a list under a key, with references resolved."""
        values = owner.get(key)
        return [self.of({"": value}, "") for value in values] if isinstance(values, list) else []

    def host_name(self, host: dict[str, Any]) -> str | None:
        """A host's name; where there is no host at all that of the machine."""
        return _text(host, "HostName", "NetBiosName") or (None if self.kind("host") else self._machine)

    def kind(self, name: str) -> list[dict[str, Any]]:
        """All entities of a type."""
        return [each for each in self.all if _type(each) == name]

    def first(self, name: str) -> dict[str, Any]:
        """The first entity of a type; empty where there is none."""
        return next(iter(self.kind(name)), {})


def _text(entity: dict[str, Any], *keys: str) -> str | None:
    """The first text or whole number under the keys that is not empty."""
    for key in keys:
        value = entity.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63:
            return str(value)
        if isinstance(value, str) and value.strip():
            return value
    return None


def _type(entity: dict[str, Any]) -> str:
    return (_text(entity, "Type") or "").lower()


def _host(entities: _Entities) -> dict[str, Any]:
    host = entities.first("host")
    name = entities.host_name(host)
    family = (_text(host, "OSFamily") or "").lower()
    return {
        "host.hostname": name,
        "host.name": name.lower() if name else None,
        "host.os.type": family if family in ("windows", "linux", "macos", "ios", "android") else None,
    }


def _account(entities: _Entities) -> dict[str, Any]:
    account = entities.first("account")
    return {
        "user.name": _text(account, "Name"),
        "user.domain": _text(account, "NTDomain", "DnsDomain", "UPNSuffix"),
        "user.id": _text(account, "Sid", "AadUserId"),
    }


def _hashes(entities: _Entities, file: dict[str, Any]) -> dict[str, str]:
    """`hash.md5` and so on of a file."""
    found: dict[str, str] = {}
    for each in entities.listed(file, "FileHashes"):
        name, value = (_text(each, "Algorithm") or "").lower(), _text(each, "Value")
        if name in ("md5", "sha1", "sha256") and value:
            found.setdefault(f"hash.{name}", value)
    return found


def _process(entities: _Entities) -> dict[str, Any]:
    process = entities.process
    image, parent = entities.of(process, "ImageFile"), entities.of(process, "ParentProcess")
    name = _text(image, "Name")
    return {
        "process.pid": process_number(_text(process, "ProcessId")),
        "process.name": name,
        "process.executable": parts_of_file(_text(image, "Directory"), name)[1],
        "process.command_line": _text(process, "CommandLine"),
        **{f"process.{field}": value for field, value in _hashes(entities, image).items()},
        "process.parent.pid": process_number(_text(parent, "ProcessId")),
        "process.parent.name": _text(entities.of(parent, "ImageFile"), "Name"),
        "process.parent.command_line": _text(parent, "CommandLine"),
    }


def _file(entities: _Entities) -> dict[str, Any]:
    file = entities.file
    name = _text(file, "Name")
    directory, path, _ = parts_of_file(_text(file, "Directory"), name)
    return {
        "file.name": name,
        "file.directory": directory,
        "file.path": path,
        "file.extension": extension_of(name) if name else None,
        **{f"file.{field}": value for field, value in _hashes(entities, file).items()},
    }


_OTHER_ROLES = {
    "network-connection": ("DestinationAddress",),
    "dns": ("DnsServerIp", "IpAddresses", "IpAddress"),
    "host": ("IpInterfaces",),
}
"""Kind of entity → its properties with addresses that are not where an attack came from."""

_RESOLVED = ("IpAddresses", "IpAddress")
"""What a name resolved to, as Microsoft's documentation and older alerts call it."""


def _connection(entities: _Entities) -> dict[str, Any]:
    """`source`, `destination` and the protocol's name, from the first network connection.

    Without one, the first address that has no other role is where the attack came from, as far as these
    alerts say.
    """
    connection = entities.first("network-connection")
    source = entities.of(connection, "SourceAddress")
    if _ip(source) is None:
        others = {_ip(each) for each in _in_other_roles(entities)} | {None}
        source = next((each for each in entities.kind("ip") if _ip(each) not in others), {})
    location = entities.of(source, "Location")
    return {
        "source.ip": _ip(source),
        "source.port": _port(connection, "SourcePort"),
        "source.geo.country_iso_code": _text(location, "CountryCode"),
        "source.geo.city_name": _text(location, "City"),
        "destination.ip": _ip(entities.of(connection, "DestinationAddress")),
        "destination.port": _port(connection, "DestinationPort"),
        "network.transport": _text(connection, "Protocol"),
    }


def _in_other_roles(entities: _Entities) -> Iterator[dict[str, Any]]:
    """The addresses of which another entity says that they are no source."""
    for kind, keys in _OTHER_ROLES.items():
        for entity in entities.kind(kind):
            for key in keys:
                yield entities.of(entity, key)
                yield from entities.listed(entity, key)


def _dns(entities: _Entities) -> dict[str, Any]:
    dns = entities.first("dns")
    resolved = [_ip(each) for key in _RESOLVED for each in entities.listed(dns, key)]
    return {"dns.question.name": _text(dns, "DomainName"), "dns.resolved_ip": _unique(resolved)}


def _ip(entity: dict[str, Any]) -> str | None:
    """An entity's address, if that is one."""
    address = _text(entity, "Address")
    return address if is_ip(address) else None


def _port(connection: dict[str, Any], key: str) -> int | None:
    text = _text(connection, key) or ""
    is_port = text.isascii() and text.isdigit() and len(text) <= len(str(LARGEST_PORT))
    return int(text) if is_port and int(text) <= LARGEST_PORT else None


def _url(entities: _Entities) -> dict[str, Any]:
    url = _text(entities.first("url"), "Url")
    parts = dict(zip(URL_PARTS, parts_of_url(url), strict=True))
    return {
        "url.full": url if parts["scheme"] else None,
        "url.original": url,
        **{f"url.{name}": value for name, value in parts.items()},
    }


def _container(entities: _Entities) -> dict[str, Any]:
    container = entities.first("container")
    image = entities.of(container, "Image") or entities.first("container-image")
    return {
        "container.id": _text(container, "ContainerId", "Id"),
        "container.name": _text(container, "Name"),
        "container.image.name": _text(image, "ImageId", "Name"),
    }


_CATEGORIES = {
    "host": "host",
    "process": "process",
    "file": "file",
    "account": "iam",
    "ip": "network",
    "network-connection": "network",
    "dns": "network",
    "url": "network",
}


def _categories(alert_type: str | None, entities: _Entities) -> list[str]:
    """By the kinds of entities, and malware; intrusion_detection where there is none of these."""
    found = [_CATEGORIES[kind] for kind in map(_type, entities.all) if kind in _CATEGORIES]
    malware = ["malware"] if "malware" in (alert_type or "").lower() else []
    return list(dict.fromkeys([*found, *malware])) or ["intrusion_detection"]


def _related(entities: _Entities) -> dict[str, list[str] | None]:
    hosts: list[str | None] = []
    for host in entities.kind("host") or [{}]:
        name, domain = entities.host_name(host), _text(host, "DnsDomain")
        hosts += [name, f"{name}.{domain}" if name and domain else None]
    users: list[str | None] = []
    for account in entities.kind("account"):
        name, suffix = _text(account, "Name"), _text(account, "UPNSuffix")
        users += [name, f"{name}@{suffix}" if name and suffix else None]
        users += [_text(account, "Sid"), _text(account, "AadUserId")]
    domains = [_text(each, "DomainName") for each in entities.kind("dns")]
    urls = [parts_of_url(_text(each, "Url"))[1] for each in entities.kind("url")]
    addresses = [_text(each, "Address") for each in entities.kind("ip")]
    digests = [_text(each, "Value") for each in entities.kind("filehash")]
    digests += [
        value
        for file in entities.all
        if "FileHashes" in file
        for value in (_text(each, "Value") for each in entities.listed(file, "FileHashes"))
    ]
    names = [name.lower() for name in (*hosts, *domains, *urls) if name]
    return {
        "related.ip": _unique([text for text in (*addresses, *names) if is_ip(text)]),
        "related.hosts": _unique([name for name in names if not is_ip(name)]),
        "related.user": _unique(users),
        "related.hash": _unique(digests),
    }


def _unique(values: list[str | None]) -> list[str] | None:
    return [value for value in dict.fromkeys(values) if value] or None
