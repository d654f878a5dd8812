"""Evidence of Azure, Amazon Web Services and Google Cloud, with blobs and SAS tokens.

What a resource's id says of its account, region and service goes to `cloud.*`. Only a machine is a
`cloud.instance.*`, a cluster is `orchestrator.cluster.*`. The resource itself has no field set of its own in
ECS: it is `entity.*`.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from ...columns import extension_of
from .alert import Alert, Fields, Item
from .parts import hash_fields, url_fields
from .values import address, child, children, known, text, type_of

__all__ = [
    "amazon_resource",
    "azure_resource",
    "blob",
    "blob_container",
    "google_resource",
    "place_fields",
    "resource_fields",
    "sas_token",
]


def amazon_resource(item: Item, alert: Alert) -> Fields:
    """`amazonResourceEvidence`: account, region and service by the resource's ARN."""
    return _amazon(item)


def azure_resource(item: Item, alert: Alert) -> Fields:
    """`azureResourceEvidence`: subscription and resource provider by the resource's id."""
    return _azure(item)


def google_resource(item: Item, alert: Alert) -> Fields:
    """`googleCloudResourceEvidence`: project, region and zone as given, else by the resource's full name."""
    return _google(item)


def resource_fields(item: Item) -> Fields:
    """The fields of a cloud resource inside another item, whichever cloud's it is; none for other items."""
    make = _BY_TYPE.get(type_of(item) or "")
    if make is None:
        make = next((by for name, by in _BY_PROPERTY.items() if text(item, name)), None)
    return make(item) if make else {}


def place_fields(item: Item) -> Fields:
    """Only `cloud.*` of the resource that something else belongs to."""
    return {name: value for name, value in resource_fields(item).items() if name.startswith("cloud.")}


def _azure(item: Item) -> Fields:
    identifier = text(item, "resourceId")
    subscription, provider, kind, name, last = _azure_parts(identifier or "")
    resource_type = f"{provider}/{kind}" if kind is not None else None
    lowered = (resource_type or "").lower()
    sub_type = text(item, "resourceType") or resource_type
    fields = _entity(identifier, text(item, "resourceName") or last, sub_type, lowered)
    fields |= _place("azure", subscription, None, provider)
    if subscription is None:
        del fields["cloud.account.id"]  # the tenant's stays
    if lowered == "microsoft.compute/virtualmachines":
        fields |= {"cloud.instance.name": name, "related.hosts": [name]}
    elif lowered in {"microsoft.containerservice/managedclusters", "microsoft.kubernetes/connectedclusters"}:
        fields |= _cluster(identifier, name)
    return fields


def _azure_parts(identifier: str) -> tuple[str | None, ...]:
    """Subscription, resource provider, type, name, and the name of the innermost part.

    An id is `/subscriptions/…/resourceGroups/…/providers/<provider>/<type>/<name>/<type>/<name>…`.
    """
    parts = [part for part in identifier.split("/") if part]
    lowered = [part.lower() for part in parts]
    if "subscriptions" not in lowered:
        return (None,) * 5
    subscription = next(filter(known, parts[lowered.index("subscriptions") + 1 :][:1]), None)
    if "providers" not in lowered:
        return subscription, None, None, None, None
    names = parts[lowered.index("providers") + 1 :]
    provider, kind, name = (*names[:3], None, None, None)[:3]
    return subscription, provider, kind, name, names[-1] if name is not None else None


_ARN = re.compile(r"arn:[^:]*:([^:]*):([^:]*):([^:]*):(?:([^:/]+)[:/])?(.*)", re.DOTALL)


def _amazon(item: Item) -> Fields:
    identifier, name = text(item, "amazonResourceId"), text(item, "resourceName")
    match = _ARN.fullmatch(identifier or "")
    groups = match.groups() if match else (None,) * 5
    service, region, account, kind, rest = (group or None for group in groups)
    if service == "s3":  # its ARN is `bucket/key`, without a word for the type
        kind, rest = None, kind or rest
    fields = _entity(identifier, name or rest, text(item, "resourceType"), f"{service}:{kind or ''}")
    fields |= _place("aws", text(item, "amazonAccountId") or account, region, service)
    if (service, kind) == ("ec2", "instance"):
        fields |= {"cloud.instance.id": rest, "cloud.instance.name": None if name == rest else name}
    elif (service, kind) == ("eks", "cluster"):
        fields |= _cluster(identifier, rest)
    return fields


_GOOGLE = re.compile(
    r"(?://([^./]+)\.googleapis\.com/|\A)projects/([^/]+)(?:/(?:zones|regions|locations)/([^/]+)|/global)?"
    r"(?:/([^/]+)/([^/]+))?"
)
_ZONE = re.compile(r"([a-z]+-[a-z]+\d+)-[a-z]")


