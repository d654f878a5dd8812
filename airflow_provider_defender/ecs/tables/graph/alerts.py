"""Alerts of all Defender products, from Graph (`GET /security/alerts_v2`): one row an evidence item.

The properties are those of Microsoft's `alert` resource and of its 48 types of evidence. A field means the
same as for alerts of the Endpoint API (`endpoint_alerts`) wherever both have it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import pyarrow as pa

from ...columns import arguments, by_distinct, difference_in_nanoseconds
from ...engine.items import ColumnPart, ItemColumns, distinct
from ...mapping import Computed, Derived, Deviation, Fields, Mapping
from .._items import said
from ..endpoint_alerts import all_said, severity_numbers, tactics, techniques
from .alert import Alert
from .categories import categories_and_types
from .columnar import evidence_columns
from .evidence import evidence_fields
from .fields import EVIDENCE_FIELDS, EVIDENCE_NOTES
from .related import Part, together, with_related
from .shape import EVIDENCE_TYPES, TYPE_PREFIX, alert_shape
from .values import LONGEST_KEPT, Item, are_short, text, type_of

__all__ = ["GRAPH_ALERTS", "alert_columns", "alert_parts", "alert_rows", "product_names"]

_PRODUCTS = {
    "microsoftdefenderforendpoint": "Defender for Endpoint",
    "microsoftdefenderforidentity": "Defender for Identity",
    "microsoftdefenderforcloudapps": "Defender for Cloud Apps",
    "microsoftdefenderforoffice365": "Defender for Office 365",
    "microsoft365defender": "Defender XDR",
    "azureadidentityprotection": "Entra ID Protection",
    "microsoftappgovernance": "App Governance",
    "datalossprevention": "Purview Data Loss Prevention",
    "microsoftdefenderforcloud": "Defender for Cloud",
    "microsoftsentinel": "Sentinel",
    "microsoftinsiderriskmanagement": "Purview Insider Risk Management",
    "microsoftthreatintelligence": "Threat Intelligence",
    "microsoftsecurityforai": "Security for AI",
}
"""`serviceSource` in lower case → the product's name."""


def product_names(source: pa.Array) -> pa.Array:
    """`observer.product`: the product's name by `serviceSource`; of an unknown one what Microsoft sends."""
    (names,) = by_distinct(
        lambda name: (said(name) and _PRODUCTS.get(str(name).lower(), name),), (pa.string(),), source
    )
    return names


def alert_rows(record: Item, items: list[Item]) -> list[Fields]:
    """The derived fields of an alert's rows, one for each item of evidence."""
    return [together(parts) for parts in alert_parts(record, items)]


def alert_parts(record: Item, items: list[Item]) -> list[tuple[Fields, ...]]:
    """Like `alert_rows`, but each row in parts, which rows share where they can."""
    alert = Alert(record, items)
    properties = tuple(text(record, name) for name in _ROW_PROPERTIES)
    short, rows = are_short(properties), []
    for item in items:
        kind = type_of(item)
        kept = short and (kind is None or len(kind) <= LONGEST_KEPT)
        common = (_kept_common if kept else _common)(kind, _is_denied(item), *properties)
        parts = evidence_fields(item, alert)
        if not isinstance(parts, tuple):
            fields = {**common, **parts}
            if fields["threat.software.name"] is None:
                fields["threat.software.name"] = common["threat.software.name"]
            parts = (fields,)
        else:
            if any(_ACCOUNT in part for part in parts):  # a virtual machine's subscription, not the tenant
                common = _common(type_of(item), _is_denied(item), *properties[:_TENANT], None, properties[-1])
            parts = (common, *parts)
        rows.append(with_related(parts))
    return rows


_ROW_PROPERTIES = ("serviceSource", "category", "determination", "status", "tenantId", "threatFamilyName")
_TENANT = _ROW_PROPERTIES.index("tenantId")
_ACCOUNT = "cloud.account.id"


