"""The registered mappings by name, and the schemas of the datasets."""

from __future__ import annotations

import pyarrow as pa

from airflow_provider_defender.landing import Partitioning

from .fields import leaf_fields
from .mapping import Mapping
from .tables.datasets import EVENTS, MAPPINGS, partitioning_of, schema_of, usual_partitioning

__all__ = ["find_mapping", "partitioning", "register", "registered", "schema"]

_MAPPINGS: dict[str, Mapping] = {}


def register(mapping: Mapping) -> None:
    """Register a mapping under its source's name; replaces a mapping of that name.

    It may fill a dataset of its own, whose schema follows from the mapping, or `alerts`, whose schema is
    fixed.

    Raises:
        ValueError: the mapping fills a field twice, or a field that its dataset lacks, or its dataset already
            has another schema or partitioning.
    """
    check_fields(mapping)
    for known in _MAPPINGS.values():
        if known.dataset == mapping.dataset and known.source != mapping.source:
            _check_agreement(known, mapping)
    _MAPPINGS[mapping.source] = mapping


def _check_agreement(known: Mapping, mapping: Mapping) -> None:
    """Check that two mappings of one dataset agree on its schema and partitioning."""
    if schema_of(known) != schema_of(mapping):
        raise ValueError(f"dataset {mapping.dataset} already has another schema")
    if partitioning_of(known) != partitioning_of(mapping):
        raise ValueError(
            f"dataset {mapping.dataset} is already partitioned by {partitioning_of(known).value}, "
            f"not by {partitioning_of(mapping).value}"
        )


def check_fields(mapping: Mapping) -> None:
    """Check that the mapping's fields exist in its dataset's schema.

    Raises:
        ValueError: some do not; the message lists them.
    """
    known = leaf_fields(schema(mapping))
    missing = [name for name in mapping.fields if name not in known]
    if missing:
        raise ValueError(
            f"mapping of {mapping.source}: not in dataset {mapping.dataset}: {', '.join(missing)}"
        )


def find_mapping(source: str | Mapping) -> Mapping:
    """Return the mapping itself, or the one registered under that name.

    Raises:
        ValueError: there is none; the message lists the registered names.
    """
    if isinstance(source, Mapping):
        return source
    try:
        return _MAPPINGS[source]
    except KeyError:
        raise ValueError(f"no mapping for source {source!r}; known: {', '.join(sorted(_MAPPINGS))}") from None


def registered() -> tuple[Mapping, ...]:
    """Return all registered mappings."""
    return tuple(_MAPPINGS.values())


def schema(dataset: str | Mapping) -> pa.Schema:
    """Return the Arrow schema of a dataset, or of the dataset that a mapping fills.

    Raises:
        ValueError: no mapping fills that dataset.
    """
    if isinstance(dataset, Mapping):
        return schema_of(dataset)
    known = _mapping_of(dataset)
    if known is not None:
        return schema_of(known)
    raise ValueError(f"no dataset {dataset!r}")


def partitioning(dataset: str) -> Partitioning:
    """Return how a dataset's rows are divided into folders.

    Event hub tables without a mapping have a dataset, too: `events/<Table>`, by hour.

    Raises:
        ValueError: no mapping fills that dataset.
    """
    known = _mapping_of(dataset)
    if known is not None:
        return partitioning_of(known)
    if dataset.startswith(EVENTS):
        return usual_partitioning(dataset)
    raise ValueError(f"no dataset {dataset!r}")


def _mapping_of(dataset: str) -> Mapping | None:
    return next((known for known in _MAPPINGS.values() if known.dataset == dataset), None)


for each in MAPPINGS:
    register(each)
