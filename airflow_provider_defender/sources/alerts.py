"""The sources of alerts, the choice between them, and where one begins after the other."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_provider_defender.clock import Clock
from airflow_provider_defender.exceptions import ConfigurationError
from airflow_provider_defender.hooks import (
    AlertFilter,
    DefenderEndpointHook,
    GraphAlertFilter,
    GraphSecurityHook,
)
from airflow_provider_defender.lake import VersionsPosition
from airflow_provider_defender.sources.endpoint_alerts import EndpointAlerts
from airflow_provider_defender.sources.graph_alerts import GraphAlerts
from airflow_provider_defender.sources.source import open_log
from airflow_provider_defender.timestamps import format_ticks

if TYPE_CHECKING:
    from logging import Logger

    from structlog.typing import FilteringBoundLogger

    from airflow_provider_defender.lake import Lake
    from airflow_provider_defender.sources.rest import RestSource

__all__ = ["AlertHooks", "AlertSources", "NewHook"]

NewHook = Callable[[str], Any]
"""Makes a hook from a connection's ID."""


class AlertHooks:
    """The hooks of one connection for the sources of alerts, each made when it is first needed.

    `given`: for tests: makes the hook, or such functions by source.
    """

    def __init__(self, conn_id: str, given: NewHook | Mapping[str, NewHook] | None = None) -> None:
        self._conn_id = conn_id
        self._given = given
        self.chosen: str | None = None
        """The source that `auto` has come to last."""

    @cached_property
    def endpoint(self) -> DefenderEndpointHook:
        """The hook of the Endpoint API."""
        hook: DefenderEndpointHook = self._new(EndpointAlerts.name, DefenderEndpointHook)
        return hook

    @cached_property
    def graph(self) -> GraphSecurityHook:
        """The hook of Microsoft Graph."""
        hook: GraphSecurityHook = self._new(GraphAlerts.name, GraphSecurityHook)
        return hook

    def _new(self, source: str, default: NewHook) -> Any:
        given = self._given.get(source) if isinstance(self._given, Mapping) else self._given
        return (given or default)(self._conn_id)


@dataclass(frozen=True, kw_only=True)
class AlertSources:
    """The sources of alerts with one task's parameters. For the arguments see the operator and `RestSource`.

    Raises `ConfigurationError` if a filter is not valid for the source, or with `auto` for either of them.
    """

    source: str
    severity: Collection[str] | str | None = None
    status: Collection[str] | str | None = None
    category: Collection[str] | str | None = None
    service_source: Collection[str] | str | None = None
    overlap: timedelta = timedelta(minutes=15)
    lookback: timedelta = timedelta(hours=24)
    reached_before: bool = False
    clock: Clock = field(default_factory=Clock)
    logger: Logger | FilteringBoundLogger = field(default_factory=lambda: logging.getLogger(__name__))

    def __post_init__(self) -> None:
        """Check the filters before any work."""
        if self.source == GraphAlerts.name:
            self._graph_filters  # noqa: B018
            return
        self._endpoint_filters  # noqa: B018
        if self._graph_filters.service_source:
            raise ConfigurationError(
                f"service_source={self.service_source!r} needs source='graph_alerts', as the Endpoint API "
                f"has alerts of one product only; source is {self.source!r}."
            )

    @cached_property
    def _endpoint_filters(self) -> AlertFilter:
        return AlertFilter(self.severity, self.status, self.category)

    @cached_property
    def _graph_filters(self) -> GraphAlertFilter:
        return GraphAlertFilter(self.severity, self.status, self.category, self.service_source)

    def open(self, hooks: AlertHooks, lake: Lake) -> RestSource:
        """Return the source to read; `auto` chooses it here. Raises as reading a log and a token does."""
        if self.source == EndpointAlerts.name:
            return self._endpoint(hooks)
        if self.source == GraphAlerts.name:
            return self._graph(hooks, lake)
        chosen, reason = self._choose(hooks, lake)
        if hooks.chosen != chosen:
            self._log_choice(chosen, reason)
        hooks.chosen = chosen
        return self._graph(hooks, lake) if chosen == GraphAlerts.name else self._endpoint(hooks)

    def _endpoint(self, hooks: AlertHooks) -> EndpointAlerts:
        return EndpointAlerts(hook=hooks.endpoint, filters=self._endpoint_filters, **self._common())

    def _graph(self, hooks: AlertHooks, lake: Lake) -> GraphAlerts:
        return GraphAlerts(
            hook=hooks.graph,
            filters=self._graph_filters,
            predecessor=lambda: self._endpoint_reach(lake, hooks.graph.tenant_id),
            **self._common(),
        )

    def _common(self) -> dict[str, Any]:
        names = ("overlap", "lookback", "reached_before", "clock", "logger")
        return {name: getattr(self, name) for name in names}

    # Auto -----------------------------------------------------------------------------------------

    def _choose(self, hooks: AlertHooks, lake: Lake) -> tuple[str, str]:
        """The source that `auto` stands for, and why."""
        try:
            graph = self._graph(hooks, lake)
            log = graph.log_name()
            if open_log(graph, lake).read_head().commit is not None:
                return GraphAlerts.name, f"the lake has the log {log}"
            roles = GraphSecurityHook.api.roles
            granted = sorted(set(hooks.graph.granted_roles()) & set(roles))
        except ConfigurationError as error:
            hooks.endpoint.tenant_id  # noqa: B018 (raises if the connection is wrong for both)
            return EndpointAlerts.name, f"Microsoft Graph cannot be used: {error}"
        if granted:
            return GraphAlerts.name, f"the application has the role {granted[0]}"
        return EndpointAlerts.name, f"the application lacks the role {roles[0]} of Microsoft Graph"

    def _log_choice(self, chosen: str, reason: str) -> None:
        log = self.logger
        if chosen == GraphAlerts.name:
            log.info("source='auto' reads %s: %s", chosen, reason)
            return
        log.warning("source='auto' reads %s: %s", chosen, reason)
        log.warning("The Endpoint API has alerts of one product, and may stop on 2027-02-01.")
        log.warning("See docs/move_to_graph.md for the move to Microsoft Graph.")

    # After the Endpoint API -----------------------------------------------------------------------

    def _endpoint_reach(self, lake: Lake, tenant_id: str) -> int | None:
        """The update time, in ticks, from which the Endpoint API's log of a tenant may lack alerts.

        None if the lake has no such log, or only backfills.
        """
        name = f"{EndpointAlerts.name}-{tenant_id}"
        origin = {"source": EndpointAlerts.name, "tenant": tenant_id}
        position = lake.log(name, VersionsPosition, origin=origin).read_head().position
        if position.watermark is None:
            return position.begun_from
        self.logger.info(
            "%s stands at %s, so the first drain of %s reads from before that on.",
            name,
            format_ticks(position.watermark),
            GraphAlerts.name,
        )
        return position.watermark - self.overlap // timedelta(microseconds=1) * 10
