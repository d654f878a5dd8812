"""Rows of AlertEvidence and BehaviorEntities: their columns, and the entity in their AdditionalFields.

Both are put into one item of Graph's evidence, so that a row of the stream has the fields that Graph's row of
the same evidence has. What the columns say counts; what the entity says is added where it is about the same
user, file or machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

import pyarrow as pa

from ...columns import HASH_LENGTHS, arguments, hash_of, network_type
from ...fields import field_type, null_column
from .._items import registry_parts
from ..graph.cloud_resources import resource_fields
from ..graph.fields import EVIDENCE_FIELDS, EVIDENCE_NOTES
from ..graph.parts import (
    DESTINATIONS,
    SOURCES,
    account_fields,
    end_fields,
    file_fields,
    url_fields,
    user_prefix,
)
from ..graph.related import RELATED, Part, related_of
from ..graph.values import Item, address, text
from .entities import (
    EVIDENCE_NAMES,
    Entities,
    address_item,
    entity_fields,
    evidence_item,
    host_fields,
    item_fields,
    role_names,
    system_fields,
    type_of,
)

__all__ = ["COLUMNS", "FIELDS", "evidence", "notes", "sources"]

_UNUSED = ("event.", "host.os.build", "threat.")

FIELDS: tuple[str, ...] = (
    *(name for name in EVIDENCE_FIELDS if not name.startswith(_UNUSED)),
    "process.args",
    "process.args_count",
    "process.parent.command_line",
    *(f"{end}.as.{name}" for end in ("destination", "source") for name in ("number", "organization.name")),
    "threat.software.name",
)
"""What `evidence` gives."""

COLUMNS = (
    "AccountDomain",
    "AccountName",
    "AccountObjectId",
    "AccountSid",
    "AccountUpn",
    "AdditionalFields",
    "Application",
    "ApplicationId",
    "CloudPlatform",
    "DeviceId",
    "DeviceName",
    "EmailSubject",
    "EntityType",
    "FileName",
    "FileSize",
    "FolderPath",
    "LocalIP",
    "NetworkMessageId",
    "OAuthApplicationId",
    "ProcessCommandLine",
    "RegistryKey",
    "RegistryValueData",
    "RegistryValueName",
    "RemoteIP",
    "RemoteUrl",
    "SHA1",
    "SHA256",
    "ThreatFamily",
)
"""The columns that both tables have."""

_USER = ("AccountName", "AccountDomain", "AccountSid", "AccountObjectId", "AccountUpn")
_SOURCES: dict[str, tuple[str, ...]] = {
    "cloud": ("CloudPlatform", "CloudResourceId", "CloudSubscriptionId"),
    "destination": ("RemoteIP", "LocalIP", "EvidenceDirection"),
    "email": ("NetworkMessageId", "EmailSubject"),
    "entity": ("CloudResourceId", "CloudResource", "CloudResourceType"),
    "file": ("FolderPath", "FileName", "SHA1", "SHA256", "FileSize"),
    "host": ("DeviceId", "DeviceName"),
    "network": ("RemoteIP",),
    "process": ("ProcessCommandLine", "FolderPath", "FileName", "SHA1", "SHA256", "DeviceId"),
    "registry": ("RegistryKey", "RegistryValueName", "RegistryValueData"),
    "service": ("Application", "ApplicationId"),
    "source": ("RemoteIP", "LocalIP", "EvidenceDirection"),
    "threat": ("ThreatFamily",),
    "url": ("RemoteUrl",),
    "user": (*_USER, "DetailedEntityRole", "OAuthApplicationId"),
    "related.hash": ("SHA1", "SHA256"),
    "related.hosts": ("DeviceName", "RemoteUrl"),
    "related.ip": ("RemoteIP", "LocalIP"),
    "related.user": _USER,
}
"""Field, or its root → the columns that give it, besides AdditionalFields."""


def sources(names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Field → those of the columns that give it, for the documentation."""
    by_common = {_COMMON_NAMES.get(name, name): name for name in names}
    return {
        field: (
            *(by_common[name] for name in _of_field(field) if name in by_common),
            "AdditionalFields",
        )
        for field in FIELDS
    }


def _of_field(field: str) -> tuple[str, ...]:
    return _SOURCES.get(field) or _SOURCES.get(field.partition(".")[0], ())