def _common(evidence: str | None, denied: bool, *properties: str | None) -> Part:
    """What follows from the alert's `_ROW_PROPERTIES`, and from the kind of evidence only."""
    *texts, tenant, family = properties
    categories, types = categories_and_types(
        evidence, *(value.lower() if value is not None else "" for value in texts), denied=denied
    )
    return Part(
        {
            **({_ACCOUNT: tenant} if tenant is not None else {}),
            "cloud.provider": "azure",
            "event.category": categories,
            "event.type": types,
            "threat.software.name": family,
        }
    )


_kept_common = lru_cache(maxsize=4096)(_common)


def alert_columns(items: ItemColumns) -> tuple[list[ColumnPart], pa.Array]:
    """What `alert_parts` gives, for the rows of many alerts; and the rows for which it must be asked."""
    texts = (pa.string(),)
    (types,) = by_distinct(lambda value: (type_of({"odata_type": value}),), texts, items.sent("odata_type"))
    return evidence_columns(items, types, _common_columns(items, types))


def _common_columns(items: ItemColumns, types: pa.Array) -> dict[str, pa.Array]:
    """`_common` of all rows."""
    statuses = [items.sent(name) for name in _STATUSES]
    (denied,) = by_distinct(
        lambda *pair: (_is_denied(dict(zip(_STATUSES, pair, strict=True))),), (pa.bool_(),), *statuses
    )
    columns = [items.of_record(name) for name in _ROW_PROPERTIES]
    of_alert, alerts = distinct(len(columns[0]), columns)
    known = [[text({"": value}, "") for value in column.take(alerts).to_pylist()] for column in columns]
    properties = list(zip(*known, strict=True))
    of_row = of_alert.take(items.parents)
    indices, firsts = distinct(items.length, [of_row, types, denied])
    rows = zip(*(column.take(firsts).to_pylist() for column in (types, denied, of_row)), strict=True)
    found = [_common(name, is_denied, *properties[alert]) for name, is_denied, alert in rows]
    return items.columns_of(found, indices)


_DENIED = frozenset({"blocked", "prevented"})


def _is_denied(item: Item) -> bool:
    """Whether Defender blocked or prevented what the item is evidence of."""
    statuses = map(item.get, _STATUSES)
    return any(type(status) is str and status.lower() in _DENIED for status in statuses)


_STATUSES = ("detectionStatus", "remediationStatus")


_CONSTANTS: dict[str, Any] = {
    "data_stream.dataset": "microsoft_graph_security.alert",
    "data_stream.namespace": "default",
    "data_stream.type": "logs",
    "event.dataset": "microsoft_graph_security.alert",
    "event.kind": "alert",
    "event.module": "microsoft_graph_security",
    "event.timezone": "UTC",
    "input.type": "httpjson",
    "observer.vendor": "Microsoft",
    "tags": ["microsoft-graph-security", "forwarded"],
    "threat.framework": "MITRE ATT&CK",
}

_COPIES = {
    "message": "title",
    "event.created": "createdDateTime",
    "event.end": "lastActivityDateTime",
    "event.id": "id",
    "event.reference": "incidentWebUrl",
    "event.start": "firstActivityDateTime",
    "event.url": "alertWebUrl",
    "rule.description": "description",
    "rule.id": "detectorId",
    "threat.group.name": "actorDisplayName",
}

