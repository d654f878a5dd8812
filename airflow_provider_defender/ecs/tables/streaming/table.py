"""What all streaming tables have in common: column data to shapes, and the constants of every row."""

from __future__ import annotations

import re
from collections.abc import Mapping as MappingType
from collections.abc import Sequence
from typing import Any

from ...columns import arguments, lower
from ...mapping import ENVELOPE, ColumnType, Computed, Mapping, Shape
from ._columns import ALIASES, COLUMNS
from .actions import has_actions, is_known
from .functions import actions

__all__ = [
    "ACTION",
    "ARGUMENTS",
    "CONTAINER",
    "MODULE",
    "ONLY_HOST_NAME",
    "columns",
    "common_constants",
    "shape",
    "table",
]

MODULE = "microsoft_defender_xdr"
CONTAINER = "microsoft.defender_xdr"

ACTION = Computed(("event.action",), ("ActionType",), actions, "In lower case, with hyphens for blanks.")
"""`event.action`, where it needs nothing but the action type."""

ARGUMENTS = Computed(
    ("process.args", "process.args_count"),
    ("ProcessCommandLine",),
    arguments,
    "The command line split at blanks; double quotes hold blanks together.",
)
ONLY_HOST_NAME = Computed(("host.name",), ("DeviceName",), lower, "In lower case.")

_OBSERVERS = {
    "defender_endpoint": "Defender for Endpoint",
    "defender_office365": "Defender for Office 365",
    "defender_identity": "Defender for Identity",
    "defender_cloud_apps": "Defender for Cloud Apps",
    "defender_cloud": "Defender for Cloud",
    "defender_xdr": "Defender XDR",
}
"""`event.provider` → `observer.product`: the product behind a table, as Microsoft names it."""


def columns(text: str) -> dict[str, ColumnType]:
    """`name:type` words as {name: type}; a name alone is a string, `+` stands for nothing."""
    pairs = (word.partition(":") for word in text.split() if word != "+")
    return {name: column_type or "string" for name, _, column_type in pairs}  # type: ignore[misc]


def shape(table_name: str) -> Shape:
    """The columns of a streaming table."""
    return Shape(columns(COLUMNS[table_name]))


def common_constants(module: str, dataset: str, provider: str) -> dict[str, Any]:
    """The constants of every row, in the style of the seed's sample event.

    Args:
        module: `event.module`.
        dataset: what follows the module in `event.dataset`.
        provider: `event.provider`, a key of the products that this module knows.
    """
    return {
        "data_stream.dataset": f"{module}.{dataset}",
        "data_stream.namespace": "default",
        "data_stream.type": "logs",
        "event.dataset": f"{module}.{dataset}",
        "event.module": module,
        "event.provider": provider,
        "event.timezone": "UTC",
        "observer.product": _OBSERVERS[provider],
        "observer.vendor": "Microsoft",
        "tags": [module.replace("_", "-"), "forwarded"],
    }


def table(
    name: str,
    provider: str,
    *,
    constants: MappingType[str, Any],
    copies: MappingType[str, str],
    computed: Sequence[Computed] = (),
    inside: MappingType[str, Shape] | None = None,
    times: tuple[str, ...] = ("Timestamp",),
    notes: MappingType[str, str] | None = None,
) -> Mapping:
    """The mapping of a streaming table; what is common to all is added, and gives way to what is given.

    `organization.id` is the tenant of the envelope: `cloud.account.id` is left to tables of cloud resources.
    """
    own_copies = {"organization.id": "envelope.tenantId", **copies}
    own_constants = {
        **common_constants(MODULE, _snake_case(name), provider),
        "event.kind": "event",
        **constants,
    }
    computed_fields = {field for entry in computed for field in entry.fields}
    of_actions = [entry.inputs[0] for entry in computed if "event.action" in entry.fields]
    return Mapping(
        source=f"event_hub/{name}",
        dataset=f"events/{name}",
        shape=shape(name),
        container=CONTAINER,
        times=times,
        constants={
            field: value
            for field, value in own_constants.items()
            if field not in own_copies and field not in computed_fields
        },
        copies=own_copies,
        computed=tuple(computed),
        aliases=ALIASES.get(name, {}),
        inside=inside or {},
        known={column: is_known(name) for column in of_actions if has_actions(name)},
        envelope=ENVELOPE,
        notes=notes or {},
    )


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