_NOTES = {
    "cloud.account.id": "The subscription or account of the resource.",
    "cloud.instance.id": "The id of a machine in its cloud.",
    "cloud.provider": "aws, azure or gcp: by CloudPlatform, else by the resource's id.",
    "destination.*": "The remote address as source.*, the local one at the other end.",
    "email.local_id": "NetworkMessageId; of a cluster of mails only where it has one mail.",
    "host.*": "DeviceId and DeviceName; what the entity says of its host only where that is this machine.",
    "network.type": "ipv4 or ipv6, by the remote address.",
    "process.args": "The command line split at blanks; double quotes hold blanks together.",
    "process.args_count": "The number of arguments.",
    "process.parent.command_line": "The command line of the parent.",
    "source.*": "The remote address is source or destination by EvidenceDirection, else by the entity's "
    "roles; an address of which only its place (Location) is said is a source, any other only related.",
    "source.as.*": "Number and organization of the autonomous system, by the address' Location.",
    "threat.software.name": "ThreatFamily, else the name of the malware.",
    "url.*": "RemoteUrl and its parts; of a mail with only one link that link.",
    "user.*": "The account of the evidence, be it the attacker's or the attacked; the columns', with what "
    "the entity says of the same account.",
    "user.target.*": "Who is acted upon: by the entity's roles, or a mail's recipient.",
}


def notes() -> dict[str, str]:
    """Field → one sentence for the documentation: that of Graph's evidence, where there is no other."""
    found = {}
    for name in FIELDS:
        fitting = [each for each in _NOTES if fnmatchcase(name, each)]
        best = max(fitting, key=lambda each: (each == name, len(each)), default=None)
        exact = EVIDENCE_NOTES.get(name)
        is_general = best is not None and best.endswith("*") and name in _SAID_BY_GRAPH
        found[name] = exact if best is None or (is_general and exact) else _NOTES[best]
    return {name: note for name, note in found.items() if note is not None}


_SAID_BY_GRAPH = frozenset(
    {f"user.{name}" for name in ("id", "name", "domain", "email")}
    | {"source.address", "destination.address", "url.domain", "url.full"}
)
"""Fields whose notes of Graph's evidence say more."""

_COMMON_NAMES = {
    "ResourceID": "CloudResourceId",
    "ResourceType": "CloudResourceType",
    "SubscriptionId": "CloudSubscriptionId",
}
"""Columns of AlertEvidence → those of BehaviorEntities with the same content."""


def evidence(names: Iterable[str]) -> Callable[..., tuple[pa.Array, ...]]:
    """A function that gives `FIELDS` from the columns of these names."""
    common = tuple(_COMMON_NAMES.get(name, name) for name in names)

    def fields(*columns: pa.Array) -> tuple[pa.Array, ...]:
        lists = [column.to_pylist() if column.null_count < len(column) else None for column in columns]
        filled = [(name, values) for name, values in zip(common, lists, strict=True) if values is not None]
        count = len(columns[0])
        names = tuple(name for name, _ in filled)
        columns_of_rows = zip(*(values for _, values in filled), strict=True) if filled else [()] * count
        return _arrays([_row_of(names, values) for values in columns_of_rows])

    return fields


_TYPES = {name: field_type(name) for name in FIELDS}
_TICKS_PER_MICROSECOND = 10
_TIMES = frozenset(name for name, kind in _TYPES.items() if pa.types.is_timestamp(kind))
_LISTS = frozenset(name for name, kind in _TYPES.items() if pa.types.is_list(kind))


def _arrays(rows: list[Item]) -> tuple[pa.Array, ...]:
    """The rows' fields as columns; those that no row has share their memory."""
    lists: dict[str, list[Any]] = {}
    for place, row in enumerate(rows):
        for name, value in row.items():
            if value is None or value == [] or name not in _TYPES:
                continue
            if name not in lists:
                lists[name] = [None] * len(rows)
            lists[name][place] = value // _TICKS_PER_MICROSECOND if name in _TIMES else value
    found = {name: pa.array(values, _TYPES[name]) for name, values in lists.items()}
    if "process.command_line" in found:
        found["process.args"], found["process.args_count"] = arguments(found["process.command_line"])
    return tuple(found.get(name, null_column(_TYPES[name], len(rows))) for name in FIELDS)


_KINDS = {"user": "account", "machine": "host", "device": "host", "registry": "registryvalue"}
"""EntityType in lower case → the entity's type, where it has another name."""


def _row_of(names: tuple[str, ...], values: tuple[Any, ...]) -> Item:
    """The fields of one row; those of short values are kept, since evidence comes with many alerts."""
    if sum(len(value) for value in values if type(value) is str) <= _LONGEST_ROW:
        return _kept_row(names, values)
    return _row_of_values(names, values)


