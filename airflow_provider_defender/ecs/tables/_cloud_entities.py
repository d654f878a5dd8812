"""The entities of Defender for Cloud's alerts as ECS fields of one row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from ..columns import arguments, by_distinct, host_name, network_type
from ..fields import field_type
from .graph.fields import EVIDENCE_FIELDS
from .graph.parts import end_fields
from .graph.related import RELATED
from .graph.values import Item, address, text
from .streaming.entities import Entities, address_item, entity_fields, system_fields, type_of
from .streaming.functions import protocol_fields

__all__ = ["ENTITY_FIELDS", "entity_columns"]

ENTITY_FIELDS: tuple[str, ...] = (
    "event.category",
    *(name for name in EVIDENCE_FIELDS if not name.startswith(("cloud.", "event.", "host.os.build"))),
    "process.args",
    "process.args_count",
    "process.parent.command_line",
    *(f"{end}.as.{name}" for end in ("destination", "source") for name in ("number", "organization.name")),
)
"""What `entity_columns` gives; `cloud.*` is that of the alert's own resource."""


def entity_columns(alert_type: pa.Array, entities: pa.Array, machine: pa.Array) -> tuple[pa.Array, ...]:
    """The ECS fields of `ENTITY_FIELDS`.

    Args:
        alert_type: shows whether it is malware.
        entities: JSON array of objects with a `Type`.
        machine: the host's name if no entity has it.

    Single fields are those of the first entity of their type, but of processes the first that is no other's
    parent, and of files the first that is not the parent's image; `related.*` has what all entities have.
    `source` and `destination` are those of the first network connection. Where it names no source, that is
    the first address of which no entity says that it is something else.
    """
    types = tuple(map(field_type, ENTITY_FIELDS))
    results = dict(
        zip(ENTITY_FIELDS, by_distinct(_fields, types, alert_type, entities, machine), strict=True)
    )
    results["process.args"], results["process.args_count"] = arguments(results["process.command_line"])
    results["network.transport"] = protocol_fields(results["network.transport"])[0]
    return tuple(results.values())


