"""Wait until Defender holds an alert that the lake may not have yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_defender.sensors._waiting import SourceSensor
from airflow_provider_defender.sources.parameters import (
    ALERT_SOURCES,
    AlertSource,
    check_choice,
    check_spans,
)

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

    from airflow_provider_defender.clock import Clock
    from airflow_provider_defender.lake import Lake
    from airflow_provider_defender.sources.alerts import AlertHooks, AlertSources, NewHook
    from airflow_provider_defender.sources.rest import RestSource

__all__ = ["DefenderAlertSensor"]


class DefenderAlertSensor(SourceSensor["AlertHooks"]):
    """Succeed as soon as an alert was updated later than the lake's watermark.

    Each poke is one small request. The sensor is a hint that a drain is worthwhile, but no proof of
    the opposite: an update that becomes visible late, with a time before the watermark, is found by the
    overlap of the next drain and not by the sensor. So let the drain run on a schedule as well.

    Args:
        lake: root of the lake, as for `DefenderAlertsToParquetOperator`. Templated.
        source: which API to ask, as for `DefenderAlertsToParquetOperator`: `endpoint_alerts`, `graph_alerts`
            or `auto`.
        defender_conn_id: connection of type `defender`.
        severity: look only for these severities. Give the same filters as the operator. Templated.
        status: look only for alerts with these statuses. Templated.
        category: look only for these categories. Templated. Graph cannot filter by category: the sensor looks
            at the 50 alerts that one request returns, and takes more of them for enough.
        service_source: look only for alerts of these products; only with `source="graph_alerts"`. Templated.
        initial_lookback: how far back to look if the lake has no watermark yet.
        mode: `reschedule` frees the worker slot between pokes, and requests a token at each poke; `poke`
            keeps slot and token.
        poke_interval: time between two pokes; each uses one call of the application's quota.
        hook: called with the connection's ID, returns the hook to use, or such functions by source; for
            tests.
        clock: source of the current time; for tests.

    Raises:
        FailNow: a credential, a role or a parameter is wrong, or three pokes failed to reach a host from
            which the lake has no data. Other outages and throttling are waited through, up to `timeout`.
    """

    template_fields: Sequence[str] = ("lake", "severity", "status", "category", "service_source")

    def __init__(
        self,
        *,
        lake: str | ObjectStoragePath,
        source: AlertSource = "endpoint_alerts",
        defender_conn_id: str = "defender_default",
        severity: Sequence[str] | str | None = None,
        status: Sequence[str] | str | None = None,
        category: Sequence[str] | str | None = None,
        service_source: Sequence[str] | str | None = None,
        initial_lookback: timedelta = timedelta(hours=24),
        mode: Literal["poke", "reschedule"] = "reschedule",
        poke_interval: timedelta | float = timedelta(minutes=1),
        hook: NewHook | Mapping[str, NewHook] | None = None,
        clock: Clock | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(lake=lake, clock=clock, mode=mode, poke_interval=poke_interval, **kwargs)
        self.source = source
        self.defender_conn_id = defender_conn_id
        self.severity = severity
        self.status = status
        self.category = category
        self.service_source = service_source
        self.initial_lookback = initial_lookback
        self.hook = hook

    def _check(self) -> None:
        check_choice("source", self.source, ALERT_SOURCES)
        check_spans({"initial_lookback": self.initial_lookback})
        self._sources()

    def _sources(self, **settings: Any) -> AlertSources:
        from airflow_provider_defender.sources.alerts import AlertSources

        return AlertSources(
            source=self.source,
            severity=self.severity,
            status=self.status,
            category=self.category,
            service_source=self.service_source,
            lookback=self.initial_lookback,
            reached_before=self._reached_before,
            logger=self.log,
            **settings,
        )

    def _new_hook(self) -> AlertHooks:
        from airflow_provider_defender.sources.alerts import AlertHooks

        return AlertHooks(self.defender_conn_id, self.hook)

    def _new_source(self, hook: AlertHooks, lake: Lake, clock: Clock) -> RestSource:
        return self._sources(clock=clock).open(hook, lake)