_LONGEST_ROW = 4096
"""Characters of rows that are kept, which bounds their memory."""


def _row_of_values(names: tuple[str, ...], values: tuple[Any, ...]) -> Item:
    return _row({name: value for name, value in zip(names, values, strict=True) if value is not None})


_kept_row = lru_cache(maxsize=4096)(_row_of_values)


def _row(row: Item) -> Item:
    """The fields of one row."""
    entities = Entities(row.get("AdditionalFields"))
    entity = next(iter(entities.top), {})
    kind = (row.get("EntityType") or "").lower().replace("-", "").replace(" ", "")
    kind = type_of(entity) or _KINDS.get(kind, kind)
    item = evidence_item(entities, {"Type": kind, **entity})
    item["roles"] += role_names(row.get("DetailedEntityRole"))
    loose = _of_columns(row, item)
    of_entity = item_fields({**item, "mdeDeviceId": row.get("DeviceId")})
    machine = _host(row, entities, entity if kind == "host" else entities.of(entity, "Host"))
    ends = _ends(row, entities, entity if kind == "ip" else {}, item["roles"])
    if kind == "ip":  # its role is found out there
        of_entity = {name: value for name, value in of_entity.items() if name in RELATED}
    if kind == "process":
        parent = entities.of(entity, "ParentProcess")
        of_entity["process.parent.command_line"] = text(parent, "CommandLine")
    if kind == "mailmessage":
        of_entity.update(_of_mail(entities, entity, item))
    own = of_entity
    if kind == "mailmessage" and loose.get("user.target.email") is not None:
        own = {name: value for name, value in of_entity.items() if not name.startswith("user.target.")}
    found = _together((machine, ends, own, loose))
    for name in ("process.pid", "process.parent.pid"):
        found[name] = found.get(name) or None
    found.update(_related(of_entity, (machine, ends, loose)))
    return found


def _of_mail(entities: Entities, mail: Item, item: Item) -> Item:
    """The only link of a mail, whose host is in `related.hosts` already, and hashes of what is attached."""
    links = item["urls"]
    fields = dict(url_fields(links[0])) if len(links) == 1 else {}
    attached = (entity_fields(entities, each) for each in entities.listed(mail, "Files"))
    hashes = [digest for each in attached for digest in each.get("related.hash", ())]
    return {**fields, "related.hash": hashes} if hashes else fields


def _together(parts: Iterable[Item]) -> Item:
    """The fields of all parts; where several have a subject, those of the first."""
    found: Item = {}
    taken: set[str] = set()
    for part in parts:
        of_part = set()
        for name, value in part.items():
            if value is None or value == [] or (subject := _subject(name)) in taken:
                continue
            found[name] = value
            of_part.add(subject)
        taken |= of_part
    return found


@lru_cache(maxsize=1024)
def _subject(field: str) -> str:
    """What a field is about: those about one subject are all taken from one part."""
    return "user.target" if field.startswith("user.target.") else field.partition(".")[0]


def _related(whole: Item, parts: Iterable[Item]) -> Item:
    """`related.*` of fields that have them already, and of others."""
    found = {name: dict.fromkeys(whole.get(name) or ()) for name in RELATED}
    for part in parts:
        for name, values in related_of(part).items():
            found[name].update(dict.fromkeys(values))
    return {name: list(values) for name, values in found.items()}


def _of_columns(row: Item, item: Item) -> Item:
    """The fields of the columns alone; what they say is put into the item, where it has a place for it."""
    found: Item = {"threat.software.name": row.get("ThreatFamily")}
    for names, function in _OF_COLUMNS:
        if not names.isdisjoint(row):
            found.update(function(row, item))
    return found


def _merged(ours: Item, other: Any, keys: Iterable[str]) -> Item:
    """What the columns say, with what the entity adds, if both are about the same thing.

    They are the same if they agree on the first of the keys that both have. If they have none in common, only
    the columns count.
    """
    ours = {name: value for name, value in ours.items() if value is not None}
    theirs = {} if not isinstance(other, dict) else {k: v for k, v in other.items() if v is not None}
    for key in keys:
        if key in ours and key in theirs:
            same = str(ours[key]).lower() == str(theirs[key]).lower()
            return {**theirs, **ours} if same else ours
    return ours


