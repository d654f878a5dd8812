"""Entities of Microsoft's security graph, which Defender for Cloud's alerts and AlertEvidence carry as JSON.

They are objects with a `Type` that stand inside each other, or refer to each other: `{"$ref": "4"}` is the
object whose `$id` is 4. Microsoft Graph has the same entities as evidence, in another spelling. Here each
becomes such an item of evidence, so that all sources have one mapping. The properties are those of Microsoft
Sentinel's reference of entity types, and of what is seen on the wire.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property, lru_cache
from typing import Any

import msgspec

from ..graph.alert import Alert
from ..graph.evidence import evidence_fields
from ..graph.related import with_related
from ..graph.shape import TYPE_PREFIX
from ..graph.values import LONGEST_KEPT, Item, number, text, texts
from .functions import json_items, process_number

__all__ = [
    "EVIDENCE_NAMES",
    "Entities",
    "address_item",
    "entity_fields",
    "evidence_item",
    "host_fields",
    "item_fields",
    "role_names",
    "system_fields",
    "type_of",
]

_DEEPEST = 8
"""How far objects are followed into each other: a container, its pod, controller, namespace, cluster, cloud
resource."""


class Entities:
    """The entities in a JSON text, with their references resolved on the way.

    Attributes:
        top: the objects of the array, or the object that the text is.
    """

    def __init__(self, json: str | None) -> None:
        items = json_items(json)
        if json is not None and '"type"' in json:  # some sources begin names in lower case
            items = [_in_spelling(item) for item in items]
        self._items = items
        self.top: list[Item] = [item for item in items if isinstance(item, dict)]

    @cached_property
    def all(self) -> list[Item]:
        """The objects and all objects inside them, each before those inside it."""
        return list(self._walk(self._items))

    @cached_property
    def _by_id(self) -> dict[str, Item]:
        found: dict[str, Item] = {}
        for each in self.all:
            identifier = text(each, "$id")
            if identifier is not None:
                found.setdefault(identifier, each)
        return found

    def _walk(self, value: Any) -> Iterator[Item]:
        stack = [value]
        while stack:
            value = stack.pop()
            if isinstance(value, dict):
                yield value
                stack.extend(reversed(list(value.values())))
            elif isinstance(value, list):
                stack.extend(reversed(value))

    def resolved(self, value: Any) -> Item:
        """The object, or the one that it refers to; empty if it is neither."""
        if isinstance(value, dict) and "$ref" in value:
            value = self._by_id.get(text(value, "$ref") or "")
        return value if isinstance(value, dict) else {}

    def of(self, owner: Item, *keys: str) -> Item:
        """The object under the first of the keys that has one; empty where there is none."""
        return next((found for key in keys if (found := self.resolved(owner.get(key)))), {})

    def listed(self, owner: Item, key: str) -> list[Item]:
        """The objects of a list under a key."""
        values = owner.get(key)
        return [self.resolved(value) for value in values] if isinstance(values, list) else []

    def of_type(self, name: str) -> list[Item]:
        """All entities of a type."""
        return [each for each in self.all if type_of(each) == name]


def _in_spelling(value: Any, depth: int = 0) -> Any:
    """The same with every name beginning in upper case."""
    if depth > _DEEPEST * 2:
        return value
    if isinstance(value, list):
        return [_in_spelling(each, depth + 1) for each in value]
    if isinstance(value, dict):
        named = {key[:1].upper() + key[1:]: _in_spelling(each, depth + 1) for key, each in value.items()}
        return {**named, **value}
    return value


def type_of(entity: Item) -> str:
    """An entity's type in lower case and without hyphens: `networkconnection`, `k8spod`."""
    return (text(entity, "Type") or "").lower().replace("-", "").replace("_", "")


def role_names(*values: str | None) -> list[str]:
    """Roles as Microsoft Graph's evidence has them: in lower case and one word, with its own names."""
    words = ("".join(value.lower().replace("-", " ").split()) for value in values if value)
    return [_ROLES.get(word, word) for word in words]


_ROLES = {"target": "attacked", "victim": "attacked", "c2": "commandandcontrol"}