_COMPUTED = (
    Computed(("event.action",), ("category",), all_said, "Not `null`, none or unknown."),
    Computed(("event.provider",), ("serviceSource",), all_said, "Not `unknown` or `unknownFutureValue`."),
    Computed(("observer.name",), ("detectionSource",), all_said, "Not `unknown` or `unknownFutureValue`."),
    Computed(
        ("event.duration",),
        ("firstActivityDateTime#ticks", "lastActivityDateTime#ticks"),
        difference_in_nanoseconds,
        "End minus start in ns, from all seven digits of the texts; null if the end lies before the start.",
    ),
    Computed(
        ("event.severity", "event.risk_score"),
        ("severity",),
        severity_numbers,
        "Unknown 0, informational 1, low 2, medium 3, high 4, critical 5; the risk score is 21, 21, 47, 73, "
        "99, and null for unknown.",
    ),
    Computed(
        ("process.args", "process.args_count"),
        ("evidence.processCommandLine",),
        arguments,
        "The command line split at blanks; double quotes hold blanks together.",
    ),
    Computed(
        ("observer.product",), ("serviceSource",), product_names, "The product's name, by serviceSource."
    ),
    Computed(
        ("threat.tactic.id", "threat.tactic.name"),
        ("category", "categories"),
        tactics,
        "Where category or one of categories is the name of one of MITRE's tactics; each once.",
    ),
    Computed(
        ("threat.technique.id", "threat.technique.subtechnique.id"),
        ("mitreTechniques",),
        techniques,
        "Ids wherever they stand, each once; T1059.001 is sub-technique T1059.001 of technique T1059.",
    ),
)

_PREFIXES = (TYPE_PREFIX, TYPE_PREFIX.removeprefix("#"))

_DERIVED = Derived(
    EVIDENCE_FIELDS,
    alert_parts,
    "By the type of the row's evidence.",
    notes=EVIDENCE_NOTES,
    parsed=False,
    columnar=alert_columns,
    known={"odata_type": frozenset(f"{sign}{name}" for name in EVIDENCE_TYPES for sign in _PREFIXES)},
)

_DEVIATIONS = (
    Deviation(
        "event.module, event.dataset, data_stream.dataset, tags",
        "microsoft_defender_endpoint …",
        "microsoft_graph_security …",
        "They name the API. `landing.source` is what to filter on.",
    ),
    Deviation(
        "event.provider, observer.name",
        "defender_endpoint; WindowsDefenderAv …",
        "microsoftDefenderForEndpoint; antivirus …",
        "What Graph's serviceSource and detectionSource say, in Graph's spelling.",
    ),
    Deviation(
        "user.*",
        "the alert's relatedUser, then the item's account",
        "the item's account",
        "Graph's alerts have no user of their own: their users are evidence of its own rows.",
    ),
    Deviation(
        "host.*",
        "the alert's machine, on all rows",
        "the item's device, with addresses, operating system and risk",
        "An alert of Graph can have several devices. A row whose evidence names none has no host.",
    ),
    Deviation(
        "cloud.instance.*, cloud.account.id",
        "the machine's id in Defender; the tenant",
        "of a virtual machine in Azure its id, name and subscription",
        "Graph's vmMetadata has them. `host.id` is Defender's id in both.",
    ),
    Deviation(
        "threat.technique.name",
        "category",
        "null",
        "A category is no technique. `event.action` and `threat.tactic.*` have it in both.",
    ),
    Deviation(
        "process.parent.hash.*, file.code_signature.*, file.size, file.hash.md5",
        "null",
        "filled",
        "Only Graph sends them.",
    ),
    Deviation(
        "related.hosts, related.user, related.ip",
        "also the alert's domains and users logged on",
        "only what the row's evidence names",
        "Graph has domains and users logged on as evidence, or inside the device's.",
    ),
)

GRAPH_ALERTS = Mapping(
    source="graph_alerts",
    dataset="alerts",
    shape=alert_shape(),
    container="microsoft.graph_security",
    times=("createdDateTime", "firstActivityDateTime", "lastUpdateDateTime"),
    key="id",
    version="lastUpdateDateTime",
    tenant="tenantId",
    items="evidence",
    constants=_CONSTANTS,
    copies=_COPIES,
    computed=_COMPUTED,
    derived=_DERIVED,
    deviations=_DEVIATIONS,
)
"""The mapping of source `graph_alerts`."""
