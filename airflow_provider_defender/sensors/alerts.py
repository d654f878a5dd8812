"""Wait until Defender holds an alert that the lake may not have yet."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_defender.operators._choices import check_choice
from airflow_provider_defender.operators._landing import check_spans
from airflow_provider_defender.sensors._waiting import SourceSensor

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

    from airflow_provider_defender.hooks import DefenderEndpointHook

__all__ = ["DefenderAlertSensor"]

_SOURCES = ("endpoint_alerts",)


class DefenderAlertSensor(SourceSensor["DefenderEndpointHook"]):
    """Succeed as soon as an alert was updated later than the lake's watermark.

    Each poke is one call for one alert. A sensor is a hint that a drain is worth its while, no proof that
    there is nothing to read: an update that becomes visible late, with a time before the watermark, is found
    by the overlap of the next drain and not by the sensor. Let the drain run on a schedule as well.

    Args:
        lake: root of the lake, as for `DefenderAlertsToParquetOperator`. Templated.
        source: the source whose log is looked at.
        defender_conn_id: connection of type `defender`.
        severity: look only for these severities. Give the operator's own filters here. Templated.
        status: look only for alerts with these states. Templated.
        category: look only for these categories. Templated.
        initial_lookback: how far back to look where the lake holds no watermark yet.
        mode: `reschedule` gives the worker slot back between pokes, and asks for a token at each; `poke`
            keeps slot and token.
        poke_interval: time between two pokes; each uses one call of the application's quota.

    Raises:
        FailNow: a credential, a role or a parameter is wrong, or a host that the lake holds nothing of cannot
            be reached at three pokes. Other outages and throttling are waited out, until `timeout`.
    """

    template_fields: Sequence[str] = ("lake", "severity", "status", "category")
    ui_color = "#0078d4"
    ui_fgcolor = "#fff"

    def __init__(
        self,
        *,
        lake: str | ObjectStoragePath,
        source: Literal["endpoint_alerts"] = "endpoint_alerts",
        defender_conn_id: str = "defender_default",
        severity: Sequence[str] | str | None = None,
        status: Sequence[str] | str | None = None,
        category: Sequence[str] | str | None = None,
        initial_lookback: timedelta = timedelta(hours=24),
        mode: Literal["poke", "reschedule"] = "reschedule",
        poke_interval: timedelta | float = timedelta(minutes=1),
        **kwargs: Any,
    ) -> None:
        super().__init__(mode=mode, poke_interval=poke_interval, **kwargs)
        self.lake = lake
        self.source = source
        self.defender_conn_id = defender_conn_id
        self.severity = severity
        self.status = status
        self.category = category
        self.initial_lookback = initial_lookback

    def _check(self) -> None:
        check_choice("source", self.source, _SOURCES)
        check_spans({"initial_lookback": self.initial_lookback})

    def _new_hook(self) -> DefenderEndpointHook:
        from airflow_provider_defender.hooks import DefenderEndpointHook

        return DefenderEndpointHook(self.defender_conn_id)

    def _is_waited_for(self, hook: DefenderEndpointHook) -> bool:
        from airflow_provider_defender.hooks import AlertFilter
        from airflow_provider_defender.operators._lake import lake_errors, opened_log
        from airflow_provider_defender.timestamps import datetime_to_ticks, format_ticks

        filters = AlertFilter(severity=self.severity, status=self.status, category=self.category)
        with lake_errors(self.lake):
            head = opened_log(self.lake, f"{self.source}-{hook.tenant_id}").read_head()
        self._reached_before |= head.record is not None
        watermark = head.position.watermark
        if watermark is None:
            watermark = datetime_to_ticks(datetime.now(timezone.utc) - self.initial_lookback)
        found = hook.has_alert_updated_since(watermark, filters, reached_before=self._reached_before)
        self.log.info("%s was updated after %s", "An alert" if found else "No alert", format_ticks(watermark))
        return found