def entity_fields(entities: Entities, entity: Item) -> Item:
    """The ECS fields of an entity, with `related.*`: those of the evidence that Graph has for it."""
    return item_fields(evidence_item(entities, entity))


def host_fields(entities: Entities, host: Item) -> Item:
    """`entity_fields` of a host, kept for its next time: many entities stand on few hosts."""
    data = _encoded(host)
    if data is None or b'"$ref"' in data:
        return entity_fields(entities, host)
    return _kept_host(data)


@lru_cache(maxsize=4096)
def _kept_host(data: bytes) -> Item:
    return entity_fields(Entities(None), msgspec.json.decode(data))


def _encoded(value: Item) -> bytes | None:
    """An object as JSON by which what was made of it is kept; None if it is long or cannot be written."""
    try:
        data = msgspec.json.encode(value)
    except (OverflowError, RecursionError, TypeError, ValueError):
        return None
    return data if len(data) <= LONGEST_KEPT else None


def evidence_item(entities: Entities, entity: Item) -> Item:
    """An entity as an item of Graph's evidence, with its roles."""
    item = _item(entities, entity, _DEEPEST)
    item["roles"] = role_names(*texts(entity, "Roles"), *texts(entity, "DetailedRoles"))
    return item


def item_fields(item: Item) -> Item:
    """The ECS fields of Graph's evidence with `related.*`, but no `cloud.instance.id` by Defender's id."""
    for name in _REPEATED:
        if (value := item.get(name)) and (data := _encoded(value)) is not None:
            item = {**item, name: msgspec.Raw(data)}
    made = evidence_fields(item, Alert({}, [item]))
    parts = with_related(made if isinstance(made, tuple) else (made,))
    found = {name: value for part in parts for name, value in part.items()}
    if item.get("@odata.type") in _OF_MACHINES:
        found.pop("cloud.instance.id", None)
    return found


_REPEATED = ("fileDetails", "imageFile", "parentProcessImageFile", "userAccount")
"""Objects inside evidence that are written as JSON, because what that becomes is kept by it."""


def _typed(name: str) -> str:
    return f"{TYPE_PREFIX}{name}Evidence"


_OF_MACHINES = frozenset(map(_typed, ("file", "device", "process", "registryKey", "registryValue")))
"""Evidence that has Defender's id of the machine as `cloud.instance.id`."""


_Maker = Callable[[Entities, Item, int], Item]


def _item(entities: Entities, entity: Item, depth: int) -> Item:
    """An entity as Graph's evidence."""
    kind = type_of(entity)
    name, make = _KINDS.get(kind, (None, _plain))
    item = make(entities, entity, depth)
    return {**item, "@odata.type": _typed(name)} if name is not None else item


def _value(entities: Entities, value: Any, depth: int) -> Any:
    if depth <= 0:
        return None
    if isinstance(value, dict):
        return _item(entities, entities.resolved(value), depth - 1)
    if isinstance(value, list):
        return [_value(entities, each, depth - 1) for each in value]
    return value


def _plain(entities: Entities, entity: Item, depth: int) -> Item:
    """An entity whose properties have the same names in Graph, but for the case of their first letters."""
    return {
        key[:1].lower() + key[1:]: value if key == "Labels" else _value(entities, value, depth)
        for key, value in entity.items()
        if key[:1] != "$" and key != "Type"
    }


def _account(entities: Entities, entity: Item, depth: int) -> Item:
    name, suffix = text(entity, "Name"), text(entity, "UPNSuffix", "UpnSuffix")
    principal = text(entity, "UserPrincipalName", "Upn", "UPN")
    if principal is None and name is not None and suffix is not None:
        principal = name if "@" in name else f"{name}@{suffix}"
    account = {
        "accountName": name,
        "domainName": text(entity, "NTDomain", "DnsDomain") or suffix,
        "userSid": text(entity, "Sid", "SID"),
        "azureAdUserId": text(entity, "AadUserId"),
        "activeDirectoryObjectGuid": text(entity, "ObjectGuid"),
        "userPrincipalName": principal,
        "displayName": text(entity, "DisplayName"),
    }
    return {"userAccount": account}


