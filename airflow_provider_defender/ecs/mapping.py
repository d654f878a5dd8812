"""Mappings: how a source's records become a dataset's rows, as data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Mapping as MappingType
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeAlias

import pyarrow as pa

from airflow_provider_defender.landing import LANDING_TYPE, Partitioning

from .engine.items import ColumnPart, ItemColumns
from .engine.shapes import ColumnType, ListOf, Scalar, Shape, arrow_type
from .fields import (
    ECS_FIELDS,
    EVENT_FIELDS,
    SEED_FIELDS,
    Nested,
    field_type,
    nested_fields,
    nested_schema,
)

__all__ = [
    "ENVELOPE",
    "ColumnType",
    "Computed",
    "Derived",
    "Deviation",
    "Fields",
    "ListOf",
    "Mapping",
    "Scalar",
    "Shape",
]

ENGINE_FIELDS = ("@timestamp", "ecs.version", "event.ingested", "event.original")
"""Fields that the engine fills for every mapping."""

ENVELOPE = Shape(
    {
        "time": "time",
        "tenantId": "string",
        "operationName": "string",
        "category": "string",
        "_TimeReceivedBySvc": "time",
        "Tenant": "string",
    }
)
"""The keys that the Streaming API puts around a table's row, which is under `properties`."""

HUB_SOURCE = "event_hub"
"""The source whose mappings are named `event_hub/<Table>`; the engine fills `event.hash` for them."""


@dataclass(frozen=True)
class Computed:
    """ECS fields that a function computes from columns.

    Attributes:
        fields: the ECS fields that it fills, one per result.
        inputs: property names as in `Mapping.copies`; `name#ticks` is a time in units of 100 ns since 1970
            (not available for names in `Mapping.inside`).
        function: takes one Arrow array per input, returns an array (or a tuple of them, for several fields).
        note: one sentence for the documentation.
        sources: ECS field → the inputs that give it, for the documentation, where not all of them do.
    """

    fields: tuple[str, ...]
    inputs: tuple[str, ...]
    function: Callable[..., pa.Array | tuple[pa.Array, ...]]
    note: str
    sources: MappingType[str, tuple[str, ...]] = field(default_factory=dict)


Fields: TypeAlias = "dict[str, Any]"
"""ECS field → value of one row: str, int, float, bool, list of str; a date in ticks of 100 ns since 1970.
None and empty lists are absent."""


DerivedRow: TypeAlias = "Fields | tuple[Fields, ...]"
"""The fields of a row, whole or in parts."""


@dataclass(frozen=True)
class Derived:
    """ECS fields that a function derives from the parsed record, row by row: for nested, varied JSON.

    It costs more than `copies` and `computed`, which see whole columns; `columnar` saves most of that.

    Attributes:
        fields: the ECS fields that it can fill. What it returns for others is dropped, and counted.
        function: takes the record and its items (JSON objects; one empty object if the record has none), and
            returns the fields of each item's row, or a tuple of parts that have no field in common; a part
            that several rows share is best the same object. The keys of record and items are in the shape's
            spelling.
        parsed: whether it gets the whole record parsed, with all values as sent, whatever their types; it is
            not called for a record that Python cannot parse whole (nested too deeply). If not, which is
            faster, it gets the values that fit the shape, and those of types `json` and `dynamic` as
            `msgspec.Raw`.
        note: one sentence for the documentation.
        notes: ECS field → sentence for the documentation, where the field has one of its own.
        inputs: the properties that it reads, for the documentation; the items if left out.
        known: property of an item → its known values. Any other value is counted as an unmapped field
            `property=value`.
        columnar: derives the same fields from the columns of all items at once, of the rows for which that
            is possible. Returns these fields in parts, of which the last one counts where several have the
            same field of a row, and the numbers of the rows that `function` must derive. It must give
            what `function` gives: that is what the fields are defined by.
    """

    fields: tuple[str, ...]
    function: Callable[[dict[str, Any], list[dict[str, Any]]], Sequence[DerivedRow]]
    note: str
    parsed: bool = True
    notes: MappingType[str, str] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    known: MappingType[str, frozenset[str]] = field(default_factory=dict)
    columnar: Callable[[ItemColumns], tuple[list[ColumnPart], pa.Array]] | None = None


@dataclass(frozen=True)
class Deviation:
    """Where a row differs from the seed's sample event or field table, and why."""

    field: str
    seed: str
    ours: str
    reason: str


