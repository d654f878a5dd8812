"""Wait until Defender holds an incident that the lake may not have yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_defender.sensors._waiting import SourceSensor
from airflow_provider_defender.sources.parameters import check_spans

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

    from airflow_provider_defender.clock import Clock
    from airflow_provider_defender.hooks import GraphIncidentFilter, GraphSecurityHook
    from airflow_provider_defender.lake import Lake
    from airflow_provider_defender.sources.graph_incidents import GraphIncidents

__all__ = ["DefenderIncidentSensor"]


class DefenderIncidentSensor(SourceSensor["GraphSecurityHook"]):
    """Succeed as soon as an incident was updated later than the lake's watermark.

    Each poke is one request for one incident. The sensor is a hint that a drain is worthwhile, but no proof
    of the opposite: an update that becomes visible late, with a time before the watermark, is found by the
    overlap of the next drain and not by the sensor. So let the drain run on a schedule as well.

    Args:
        lake: root of the lake, as for `DefenderIncidentsToParquetOperator`. Templated.
        defender_conn_id: connection of type `defender`.
        severity: look only for these severities. Give the same filters as the operator. Templated.
        status: look only for incidents with these statuses. Templated.
        initial_lookback: how far back to look if the lake has no watermark yet.
        mode: `reschedule` frees the worker slot between pokes, and requests a token at each poke; `poke`
            keeps slot and token.
        poke_interval: time between two pokes; each uses one call of the application's quota.
        hook: called with the connection's ID, returns the hook to use; for tests.
        clock: source of the current time; for tests.

    Raises:
        FailNow: a credential, a role or a parameter is wrong, or three pokes failed to reach a host from
            which the lake has no data. Other outages and throttling are waited through, up to `timeout`.
    """

    template_fields: Sequence[str] = ("lake", "severity", "status")

    def __init__(
        self,
        *,
        lake: str | ObjectStoragePath,
        defender_conn_id: str = "defender_default",
        severity: Sequence[str] | str | None = None,
        status: Sequence[str] | str | None = None,
        initial_lookback: timedelta = timedelta(hours=24),
        mode: Literal["poke", "reschedule"] = "reschedule",
        poke_interval: timedelta | float = timedelta(minutes=1),
        hook: Callable[[str], GraphSecurityHook] | None = None,
        clock: Clock | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(lake=lake, clock=clock, mode=mode, poke_interval=poke_interval, **kwargs)
        self.defender_conn_id = defender_conn_id
        self.severity = severity
        self.status = status
        self.initial_lookback = initial_lookback
        self.hook = hook

    def _check(self) -> None:
        check_spans({"initial_lookback": self.initial_lookback})
        self._filters()

    def _filters(self) -> GraphIncidentFilter:
        from airflow_provider_defender.hooks import GraphIncidentFilter

        return GraphIncidentFilter(severity=self.severity, status=self.status)

    def _new_hook(self) -> GraphSecurityHook:
        from airflow_provider_defender.hooks import GraphSecurityHook

        return (self.hook or GraphSecurityHook)(self.defender_conn_id)

    def _new_source(self, hook: GraphSecurityHook, lake: Lake, clock: Clock) -> GraphIncidents:
        from airflow_provider_defender.sources.graph_incidents import GraphIncidents

        return GraphIncidents(
            hook=hook,
            filters=self._filters(),
            lookback=self.initial_lookback,
            reached_before=self._reached_before,
            clock=clock,
            logger=self.log,
        )
