"""The mappings that are known by name, and the schemas of the datasets."""

from __future__ import annotations

import pyarrow as pa

from .fields import leaf_fields
from .mapping import Mapping
from .tables.alerts import alerts_schema
from .tables.defender_for_cloud import DEFENDER_FOR_CLOUD
from .tables.endpoint_alerts import ENDPOINT_ALERTS
from .tables.streaming import AZURE_MONITOR, STREAMING_TABLES, UNKNOWN_TABLE

__all__ = ["find_mapping", "register", "registered", "schema"]

_MAPPINGS: dict[str, Mapping] = {}
_ALERTS = "alerts"


def register(mapping: Mapping) -> None:
    """Make a mapping known by its source's name, in place of one of that name.

    It may fill a dataset of its own, whose schema follows from the mapping, or `alerts`, whose schema stays.

    Raises:
        ValueError: it fills a field twice, or one that its dataset does not have, or its dataset already
            has another schema.
    """
    check_fields(mapping)
    others = (known for known in _MAPPINGS.values() if known.source != mapping.source)
    if any(known.dataset == mapping.dataset and schema(known) != schema(mapping) for known in others):
        raise ValueError(f"dataset {mapping.dataset} already has another schema")
    _MAPPINGS[mapping.source] = mapping


def check_fields(mapping: Mapping) -> None:
    """See that the mapping's fields exist in its dataset's schema.

    Raises:
        ValueError: naming those that do not.
    """
    known = leaf_fields(schema(mapping))
    missing = [name for name in mapping.fields if name not in known]
    if missing:
        raise ValueError(
            f"mapping of {mapping.source}: not in dataset {mapping.dataset}: {', '.join(missing)}"
        )


def find_mapping(source: str | Mapping) -> Mapping:
    """The mapping itself, or the one registered under that name.

    Raises:
        ValueError: there is none, with the names that are known.
    """
    if isinstance(source, Mapping):
        return source
    try:
        return _MAPPINGS[source]
    except KeyError:
        raise ValueError(f"no mapping for source {source!r}; known: {', '.join(sorted(_MAPPINGS))}") from None


def registered() -> tuple[Mapping, ...]:
    """All mappings known by name."""
    return tuple(_MAPPINGS.values())


def schema(dataset: str | Mapping) -> pa.Schema:
    """The Arrow schema of a dataset, or of the dataset that a mapping fills.

    Raises:
        ValueError: no mapping fills that dataset.
    """
    name = dataset if isinstance(dataset, str) else dataset.dataset
    if name == _ALERTS:
        return alerts_schema()
    if isinstance(dataset, Mapping):
        return dataset.own_schema()
    for known in _MAPPINGS.values():
        if known.dataset == name:
            return known.own_schema()
    raise ValueError(f"no dataset {name!r}")


for known in (ENDPOINT_ALERTS, *STREAMING_TABLES, UNKNOWN_TABLE, *DEFENDER_FOR_CLOUD, AZURE_MONITOR):
    register(known)