def _host(entities: Entities, entity: Item, depth: int) -> Item:
    """A host as Graph's device; its own addresses only where the entity says that they are."""
    adapters = [text(each, "Address") for each in entities.listed(entity, "IpInterfaces")]
    return {
        "mdeDeviceId": text(entity, "MachineId", "MdatpDeviceId"),
        "azureAdDeviceId": text(entity, "AadDeviceId"),
        "deviceDnsName": text(entity, "FQDN", "Fqdn", "HostName", "NetBiosName"),
        "ntDomain": text(entity, "NTDomain"),
        "dnsDomain": text(entity, "DnsDomain"),
        "osPlatform": text(entity, "OSPlatform", "OsPlatform", "OSFamily"),
        "version": text(entity, "OSVersion", "OsVersion"),
        "ipInterfaces": [each for each in adapters if each is not None],
        "lastIpAddress": text(entity, "LastIpAddress"),
        "lastExternalIpAddress": text(entity, "LastExternalIpAddress"),
        "riskScore": text(entity, "RiskScore"),
        "loggedOnUsers": [_plain(entities, each, depth) for each in entities.listed(entity, "LoggedOnUsers")],
    }


def _file_details(entities: Entities, entity: Item) -> Item:
    """A file as Graph's `fileDetails`, kept for its next time; it must not be changed."""
    data = _encoded(entity)
    return _details(entities, entity) if data is None or b'"$ref"' in data else _kept_details(data)


@lru_cache(maxsize=4096)
def _kept_details(data: bytes) -> Item:
    return _details(Entities(None), msgspec.json.decode(data))


def _details(entities: Entities, entity: Item) -> Item:
    name, stream = text(entity, "Name"), text(entity, "AlternateDataStreamName")
    if name is not None and stream is not None and ":" not in name:
        name = f"{name}:{stream}"
    details = {
        "fileName": name,
        "filePath": text(entity, "Directory"),
        "fileSize": text(entity, "SizeInBytes", "Size"),
        "signer": text(entity, "Signer"),
        "filePublisher": text(entity, "FilePublisher"),
    }
    for each in entities.listed(entity, "FileHashes"):
        algorithm = (text(each, "Algorithm") or "").lower().replace("-", "")
        key = "sha256Ac" if algorithm == "sha256ac" else algorithm
        if key in _ALGORITHMS:
            details.setdefault(key, text(each, "Value"))
    return details


_ALGORITHMS = ("md5", "sha1", "sha256", "sha256Ac")


def _file(entities: Entities, entity: Item, depth: int) -> Item:
    return {"fileDetails": _file_details(entities, entity)}


def _process(entities: Entities, entity: Item, depth: int) -> Item:
    parent = entities.of(entity, "ParentProcess", "CreatorProcess")
    image, parent_image = (entities.of(each, "ImageFile") for each in (entity, parent))
    account = entities.of(entity, "Account")
    return {
        "processId": process_number(text(entity, "ProcessId")),
        "processCommandLine": text(entity, "CommandLine"),
        "processCreationDateTime": text(entity, *_STARTS),
        "imageFile": _file_details(entities, image),
        "parentProcessId": process_number(text(parent, "ProcessId")),
        "parentProcessCreationDateTime": text(parent, *_STARTS),
        "parentProcessImageFile": _file_details(entities, parent_image),
        "userAccount": _account(entities, account, depth)["userAccount"] if account else {},
    }


_STARTS = ("CreationTimeUtc", "CreatedTimeUtc", "CreationTime")


def address_item(entities: Entities, entity: Item, depth: int = _DEEPEST) -> Item:
    """An address as Graph's `ipEvidence`, with its place."""
    location = entities.of(entity, "Location")
    place = {
        "city": text(location, "City"),
        "state": text(location, "State"),
        "countryName": text(location, "CountryName"),
    }
    code = text(location, "CountryCode")
    return {"ipAddress": text(entity, "Address"), "location": place, "countryLetterCode": code}