def _account(row: Item, item: Item) -> Item:
    ours = {
        "accountName": row.get("AccountName"),
        "domainName": row.get("AccountDomain"),
        "userSid": row.get("AccountSid"),
        "azureAdUserId": row.get("AccountObjectId"),
        "userPrincipalName": row.get("AccountUpn"),
    }
    if not any(ours.values()):
        return {}
    keys = ("userSid", "azureAdUserId", "userPrincipalName", "accountName")
    theirs = item.get("userAccount")
    item["userAccount"] = _merged(ours, theirs, keys)
    is_recipient = _is_recipient(item, ours["userPrincipalName"])
    prefix = "user.target" if is_recipient else user_prefix(frozenset(item["roles"]))
    fields = _account_fields(ours, prefix)
    if isinstance(theirs, dict):  # perhaps of another account, which is only related
        others = related_of(_account_fields(theirs, prefix)).get("related.user", [])
        fields = {**fields, "related.user": [*fields.get("related.user", ()), *others]}
    return fields


@lru_cache(maxsize=4096)
def _kept_fields(function: Callable[..., Item], values: tuple[tuple[str, Any], ...], *more: str) -> Part:
    return Part(function(dict(values), *more))


def _account_fields(account: Item, prefix: str) -> Item:
    """`account_fields`, kept for its next time."""
    try:
        return _kept_fields(account_fields, tuple(account.items()), prefix)
    except TypeError:  # an odd value that is a list or an object
        return account_fields(account, prefix)


def _is_recipient(item: Item, principal: str | None) -> bool:
    """Whether an account is that of a mail's recipient, who is acted upon."""
    recipient = item.get("recipientEmailAddress")
    return recipient is not None and principal is not None and recipient.lower() == principal.lower()


def _file(row: Item, item: Item) -> Item:
    ours = {
        "fileName": row.get("FileName"),
        "filePath": row.get("FolderPath"),
        "fileSize": row.get("FileSize"),
        "sha1": row.get("SHA1"),
        "sha256": row.get("SHA256"),
    }
    if not any(ours.values()):
        return {}
    others: list[str] = []
    for place in ("fileDetails", "imageFile"):
        if isinstance(theirs := item.get(place), dict):
            name, other = ours["fileName"], theirs.get("fileName")
            if name is not None and (other or "").lower().startswith(f"{name.lower()}:"):
                ours["fileName"] = other  # which names the alternate data stream, too
            item[place] = _merged(ours, theirs, ("sha256", "sha1", "fileName"))
            others += [digest for name in HASH_LENGTHS if (digest := hash_of(theirs.get(name), name))]
    fields = _kept_fields(file_fields, tuple(ours.items()))
    return {**fields, "related.hash": [*fields.get("related.hash", ()), *others]} if others else fields


def _command(row: Item, item: Item) -> Item:
    command = row.get("ProcessCommandLine")
    if command is not None and "processCommandLine" in item:
        item["processCommandLine"] = command
    return {"process.command_line": command}


def _registry(row: Item, item: Item) -> Item:
    key, value = row.get("RegistryKey"), row.get("RegistryValueName")
    data = row.get("RegistryValueData")
    ours = {"registryKey": key, "registryValueName": value, "registryValue": data}
    if not any(ours.values()):
        return {}
    if item.get("registryValueName") in (None, value):
        item.update({name: each for name, each in ours.items() if each is not None})
    else:
        item.update({**ours, "registryHive": None, "registryValueType": None})
    hive, key, path, _ = registry_parts(None, key, value, None)
    return {
        "registry.hive": hive,
        "registry.key": key,
        "registry.path": path,
        "registry.value": value,
        "registry.data.strings": [data] if data is not None else None,
    }


def _mail(row: Item, item: Item) -> Item:
    identifier, subject = row.get("NetworkMessageId"), row.get("EmailSubject")
    if identifier is not None and item.get("networkMessageId") in (None, identifier):
        item["networkMessageId"] = identifier
    if subject is not None:
        item["subject"] = subject
    return {"email.local_id": identifier, "email.subject": subject}


def _application(row: Item, item: Item) -> Item:
    code, name = text(row, "ApplicationId"), text(row, "Application")
    code = None if code == "0" else code
    if "saasAppId" in item:
        item.update({key: each for key, each in (("appId", code), ("displayName", name)) if each})
    identifier = row.get("OAuthApplicationId")
    if item.get("@odata.type") == _OAUTH and identifier is not None:
        item["appId"] = identifier
    return {"service.id": code, "service.name": name}


