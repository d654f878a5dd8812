"""Lakes of both sources, written as the operators write them, with alerts that tests make up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import pyarrow as pa

from airflow_provider_defender import ecs
from airflow_provider_defender.lake import Lake, VersionsLedger, VersionsPosition, Watermark
from airflow_provider_defender.landing import Partitioning
from airflow_provider_defender.timestamps import datetime_to_ticks, format_ticks
from tests.unit.lake.support import rejects

TENANT = "6f3a874c-af07-455e-867d-f7c6f5d5e7f6"
NOON = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)
CONTAINERS = {"endpoint_alerts": "defender_endpoint", "graph_alerts": "graph_security"}
USUAL: dict[str, dict[str, str]] = {
    "endpoint_alerts": {
        "status": "New",
        "severity": "Medium",
        "incidentId": "924",
        "investigationState": "Queued",
        "detectionSource": "WindowsDefenderAtp",
        "title": "Suspicious process",
    },
    "graph_alerts": {
        "status": "new",
        "severity": "medium",
        "classification": "unknown",
        "determination": "unknown",
        "incidentId": "924",
        "investigationState": "queued",
        "serviceSource": "microsoftDefenderForEndpoint",
        "detectionSource": "microsoftDefenderForEndpoint",
        "title": "Suspicious process",
    },
}
"""What an alert has that is in order, by source."""


def alert(name: str, updated: datetime = NOON, created: datetime | None = None, **properties: Any) -> Alert:
    """An alert by its id; `properties` in the API's spelling change what an alert usually has."""
    return Alert(name, updated, created or NOON - HOUR, properties)


class Alert:
    """An alert that both sources can show, each in its own words."""

    def __init__(
        self, name: str, updated: datetime, created: datetime, properties: Mapping[str, Any]
    ) -> None:
        self.name = name
        self.version = format_ticks(datetime_to_ticks(updated))
        self.created = created
        self.properties = properties

    def rows(self, source: str, tenant: str, items: int = 2) -> list[dict[str, Any]]:
        container = {"id": self.name, **USUAL[source], **self.properties}
        return [
            {
                "@timestamp": self.created,
                "microsoft": {CONTAINERS[source]: container},
                "landing": {
                    "source": source,
                    "tenant": tenant,
                    "key": f"{tenant}/{self.name}",
                    "version": self.version,
                    "item": item,
                },
            }
            for item in range(items)
        ]


def land(
    lake: Lake,
    source: str,
    alerts: Iterable[Alert],
    *,
    read_from: datetime | None = None,
    to: datetime | None = None,
    tenant: str = TENANT,
    overlap: timedelta = timedelta(minutes=15),
    filters: Mapping[str, list[str]] | None = None,
    window: Mapping[str, str] | None = None,
    broken: Iterable[str] = (),
) -> None:
    """One run: a drain that reads from `read_from` and sets the watermark to `to`, or a backfill."""
    alerts = list(alerts)
    log = lake.log(f"{source}-{tenant}", VersionsPosition, origin={"source": source, "tenant": tenant})
    kind = "drain" if window is None else "backfill"
    asked = window or {"read_from": version(read_from or NOON - 24 * HOUR)}
    ledger = VersionsLedger(filters=filters)
    with log.begin(log.head(), ledger, kind=kind, window=asked) as transaction:
        keys = [(f"{tenant}/{each.name}", each.version) for each in alerts]
        transaction.select_new([*keys, *((f"{tenant}/{name}", version(NOON)) for name in broken)])
        rows = [row for each in alerts for row in each.rows(source, tenant)]
        if rows:
            table = pa.Table.from_pylist(rows, ecs.schema("alerts"))
            transaction.write("alerts", table, Partitioning.DAY)
        if broken:
            transaction.quarantine(rejects((f"{tenant}/{name}", version(NOON)) for name in broken))
        moved = None if to is None else Watermark(datetime_to_ticks(to), overlap)
        transaction.commit(moved)


def version(moment: datetime) -> str:
    return format_ticks(datetime_to_ticks(moment))
