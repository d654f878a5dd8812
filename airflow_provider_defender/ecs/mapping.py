"""How a source's records become a dataset's rows, as data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Mapping as MappingType
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pyarrow as pa

from ._shapes import Kind, ListOf, Scalar, Shape, arrow_type
from .fields import ECS_FIELDS, EVENT_FIELDS, SEED_FIELDS, TIMESTAMP, field_type, nested_schema

__all__ = ["ENVELOPE", "Computed", "Deviation", "Kind", "ListOf", "Mapping", "Scalar", "Shape"]

LANDING_TYPE = pa.struct(
    [
        pa.field("source", pa.string()),
        pa.field("log", pa.string()),
        pa.field("tenant", pa.string()),
        pa.field("key", pa.string()),
        pa.field("version", pa.string()),
        pa.field("item", pa.int32()),
        pa.field("time_origin", pa.string()),
        pa.field(
            "kafka",
            pa.struct(
                [
                    pa.field("namespace", pa.string()),
                    pa.field("hub", pa.string()),
                    pa.field("partition", pa.int32()),
                    pa.field("offset", pa.int64()),
                    pa.field("record", pa.int32()),
                    pa.field("enqueued", pa.timestamp("us", tz="UTC")),
                ]
            ),
        ),
    ]
)
"""Where a row comes from: enough to find its record again and to know a repeat."""

ORIGIN_FIELDS = (
    pa.field("namespace", pa.string()),
    pa.field("hub", pa.string()),
    pa.field("partition", pa.int32()),
    pa.field("offset", pa.int64()),
    pa.field("enqueued", TIMESTAMP),
    pa.field("tenant", pa.string()),
)
"""What is known of a message besides its value."""

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
"""What the Streaming API puts around a table's row, which is under `properties`."""

HUB_SOURCE = "event_hub"
"""The source whose mappings are named `event_hub/<Table>`; the engine fills `event.hash` for them."""


@dataclass(frozen=True)
class Computed:
    """ECS fields that a function computes from columns.

    Attributes:
        fields: the ECS fields that it fills, one a result.
        inputs: property names as in `Mapping.copies`; `name#ticks` is a time in units of 100 ns since 1970
            (not of the names in `Mapping.inside`).
        function: takes an Arrow array an input, gives an array (or a tuple of them, for several fields).
        note: one sentence for the documentation.
    """

    fields: tuple[str, ...]
    inputs: tuple[str, ...]
    function: Callable[..., pa.Array | tuple[pa.Array, ...]]
    note: str


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
        times: the properties that give `@timestamp`; the first that is known counts. Records of the event hub
            without any take `envelope.time`, then the time when the broker got the message; so do those with
            one that is over 400 days before that, or a day after it, unless two clocks outvote the third.
        key: the property that identifies a record; a record without it is rejected. Not for the event hub,
            whose rows have the key `<tenant>/<event.hash>`, or only the hash where no tenant is known; behind
            it `/<partition>-<offset>-<record>` where the same content may come again without being a repeat.
        version: the property that changes with every change of a record. Not for the event hub.
        tenant: the property that names the tenant, for records whose origin does not. For the event hub
            `envelope.tenantId` counts first, then this property, then the origin.
        items: the property that holds a list of objects, one a row; None for one row a record.
        constants: ECS field → value of every row.
        copies: ECS field → property, as `name`, `object.name` or, for a row's item, `items.name`. A number
            that is copied to a text field becomes its decimal text.
        computed: ECS fields that need a function.
        aliases: other spelling on the wire → property, for spellings that are common (`ISP` → `Isp`); records
            with any other spelling that differs in case are read, too, but slower. Where a record has both,
            and they differ, the property's own counts and the other goes to `unmapped`.
        inside: property of kind `dynamic` → the keys, and their kinds, of the JSON object that it
            holds, for `copies` and `computed`, which name them `property.key` (a key's own dots stay:
            `AdditionalFields.ACTOR.DEVICE`). They are no columns; a value that does not fit is null.
        envelope: for records of the event hub that hold the object of `shape` under `properties`: the keys
            around it. They become the container's struct `envelope`, and `envelope.name` in `copies` and
            `computed`. None where the record itself is the object of `shape`.
        typed: False if the container has no columns of the shape: all properties stand in `unmapped`, and the
            shape only says what is read for `times`, `copies` and `computed`.
        notes: ECS field → remark for the documentation.
        deviations: from the seed, for the documentation.
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
    aliases: MappingType[str, str] = field(default_factory=dict)
    inside: MappingType[str, Shape] = field(default_factory=dict)
    envelope: Shape | None = None
    typed: bool = True
    notes: MappingType[str, str] = field(default_factory=dict)
    deviations: Sequence[Deviation] = ()

    @property
    def from_hub(self) -> bool:
        """Whether the records come from an event hub."""
        return self.source.startswith(f"{HUB_SOURCE}/")

    @property
    def categories(self) -> tuple[str, ...]:
        """The properties that tactics are read from: the first input of what fills `threat.tactic.id`."""
        entries = (entry for entry in self.computed if "threat.tactic.id" in entry.fields)
        return tuple(entry.inputs[0] for entry in entries)

    @property
    def engine_fields(self) -> tuple[str, ...]:
        """The fields that the engine fills."""
        return (*ENGINE_FIELDS, "event.hash") if self.from_hub else ENGINE_FIELDS

    @property
    def fields(self) -> tuple[str, ...]:
        """All ECS and seed fields that the mapping fills, each once.

        Raises:
            ValueError: a field is filled twice.
        """
        computed = [name for entry in self.computed for name in entry.fields]
        names = [*self.engine_fields, *self.constants, *self.copies, *computed]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ValueError(f"mapping of {self.source}: filled twice: {', '.join(sorted(twice))}")
        return tuple(names)

    @cached_property
    def wire_shape(self) -> Shape:
        """The shape with the properties' other spellings, each a property of its own."""
        properties = self.shape.properties
        others = {alias: properties[name] for alias, name in self.aliases.items()}
        return Shape({**others, **properties}) if others else self.shape

    @cached_property
    def container_type(self) -> pa.DataType:
        """The container: every property, the row's own item in place of the list of items, `envelope` (if
        the mapping has one) and `unmapped`.
        """
        fields = []
        for name, kind in self.shape.properties.items() if self.typed else ():
            is_items = name == self.items and isinstance(kind, ListOf)
            fields.append(pa.field(name, arrow_type(kind.item if is_items else kind)))  # type: ignore[union-attr]
        if self.envelope is not None:
            fields.append(pa.field("envelope", arrow_type(self.envelope)))
        return pa.struct([*fields, pa.field("unmapped", pa.string())])

    def own_schema(self) -> pa.Schema:
        """The schema of a dataset that only this mapping fills: fields in ECS order, container, `landing`."""
        order = {name: place for place, name in enumerate([*ECS_FIELDS, *EVENT_FIELDS, *SEED_FIELDS])}
        leaves = {
            name: field_type(name)
            for name in sorted(self.fields, key=lambda name: order.get(name, len(order)))
        }
        return nested_schema({**leaves, self.container: self.container_type, "landing": LANDING_TYPE})