def _google(item: Item) -> Fields:
    identifier, name = text(item, "fullResourceName"), text(item, "resourceName")
    match = _GOOGLE.match(identifier or "")
    service, project, place, kind, own = match.groups() if match else (None,) * 5
    fields = _entity(identifier, name or own, text(item, "resourceType"), f"{service}:{kind or ''}")
    fields |= _place("gcp", None, None, service)
    fields["cloud.project.id"] = text(item, "projectId") or project
    fields |= _google_location(text(item, "location") or place, (text(item, "locationType") or "").lower())
    if (service, kind) == ("compute", "instances"):
        by_number = own is not None and own.isdecimal()
        host = name if by_number else own
        fields |= {
            "cloud.instance.id": own if by_number else None,
            "cloud.instance.name": host,
            "related.hosts": [host],
        }
    elif (service, kind) == ("container", "clusters"):
        fields |= _cluster(identifier, own)
    return fields


def _google_location(location: str | None, level: str) -> Fields:
    """Region and zone: the name of a zone is that of its region with a letter behind it."""
    if location is None or "global" in {level, location.lower()}:
        return {}
    zone = _ZONE.fullmatch(location)
    if zone is not None:
        return {"cloud.region": zone[1], "cloud.availability_zone": location}
    return {"cloud.availability_zone" if level == "zonal" else "cloud.region": location}


_Maker = Callable[[Item], Fields]
_BY_TYPE: dict[str, _Maker] = {
    "amazonResourceEvidence": _amazon,
    "azureResourceEvidence": _azure,
    "googleCloudResourceEvidence": _google,
}
_BY_PROPERTY: dict[str, _Maker] = {
    "amazonResourceId": _amazon,
    "fullResourceName": _google,
    "resourceId": _azure,
}


def _place(provider: str, account: str | None, region: str | None, service: str | None) -> Fields:
    """Also the fields that are not known, so that no other cloud's value stays in the row."""
    return {
        "cloud.provider": provider,
        "cloud.account.id": account,
        "cloud.region": region,
        "cloud.service.name": service,
    }


_ENTITY_TYPES: dict[str, tuple[str, ...]] = {
    "bucket": ("s3:", "storage:buckets"),
    "database": ("rds:", "dynamodb:", "microsoft.sql/", "microsoft.documentdb/"),
    "function": ("lambda:function", "cloudfunctions:functions"),
    "host": ("ec2:instance", "compute:instances", "microsoft.compute/virtualmachines"),
    "queue": ("sqs:", "pubsub:topics", "microsoft.servicebus/"),
}
"""`entity.type` → how the resource types begin that ECS counts to it."""


def _entity(identifier: str | None, name: str | None, sub_type: str | None, kind: str) -> Fields:
    return {
        "entity.id": identifier,
        "entity.name": name,
        "entity.sub_type": sub_type,
        "entity.type": [each for each, starts in _ENTITY_TYPES.items() if kind.startswith(starts)],
    }


def _cluster(identifier: str | None, name: str | None) -> Fields:
    return {
        "orchestrator.type": "kubernetes",
        "orchestrator.cluster.id": identifier,
        "orchestrator.cluster.name": name,
    }


def blob_container(item: Item, alert: Alert) -> Fields:
    """`blobContainerEvidence`: a bucket in ECS' words, in the subscription of its storage account."""
    return {
        **place_fields(child(item, "storageResource")),
        **url_fields(text(item, "url")),
        "entity.id": text(item, "url"),
        "entity.name": text(item, "name"),
        "entity.type": ["bucket"],
    }


def blob(item: Item, alert: Alert) -> Fields:
    """`blobEvidence`: a file whose path is its name in the container, which may have folders in it."""
    container, name = child(item, "blobContainer"), text(item, "name") or ""
    directory, _, file_name = name.rpartition("/")
    return {
        **place_fields(child(container, "storageResource")),
        **url_fields(text(item, "url")),
        "file.directory": directory or None,
        "file.extension": extension_of(file_name) if file_name else None,
        "file.name": file_name or None,
        "file.path": name if file_name else None,
        **hash_fields(_digests(item), "file.hash"),
        "related.hosts": [url_fields(text(container, "url")).get("url.domain")],
    }


def _digests(item: Item) -> Item:
    """A blob's hashes (`fileHash`: algorithm and value) as the properties of a file."""
    pairs = ((text(each, "algorithm"), text(each, "value")) for each in children(item, "fileHashes"))
    return {algorithm.lower(): value for algorithm, value in pairs if algorithm is not None}


def sas_token(item: Item, alert: Alert) -> Fields:
    """`sasTokenEvidence`: the cloud of the storage account that it opens.

    `allowedIpAddresses` is an address, a range, or a sentence: only the first is an address.
    """
    return {
        **place_fields(child(item, "storageResource")),
        "entity.id": text(item, "signatureHash"),
        "related.ip": [address(text(item, "allowedIpAddresses"))],
    }