def _fields(alert_type: str | None, json: str | None, machine: str | None) -> tuple[Any, ...]:
    entities = Entities(json)
    found: Item = {}
    for part in _parts(entities, machine):
        taken = {_subject(name) for name, value in found.items() if value is not None}
        found.update({name: value for name, value in part.items() if _subject(name) not in taken})
    found["event.category"] = _categories(alert_type, entities)
    found.update(_related(entities, machine))
    ticks = ((name, value) for name, value in found.items() if name in _TIMES and value is not None)
    found.update([(name, value // _TICKS_PER_MICROSECOND) for name, value in ticks])
    return tuple(found.get(name) or None if name in _LISTS else found.get(name) for name in ENTITY_FIELDS)


_TICKS_PER_MICROSECOND = 10
_TIMES = frozenset(name for name in ENTITY_FIELDS if pa.types.is_timestamp(field_type(name)))
_LISTS = frozenset(name for name in ENTITY_FIELDS if pa.types.is_list(field_type(name)))


def _subject(field: str) -> str:
    """What a field is about: those about one subject are all taken from one entity."""
    return "user.target" if field.startswith("user.target.") else field.partition(".")[0]


_APART = {"host", "account", "process", "file", "filehash", "networkconnection", "ip"}
"""Types of which a function chooses the one that counts."""


def _parts(entities: Entities, machine: str | None) -> Iterator[Item]:
    """The fields of one entity of each type; where several have a subject, that of the first counts."""
    process, file = _process_and_file(entities)
    account = next(iter(entities.of_type("account")), {})
    yield _host(entities, machine)
    yield entity_fields(entities, account) if account else {}
    yield _process(entities, process)
    yield entity_fields(entities, file) if file else {}
    yield _connection(entities)
    seen = set(_APART)
    for entity in sorted(entities.all, key=lambda each: _RANKS.get(type_of(each), len(_RANKS))):
        if (kind := type_of(entity)) not in seen:
            seen.add(kind)
            yield entity_fields(entities, entity)


_INNERMOST_FIRST = """
blob container k8spod k8scontroller k8sservice k8ssecret k8sserviceaccount k8snamespace k8scluster
azureresource amazonresource gcpresource blobcontainer containerimage containerregistry
"""
_RANKS = {kind: rank for rank, kind in enumerate(_INNERMOST_FIRST.split())}
"""Of what stands inside each other, the innermost has the fields of what is around it, too."""


def _process_and_file(entities: Entities) -> tuple[Item, Item]:
    """The first process that is no other's parent, else the first; the first file but the parent's image."""
    processes = entities.of_type("process")
    parents = [entities.of(each, "ParentProcess") for each in processes]
    older = {id(parent) for each, parent in zip(processes, parents, strict=True) if parent is not each}
    process = next((each for each in processes if id(each) not in older), next(iter(processes), {}))
    image = entities.of(entities.of(process, "ParentProcess"), "ImageFile")
    files = entities.of_type("file")
    return process, next((each for each in files if each is not image), next(iter(files), {}))


def _process(entities: Entities, process: Item) -> Item:
    """A process without its image as a file: the row's file may be another."""
    if not process:
        return {}
    fields = entity_fields(entities, process)
    parent = entities.of(process, "ParentProcess")
    return {
        **{name: value for name, value in fields.items() if not name.startswith(("file.", "host."))},
        "process.parent.command_line": text(parent, "CommandLine"),
    }


def _host(entities: Entities, machine: str | None) -> Item:
    """The first host; where there is no host at all, the machine."""
    hosts = entities.of_type("host")
    if hosts:
        return entity_fields(entities, hosts[0])
    return {"host.hostname": machine, "host.name": machine.lower() if machine else None}


_OTHER_ROLES = {
    "networkconnection": ("DestinationAddress",),
    "dns": ("DnsServerIp", "IpAddresses", "IpAddress"),
    "host": ("IpInterfaces",),
}
"""Type of entity → its properties with addresses that are no source of an attack."""


def _connection(entities: Entities) -> Item:
    """`source`, `destination` and `network`, from the first network connection.

    Without one, the first address that has no other role is where the attack came from, as far as these
    alerts say.
    """
    connection = next(iter(entities.of_type("networkconnection")), {})
    fields = entity_fields(entities, connection) if connection else {}
    source, destination = (entities.of(connection, f"{end}Address") for end in ("Source", "Destination"))
    if fields.get("source.ip") is None:
        others = {_ip(each) for each in _in_other_roles(entities)} | {None}
        found = next((each for each in entities.of_type("ip") if _ip(each) not in others), None)
        if found is not None:
            fields |= end_fields(address_item(entities, found), "source")
            source = found
            fields["network.type"] = fields.get("network.type") or network_type(fields["source.ip"])
    systems = (system_fields(entities, source, "source"), system_fields(entities, destination, "destination"))
    return {**fields, **systems[0], **systems[1]}


def _in_other_roles(entities: Entities) -> Iterator[Item]:
    """The addresses of which another entity says that they are no source."""
    for entity_type, keys in _OTHER_ROLES.items():
        for entity in entities.of_type(entity_type):
            for key in keys:
                yield entities.of(entity, key)
                yield from entities.listed(entity, key)


def _ip(entity: Item) -> str | None:
    """An entity's address, if that is one."""
    return address(text(entity, "Address"))


_CATEGORIES = {
    "host": "host",
    "process": "process",
    "file": "file",
    "account": "iam",
    "ip": "network",
    "networkconnection": "network",
    "dns": "network",
    "url": "network",
}


def _categories(alert_type: str | None, entities: Entities) -> list[str]:
    """By the types of entities, and malware; intrusion_detection where there is none of these."""
    found = [_CATEGORIES[each] for each in map(type_of, entities.all) if each in _CATEGORIES]
    malware = ["malware"] if "malware" in (alert_type or "").lower() else []
    return list(dict.fromkeys([*found, *malware])) or ["intrusion_detection"]


def _related(entities: Entities, machine: str | None) -> dict[str, list[str] | None]:
    """`related.*` of all entities, and the full names of hosts."""
    found: dict[str, dict[str, None]] = {name: {} for name in RELATED}
    for entity in entities.all:
        kind = type_of(entity)
        if not kind:
            continue
        fields = entity_fields(entities, entity)
        for name in RELATED:
            found[name].update(dict.fromkeys(fields.get(name) or ()))
        short, domain = fields.get("host.name"), host_name(text(entity, "DnsDomain"))
        if kind == "host" and short is not None and domain is not None and "." not in short:
            found["related.hosts"][f"{short}.{domain}"] = None
    plain = host_name(machine)
    if plain is not None and not entities.of_type("host"):
        found["related.hosts"][plain] = None
    return {name: [value for value in values if value] or None for name, values in found.items()}
