"""Alerts of all Defender products, from Microsoft Graph (`GET /security/alerts_v2`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from airflow_provider_defender.hooks import GraphAlertFilter, GraphSecurityHook
from airflow_provider_defender.sources.paging import KeysetPages, Page, Paging, Query
from airflow_provider_defender.sources.rest import RestSource

__all__ = ["GraphAlerts"]


@dataclass(frozen=True, kw_only=True)
class GraphAlerts(RestSource):
    """The alerts of one tenant. See `RestSource` for the other arguments.

    Args:
        hook: the hook that reads the API.
        filters: which alerts to land.
    """

    name: ClassVar[str] = "graph_alerts"
    updated: ClassVar[str] = "lastUpdateDateTime"
    created: ClassVar[str] = "createdDateTime"
    noun: ClassVar[str] = "alert"
    paging: ClassVar[Paging] = KeysetPages()

    hook: GraphSecurityHook
    filters: GraphAlertFilter = field(default_factory=GraphAlertFilter)

    @property
    def tenant_id(self) -> str:
        """The tenant of the hook's connection."""
        return self.hook.tenant_id

    def pages(self, query: Query, *, max_seconds: float, reached_before: bool) -> Iterator[Page]:
        """Yield all pages, with the alerts' evidence. Raises as `GraphSecurityHook.alert_pages` does."""
        return self.hook.alert_pages(
            by="created" if query.field == self.created else "updated",
            since=query.since,
            until=query.until,
            max_seconds=max_seconds,
            reached_before=reached_before,
        )

    def has_updated_after(self, ticks: int, *, reached_before: bool) -> bool:
        """Make one small request; the API applies the filters that it can."""
        return self.hook.has_alert_updated_since(ticks, self.filters, reached_before=reached_before)
