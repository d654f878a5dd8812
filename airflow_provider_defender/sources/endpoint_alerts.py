"""Alerts of Microsoft Defender for Endpoint (`GET /api/alerts`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from airflow_provider_defender.hooks import AlertFilter, DefenderEndpointHook
from airflow_provider_defender.sources.paging import Page, Query
from airflow_provider_defender.sources.rest import RestSource

__all__ = ["EndpointAlerts"]


@dataclass(frozen=True, kw_only=True)
class EndpointAlerts(RestSource):
    """The alerts of one tenant. See `RestSource` for the other arguments.

    Args:
        hook: the hook that reads the API.
        filters: which alerts to land.
    """

    name: ClassVar[str] = "endpoint_alerts"
    updated: ClassVar[str] = "lastUpdateTime"
    created: ClassVar[str] = "alertCreationTime"
    noun: ClassVar[str] = "alert"

    hook: DefenderEndpointHook
    filters: AlertFilter = field(default_factory=AlertFilter)

    @property
    def tenant_id(self) -> str:
        """The tenant of the hook's connection."""
        return self.hook.tenant_id

    def pages(self, query: Query, *, max_seconds: float, reached_before: bool) -> Iterator[Page]:
        """Yield all pages, with the alerts' evidence. Raises as `DefenderEndpointHook.alert_pages` does."""
        return self.hook.alert_pages(
            filter=query.odata(), max_seconds=max_seconds, reached_before=reached_before
        )

    def has_updated_after(self, ticks: int, *, reached_before: bool) -> bool:
        """Request one alert; the API applies the filters."""
        return self.hook.has_alert_updated_since(ticks, self.filters, reached_before=reached_before)