@dataclass(frozen=True, eq=False)
class Mapping:
    """How records of one source become rows of one dataset.

    Attributes:
        source: the name given to `map_records`.
        dataset: the dataset that the rows land in, for example `alerts`.
        shape: what a record looks like.
        container: the struct that holds the record's own properties: `microsoft.defender_endpoint`.
        times: the properties that give `@timestamp`; the first one with a value counts. Event hub records
            without any take `envelope.time`, then the time when the broker received the message. So do
            records whose time is more than 400 days before or one day after that, unless two clocks outvote
            the third.
        key: the property that identifies a record; a record without it is rejected. Not used for an event
            hub: its rows have the key `<tenant>/<event.hash>`, or only the hash if no tenant is known,
            followed by `/<partition>-<offset>-<record>` for tables in which equal content need not be a
            duplicate.
        version: the property that changes with every change of a record. Not used for an event hub.
        tenant: the property that names the tenant, for records whose origin does not. For an event hub,
            `envelope.tenantId` counts first, then this property, then the origin.
        items: the property that holds a list of objects, each of which becomes a row; None: one row per
        record.
        constants: ECS field → value of every row.
        copies: ECS field → property, as `name`, `object.name` or, for a row's item, `items.name`. A number
            copied to a text field becomes its decimal text.
        computed: ECS fields that need a function.
        derived: ECS fields that are derived from the parsed record; not for an event hub.
        aliases: other spelling in the data → property, for common spellings (`ISP` → `Isp`). Records with any
            other spelling that differs in case are read, too, but slower. If a record has both spellings with
            different values, the property's own spelling counts and the other goes to `unmapped`.
        inside: property of type `dynamic` → keys and types of the JSON object that it holds, for `copies` and
            `computed`, which name them `property.key` (a key keeps its own dots:
            `AdditionalFields.ACTOR.DEVICE`). They get no columns; a value that does not fit is null.
        known: property of action types → whether one is known. Those that are not are counted by name; only
            for an event hub.
        envelope: for event hub records that hold the object of `shape` under `properties`: the keys around
            it. They become the container's struct `envelope`, and `envelope.name` in `copies` and `computed`.
            None if the record itself is the object of `shape`.
        added: column of the container that no property has the name of → what it repeats, as in `copies`.
        typed: False if the container has no columns for the shape. Then all properties go to `unmapped`, and
            the shape only lists what is read for `times`, `copies` and `computed`.
        partitioning: how the dataset is divided into folders; None: a dataset `events/…` by hour, any other
            by day.
        notes: ECS field → remark for the documentation.
        deviations: deviations from the seed, for the documentation.
    """

    source: str
    dataset: str
    shape: Shape
    container: str
    times: tuple[str, ...]
    key: str = "id"
    version: str = "lastUpdateTime"
    tenant: str | None = None
    items: str | None = None
    constants: MappingType[str, Any] = field(default_factory=dict)
    copies: MappingType[str, str] = field(default_factory=dict)
    computed: Sequence[Computed] = ()
    derived: Derived | None = None
    aliases: MappingType[str, str] = field(default_factory=dict)
    inside: MappingType[str, Shape] = field(default_factory=dict)
    known: MappingType[str, Callable[[str], bool]] = field(default_factory=dict)
    envelope: Shape | None = None
    added: MappingType[str, str] = field(default_factory=dict)
    typed: bool = True
    partitioning: Partitioning | None = None
    notes: MappingType[str, str] = field(default_factory=dict)
    deviations: Sequence[Deviation] = ()

    @property
    def from_hub(self) -> bool:
        """Whether the records come from an event hub."""
        return self.source.startswith(f"{HUB_SOURCE}/")

    @property
    def categories(self) -> tuple[str, ...]:
        """The properties that tactics are read from: the first input of each `threat.tactic.id`."""
        entries = (entry for entry in self.computed if "threat.tactic.id" in entry.fields)
        return tuple(entry.inputs[0] for entry in entries)

    @property
    def engine_fields(self) -> tuple[str, ...]:
        """The fields that the engine fills."""
        return (*ENGINE_FIELDS, "event.hash") if self.from_hub else ENGINE_FIELDS

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """All ECS and seed fields that the mapping fills, each once.

        Raises:
            ValueError: a field is filled twice.
        """
        computed = [name for entry in self.computed for name in entry.fields]
        derived = self.derived.fields if self.derived is not None else ()
        names = [*self.engine_fields, *self.constants, *self.copies, *computed, *derived]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ValueError(f"mapping of {self.source}: filled twice: {', '.join(sorted(twice))}")
        return tuple(names)

    @cached_property
    def wire_shape(self) -> Shape:
        """The shape, with each alias as a property of its own."""
        properties = self.shape.properties
        others = {alias: properties[name] for alias, name in self.aliases.items()}
        return replace(self.shape, properties={**others, **properties}) if others else self.shape

    @cached_property
    def container_type(self) -> pa.DataType:
        """The type of the container: all properties, `added`, `envelope` if there is one, and `unmapped`.

        The list of items is replaced by the row's own item.
        """
        fields = []
        for name, column_type in self.shape.properties.items() if self.typed else ():
            is_items = name == self.items and isinstance(column_type, ListOf)
            fields.append(pa.field(name, arrow_type(column_type.item if is_items else column_type)))  # type: ignore[union-attr]
        fields += [pa.field(name, self._type_of(source)) for name, source in self.added.items()]
        if self.envelope is not None:
            fields.append(pa.field("envelope", arrow_type(self.envelope)))
        return pa.struct([*fields, pa.field("unmapped", pa.string())])

    @cached_property
    def container_fields(self) -> list[pa.Field]:
        """The fields of the container."""
        return list(self.container_type)

    def _type_of(self, source: str) -> pa.DataType:
        """The type of a property by dotted name: below a list of objects, the list of their values."""
        column_type: ColumnType = self.shape
        is_list = False
        for name in source.split("."):
            if isinstance(column_type, ListOf):
                column_type, is_list = column_type.item, True
            column_type = column_type.properties[name]  # type: ignore[union-attr]
        return arrow_type(ListOf(column_type) if is_list else column_type)

    def own_schema(self) -> pa.Schema:
        """The schema of a dataset that only this mapping fills: fields in ECS order, container, `landing`."""
        return self._own_schema

    @cached_property
    def own_fields(self) -> list[Nested]:
        """The fields of that schema, for `nested_columns`."""
        return nested_fields(self._own_schema)

    @cached_property
    def _own_schema(self) -> pa.Schema:
        order = {name: place for place, name in enumerate([*ECS_FIELDS, *EVENT_FIELDS, *SEED_FIELDS])}
        leaves = {
            name: field_type(name)
            for name in sorted(self.fields, key=lambda name: order.get(name, len(order)))
        }
        return nested_schema({**leaves, self.container: self.container_type, "landing": LANDING_TYPE})