def system_fields(entities: Entities, entity: Item, end: str) -> Item:
    """The autonomous system of an address, by its place: `<end>.as.*`."""
    location = entities.of(entity, "Location")
    found = number(location, "Asn")
    return {
        f"{end}.as.number": found if found is not None and 0 < found <= _LARGEST_AS_NUMBER else None,
        f"{end}.as.organization.name": text(location, "Organization", "Carrier"),
    }


_LARGEST_AS_NUMBER = 2**32 - 1


def _connection(entities: Entities, entity: Item, depth: int) -> Item:
    found = _plain(entities, entity, depth)
    return {**found, "protocol": text(entity, "Protocol")}


def _dns(entities: Entities, entity: Item, depth: int) -> Item:
    resolved = [each for key in _RESOLVED for each in entities.listed(entity, key)]
    ends = {
        name: address_item(entities, found, depth) if (found := entities.of(entity, key)) else {}
        for name, key in (("hostIpAddress", "HostIpAddress"), ("dnsServerIp", "DnsServerIp"))
    }
    addresses = [address_item(entities, each, depth) for each in resolved]
    return {"domainName": text(entity, "DomainName"), "ipAddresses": addresses, **ends}


_RESOLVED = ("IpAddresses", "IpAddress")
"""What a name resolved to, as Microsoft's documentation and older alerts call it."""


def _hash(entities: Entities, entity: Item, depth: int) -> Item:
    return {"algorithm": text(entity, "Algorithm"), "value": text(entity, "Value")}


def _registry_key(entities: Entities, entity: Item, depth: int) -> Item:
    return {"registryHive": text(entity, "Hive"), "registryKey": text(entity, "Key")}


def _registry_value(entities: Entities, entity: Item, depth: int) -> Item:
    return {
        **_registry_key(entities, entities.of(entity, "Key"), depth),
        "registryValueName": text(entity, "Name"),
        "registryValue": text(entity, "Value"),
        "registryValueType": text(entity, "ValueType"),
    }


def _message(entities: Entities, entity: Item, depth: int) -> Item:
    urls = texts(entity, "Urls")
    linked = (text(each, "Url") for each in entities.listed(entity, "Urls"))
    return {
        "p1Sender": {
            "emailAddress": text(entity, "P1Sender"),
            "domainName": text(entity, "P1SenderDomain"),
        },
        "p2Sender": {
            "emailAddress": text(entity, "P2Sender", "Sender"),
            "domainName": text(entity, "P2SenderDomain"),
        },
        "recipientEmailAddress": text(entity, "Recipient"),
        "senderIp": text(entity, "SenderIP", "SenderIp"),
        "networkMessageId": text(entity, "NetworkMessageId"),
        "internetMessageId": text(entity, "InternetMessageId"),
        "subject": text(entity, "Subject"),
        "receivedDateTime": text(entity, "ReceivedDate", "ReceivedDateTime"),
        "antiSpamDirection": _direction(text(entity, "AntispamDirection", "AntiSpamDirection")),
        "urls": [*urls, *(each for each in linked if each is not None)],
    }


def _direction(text: str | None) -> str | None:
    return (text or "").lower().replace("-", "") or None


def _submission(entities: Entities, entity: Item, depth: int) -> Item:
    keys = {"SenderIp": "senderIp", "SenderIP": "senderIp"}
    found = _plain(entities, entity, depth)
    return {**found, **{name: value for key, name in keys.items() if (value := text(entity, key))}}


def _mailbox(entities: Entities, entity: Item, depth: int) -> Item:
    primary, principal = text(entity, "MailboxPrimaryAddress"), text(entity, "Upn", "UPN")
    identifier = text(entity, "AadId", "AadUserId", "ExternalDirectoryObjectId")
    account = {
        "azureAdUserId": identifier,
        "userSid": text(entity, "Sid"),
        "userPrincipalName": principal or primary,
        "displayName": text(entity, "DisplayName"),
    }
    return {"primaryAddress": primary, "upn": principal, "userAccount": account}


def _cloud_application(entities: Entities, entity: Item, depth: int) -> Item:
    return {
        "appId": text(entity, "AppId"),
        "saasAppId": text(entity, "SaasId"),
        "displayName": text(entity, "Name", "DisplayName"),
    }


