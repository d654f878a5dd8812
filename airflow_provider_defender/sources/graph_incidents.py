"""Incidents of Microsoft Defender, from Microsoft Graph (`GET /security/incidents`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from airflow_provider_defender.hooks import GraphIncidentFilter, GraphSecurityHook
from airflow_provider_defender.sources.paging import KeysetPages, Page, Paging, Query
from airflow_provider_defender.sources.rest import RestSource

__all__ = ["GraphIncidents"]


@dataclass(frozen=True, kw_only=True)
class GraphIncidents(RestSource):
    """The incidents of one tenant. See `RestSource` for the other arguments.

    Args:
        hook: the hook that reads the API.
        filters: which incidents to land.
        expand_alerts: whether to read the incidents' alerts with them, from which their ids land.
    """

    name: ClassVar[str] = "graph_incidents"
    updated: ClassVar[str] = "lastUpdateDateTime"
    created: ClassVar[str] = "createdDateTime"
    noun: ClassVar[str] = "incident"
    paging: ClassVar[Paging] = KeysetPages()

    hook: GraphSecurityHook
    filters: GraphIncidentFilter = field(default_factory=GraphIncidentFilter)
    expand_alerts: bool = True

    @property
    def tenant_id(self) -> str:
        """The tenant of the hook's connection."""
        return self.hook.tenant_id

    def pages(self, query: Query, *, max_seconds: float, reached_before: bool) -> Iterator[Page]:
        """Yield all pages. Raises as `GraphSecurityHook.incident_pages` does."""
        return self.hook.incident_pages(
            by="created" if query.field == self.created else "updated",
            since=query.since,
            until=query.until,
            expand_alerts=self.expand_alerts,
            max_seconds=max_seconds,
            reached_before=reached_before,
        )

    def has_updated_after(self, ticks: int, *, reached_before: bool) -> bool:
        """Request one incident; the API applies the filters."""
        return self.hook.has_incident_updated_since(ticks, self.filters, reached_before=reached_before)
