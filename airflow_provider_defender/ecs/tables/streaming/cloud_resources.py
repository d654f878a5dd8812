"""What a cloud resource's id says: provider, account, project, region and machine."""

from __future__ import annotations

import re

import pyarrow as pa

from ...columns import by_distinct, first_known
from .functions import cloud_provider

__all__ = [
    "CLUSTER_FIELDS",
    "RESOURCE_FIELDS",
    "STORAGE_FIELDS",
    "cluster_of",
    "cluster_resource",
    "resource",
    "resource_of",
    "storage_resource",
]

RESOURCE_FIELDS = (
    "cloud.provider",
    "cloud.account.id",
    "cloud.project.id",
    "cloud.region",
    "cloud.instance.name",
)
"""What the functions on resources give."""

STORAGE_FIELDS = (*RESOURCE_FIELDS[:-1], "entity.id", "entity.name", "entity.sub_type")
"""What `storage_resource` gives: a storage account is no machine; it is the entity, as in Graph's alerts."""

CLUSTER_FIELDS = ("orchestrator.cluster.id", "orchestrator.cluster.name")
"""What `cluster_of` gives."""

_AZURE = re.compile(r"/subscriptions/([^/]+)", re.IGNORECASE)
_AZURE_MACHINE = re.compile(r"/virtualMachines/([^/]+)", re.IGNORECASE)
_AWS = re.compile(r"arn:[^:]*:[^:]*:([^:]*):([^:]*):")
_CLUSTERS = (
    re.compile(r".*/managedClusters/([^/]+)", re.IGNORECASE),
    re.compile(r"arn:[^:]*:eks:[^:]*:[^:]*:cluster/([^/]+)"),
    re.compile(r".*/projects/[^/]+/(?:zones|locations)/[^/]+/clusters/([^/]+)"),
)
"""The ids of clusters of Azure, Amazon and Google; what follows is something in the cluster."""
_GCP = re.compile(r"(?:^|/)projects/([^/]+)(?:.*?/(?:zones|regions|locations)/([^/]+))?")


def _resource(azure: str | None, amazon: str | None, google: str | None) -> tuple[str | None, ...]:
    """Provider, account, project, region, machine by a resource's id."""
    if azure and (match := _AZURE.search(azure)):
        machine = _AZURE_MACHINE.search(azure)
        return "azure", match[1], None, None, machine[1] if machine else None
    if amazon and (match := _AWS.match(amazon)):
        return "aws", match[2] or None, None, match[1] or None, None
    if google and (match := _GCP.search(google)):
        return "gcp", None, match[1], match[2], None
    return (None,) * 5


def _resources(*columns: pa.Array) -> tuple[pa.Array, ...]:
    return by_distinct(_resource, (pa.string(),) * 5, *columns)


def resource_of(identifier: pa.Array) -> tuple[pa.Array, ...]:
    """`RESOURCE_FIELDS` by one id, whichever cloud's it is."""
    return _resources(identifier, identifier, identifier)


def resource(
    audit_source: pa.Array,
    data_source: pa.Array,
    azure: pa.Array,
    amazon: pa.Array,
    google: pa.Array,
    any_cloud: pa.Array,
    amazon_region: pa.Array,
    amazon_account: pa.Array,
) -> tuple[pa.Array, ...]:
    """`RESOURCE_FIELDS` of an audited resource, whichever cloud's id it has.

    The ids of some of Amazon's resources (buckets) say neither region nor account: those of its own record
    count then.
    """
    provider, account, project, region, machine = _resources(
        *(first_known(column, any_cloud) for column in (azure, amazon, google))
    )
    return (
        first_known(provider, cloud_provider(audit_source, data_source)),
        first_known(account, amazon_account),
        project,
        first_known(region, amazon_region),
        machine,
    )


def cluster_resource(
    azure: pa.Array, amazon: pa.Array, google: pa.Array, region: pa.Array
) -> tuple[pa.Array, ...]:
    """`RESOURCE_FIELDS` of a cluster."""
    provider, account_id, project, own_region, name = _resources(azure, amazon, google)
    return provider, account_id, project, first_known(region, own_region), name


def cluster_of(*identifiers: pa.Array) -> tuple[pa.Array, ...]:
    """`CLUSTER_FIELDS`: id and name of the Kubernetes cluster that is, or holds, the first resource."""

    def find(*texts: str | None) -> tuple[str | None, str | None]:
        matches = (pattern.match(text) for text in texts if text for pattern in _CLUSTERS)
        match = next((match for match in matches if match), None)
        return (match[0], match[1]) if match else (None, None)

    return by_distinct(find, (pa.string(),) * 2, *identifiers)


def storage_resource(
    azure: pa.Array, subscription: pa.Array, storage: pa.Array, location: pa.Array
) -> tuple[pa.Array, ...]:
    """`STORAGE_FIELDS` of a storage account in Azure."""
    nothing = pa.nulls(len(azure), pa.string())
    _, account_id, project, _, _ = _resources(azure, nothing, nothing)
    return (
        pa.repeat(pa.scalar("azure"), len(azure)),
        first_known(subscription, account_id),
        project,
        location,
        azure,
        storage,
        pa.repeat(pa.scalar("Microsoft.Storage/storageAccounts"), len(azure)),
    )