_OAUTH = EVIDENCE_NAMES["oauthapplication"]


def _resource(row: Item, item: Item) -> Item:
    """`cloud.*` and `entity.*` of the resource that the columns name, whichever cloud's it is."""
    identifier, platform = row.get("CloudResourceId"), (row.get("CloudPlatform") or "").lower()
    provider = next((cloud for word, cloud in _CLOUDS.items() if word in platform), None)
    if identifier is not None:
        start = identifier.lower()
        key = next((key for key, heads in _RESOURCE_IDS.items() if start.startswith(heads)), None)
        named = {
            "resourceName": row.get("CloudResource"),
            "resourceType": row.get("CloudResourceType"),
        }
        fields = resource_fields({key: identifier, **named}) if key is not None else {}
        if not fields:
            fields = {"entity.id": identifier, "entity.sub_type": named["resourceType"]}
        fields["entity.name"] = fields.get("entity.name") or named["resourceName"]
    else:
        fields = {}
    fields["cloud.provider"] = provider or fields.get("cloud.provider")
    fields["cloud.account.id"] = row.get("CloudSubscriptionId") or fields.get("cloud.account.id")
    return fields


_CLOUDS = {"amazon": "aws", "aws": "aws", "azure": "azure", "gcp": "gcp", "google": "gcp"}
_RESOURCE_IDS = {
    "resourceId": ("/subscriptions/",),
    "amazonResourceId": ("arn:",),
    "fullResourceName": ("projects/", "//"),
}


def _url(row: Item, item: Item) -> Item:
    url = row.get("RemoteUrl")
    if url is None:
        return {}
    item["url"] = url
    return dict(url_fields(url))


def _host(row: Item, entities: Entities, host: Item) -> Item:
    """The machine; what the entity adds only where it is the same one."""
    identifier, name = row.get("DeviceId"), row.get("DeviceName")
    ours: Item = {
        "host.id": identifier,
        "host.hostname": name,
        "host.name": name.lower() if name is not None else None,
    }
    theirs = host_fields(entities, host) if host else {}
    if not any(ours.values()):
        return theirs
    own, other = name and name.lower(), theirs.get("host.name")
    same = identifier is not None and identifier == theirs.get("host.id")
    if own and other:
        same = same or own == other or own.partition(".")[0] == other.partition(".")[0]
    ours = {field: value for field, value in ours.items() if value is not None}
    return {**theirs, **ours} if same else {**ours, **{name: theirs.get(name) for name in RELATED}}


def _ends(row: Item, entities: Entities, entity: Item, roles: list[str]) -> Item:
    """Source and destination: the remote address by its direction or role, the local one at the other end.

    An address whose place Microsoft says, and of which nothing else is said, is where an activity came from:
    only products that watch activities in clouds say it. Any other address is only related.
    """
    remote = row.get("RemoteIP") or text(entity, "Address")
    local = row.get("LocalIP")
    plain = address(remote)
    found: Item = {"related.ip": [each for each in (address(local), plain) if each is not None]}
    place = address_item(entities, entity) if entity and address(text(entity, "Address")) == plain else {}
    location = entities.of(entity, "Location") if place else {}
    way = (row.get("EvidenceDirection") or "").lower()
    if way not in ("source", "destination"):
        way = "destination" if not DESTINATIONS.isdisjoint(roles) else ""
        way = way or ("source" if location or not SOURCES.isdisjoint(roles) else "")
    if remote is None or not way:
        return found
    other = "destination" if way == "source" else "source"
    if local is not None:
        found |= end_fields({"ipAddress": local}, other)
    found |= end_fields({**place, "ipAddress": remote}, way)
    found |= system_fields(entities, entity if place else {}, way)
    found["network.type"] = network_type(plain)
    return found


_OF_COLUMNS: tuple[tuple[frozenset[str], Callable[[Item, Item], Item]], ...] = tuple(
    (frozenset(names.split()), function)
    for names, function in (
        ("AccountName AccountDomain AccountSid AccountObjectId AccountUpn", _account),
        ("FileName FolderPath FileSize SHA1 SHA256", _file),
        ("RegistryKey RegistryValueName RegistryValueData", _registry),
        ("NetworkMessageId EmailSubject", _mail),
        ("Application ApplicationId OAuthApplicationId", _application),
        ("CloudResourceId CloudPlatform CloudSubscriptionId", _resource),
        ("RemoteUrl", _url),
        ("ProcessCommandLine", _command),
    )
)
"""Columns → the function that gives their fields."""