def _oauth_application(entities: Entities, entity: Item, depth: int) -> Item:
    return {
        "objectId": text(entity, "OAuthObjectId", "ObjectId"),
        "appId": text(entity, "OAuthAppId", "AppId"),
        "displayName": text(entity, "Name", "DisplayName"),
    }


def _session(entities: Entities, entity: Item, depth: int) -> Item:
    """A session of a cloud or of a host, by the account that logged on."""
    account, host = entities.of(entity, "Account"), entities.of(entity, "Host")
    found = _account(entities, account, depth) if account else {}
    return {
        "account": found,
        "host": _host(entities, host, depth) if host else {},
        "browser": text(entity, "Browser"),
        "deviceName": text(entity, "DeviceName"),
        "operatingSystem": text(entity, "OperatingSystem"),
        "userAgent": text(entity, "UserAgent"),
    }


def _security_group(entities: Entities, entity: Item, depth: int) -> Item:
    return {
        "sid": text(entity, "SID", "Sid"),
        "securityGroupId": text(entity, "AadGroupId", "SecurityGroupId"),
        "activeDirectoryObjectGuid": text(entity, "ObjectGuid"),
        "displayName": text(entity, "DisplayName", "FriendlyName", "Name"),
    }


def _malware(entities: Entities, entity: Item, depth: int) -> Item:
    return {
        "name": text(entity, "Name"),
        "files": [_file(entities, each, depth) for each in entities.listed(entity, "Files")],
        "processes": [_process(entities, each, depth) for each in entities.listed(entity, "Processes")],
    }


_OTHERS = {
    "activedirectorydomain": "activeDirectoryDomain",
    "amazonresource": "amazonResource",
    "awsresource": "amazonResource",
    "azureresource": "azureResource",
    "blob": "blob",
    "blobcontainer": "blobContainer",
    "container": "container",
    "containerimage": "containerImage",
    "containerregistry": "containerRegistry",
    "gcpresource": "googleCloudResource",
    "googlecloudresource": "googleCloudResource",
    "iotdevice": "ioTDevice",
    "mailboxconfiguration": "mailboxConfiguration",
    "mailcluster": "mailCluster",
    "nic": "nic",
    "sastoken": "sasToken",
    "serviceprincipal": "servicePrincipal",
    "teamsmessage": "teamsMessage",
    **{
        f"{prefix}{name.lower()}": f"kubernetes{name}"
        for prefix in ("k8s", "kubernetes")
        for name in (
            "Cluster",
            "Controller",
            "Namespace",
            "Pod",
            "Secret",
            "Service",
            "ServiceAccount",
        )
    },
}
"""Types whose properties have the same names in Graph."""

_KINDS: dict[str, tuple[str | None, _Maker]] = {
    **{name: (evidence, _plain) for name, evidence in _OTHERS.items()},
    "account": ("user", _account),
    "cloudapplication": ("cloudApplication", _cloud_application),
    "cloudlogonsession": ("cloudLogonSession", _session),
    "dns": ("dns", _dns),
    "file": ("file", _file),
    "filehash": ("fileHash", _hash),
    "host": ("device", _host),
    "hostlogonsession": ("hostLogonSession", _session),
    "ip": ("ip", address_item),
    "mailbox": ("mailbox", _mailbox),
    "mailmessage": ("analyzedMessage", _message),
    "malware": ("malware", _malware),
    "networkconnection": ("networkConnection", _connection),
    "oauthapplication": ("oauthApplication", _oauth_application),
    "process": ("process", _process),
    "registrykey": ("registryKey", _registry_key),
    "registryvalue": ("registryValue", _registry_value),
    "securitygroup": ("securityGroup", _security_group),
    "submissionmail": ("submissionMail", _submission),
    "url": ("url", _plain),
}
"""Type → the name of Graph's evidence, and the function that gives its properties."""

EVIDENCE_NAMES: dict[str, str] = {
    kind: _typed(name) for kind, (name, _) in _KINDS.items() if name is not None
}
"""Type, as from `type_of`, → `@odata.type` of Graph's evidence."""
