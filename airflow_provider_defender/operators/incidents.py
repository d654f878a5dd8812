"""Defender incidents as ECS Parquet partitions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_defender.operators.landing import LandingOperator
from airflow_provider_defender.sources.parameters import check_choice, check_spans

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

    from airflow_provider_defender.clock import Clock
    from airflow_provider_defender.hooks import GraphIncidentFilter, GraphSecurityHook
    from airflow_provider_defender.lake import Lake
    from airflow_provider_defender.sources.graph_incidents import GraphIncidents
    from airflow_provider_defender.sources.window import Basis

__all__ = ["DefenderIncidentsToParquetOperator"]


class DefenderIncidentsToParquetOperator(LandingOperator):
    """Land the incidents of Microsoft Defender in a lake, mapped to ECS, each version once.

    They come from Microsoft Graph (`/security/incidents`). An incident is landed again with each update, such
    as a new alert, a comment or its end; so its versions are its history. One that was merged into another
    stays, with `redirectIncidentId`.

    A scheduled, manual or asset-triggered run continues from the lake's watermark and advances it. A backfill
    run, or one with `since`, reads its own window by creation time, adds the versions that are missing there
    and leaves the watermark alone. One commit makes all of a run's rows visible, or none of them.

    Args:
        lake: root of the lake: an absolute path, or a URL that Airflow's `ObjectStoragePath` accepts, such as
            `file:///data/lake`, `s3://aws_default@bucket/lake` or `abfss://azure_default@container/lake`.
            Templated.
        defender_conn_id: connection of type `defender`.
        severity: land only these severities: `unknown`, `informational`, `low`, `medium`, `high`. Templated,
            like the next one. Use one set of filters per tenant and lake, since all runs of a tenant share a
            watermark.
        status: land only incidents with these statuses: `active`, `inProgress`, `resolved`, `redirected`,
            `awaitingAction`.
        expand_alerts: read the incidents' alerts with them, and land their ids. The alerts themselves are
            what `DefenderAlertsToParquetOperator` lands. If Graph cannot return both at once, as in some
            large tenants, one more request is made for each incident.
        since: start of an explicit window, inclusive: ISO 8601 text, a date or a datetime; UTC if it has no
            time zone. Not allowed in backfill runs, which have a range of their own. Templated; an empty text
            means not given.
        until: end of the explicit window, exclusive; by default the run's start. Needs `since`. Templated.
        by: the time that `since` and `until`, or a backfill's interval, refer to: `created` (it never
            changes, so the window is read completely) or `updated` (the time of the latest update).
            Templated.
        overlap: how far below the watermark an incremental run reads again, to catch updates that become
            visible late.
        initial_lookback: how far back the first incremental run reads.
        max_duration: stop reading after this time, and after 12 hours in any case. What was read is
            committed, and the watermark moves as far as the incidents were read.
        run_partition_span: length of a run partition, for backfills of a DAG whose timetable has partitions
            but does not list them. Ignored with Airflow's `CronPartitionTimetable`, which lists them: there a
            partition ends where the next one begins.
        keep_original: land each incident's exact text in `event.original`.
        single_writer: your promise that no two runs ever write to this lake at the same time. Only with it
            is a store accepted that cannot create an object conditionally.
        partitioned_asset_events: emit one asset event for each lake partition that got rows, with its start
            as the run partition key, for DAGs with a partitioned timetable (Airflow 3.3). Other
            asset-scheduled DAGs do not run on such events, so the default is one event per run.
        hook: called with the connection's ID, returns the hook to use; for tests.
        clock: source of the current time; for tests.

    Returns:
        A summary for XCom, with the same keys as that of `DefenderAlertsToParquetOperator`; `source` is
        `graph_incidents`, and `records` counts incidents.

    Raises:
        FailNow: a credential, a role or a parameter is wrong; Airflow does not retry.
        TryAgain: the API is down, or throttles for longer than a run may wait; what was read has landed.
        StopAndLook: continuing could hide missing data.
    """

    template_fields: Sequence[str] = ("lake", "severity", "status", "since", "until", "by")

    def __init__(
        self,
        *,
        lake: str | ObjectStoragePath,
        defender_conn_id: str = "defender_default",
        severity: Sequence[str] | str | None = None,
        status: Sequence[str] | str | None = None,
        expand_alerts: bool = True,
        since: str | date | None = None,
        until: str | date | None = None,
        by: Literal["created", "updated"] = "created",
        overlap: timedelta = timedelta(minutes=15),
        initial_lookback: timedelta = timedelta(hours=24),
        max_duration: timedelta | None = None,
        run_partition_span: timedelta | None = None,
        keep_original: bool = True,
        single_writer: bool = False,
        partitioned_asset_events: bool = False,
        hook: Callable[[str], GraphSecurityHook] | None = None,
        clock: Clock | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            conn_id=defender_conn_id,
            kind="incidents",
            lake=lake,
            since=since,
            until=until,
            max_duration=max_duration,
            run_partition_span=run_partition_span,
            keep_original=keep_original,
            single_writer=single_writer,
            partitioned_asset_events=partitioned_asset_events,
            clock=clock,
            **kwargs,
        )
        self.defender_conn_id = defender_conn_id
        self.severity = severity
        self.status = status
        self.expand_alerts = expand_alerts
        self.by = by
        self.overlap = overlap
        self.initial_lookback = initial_lookback
        self.hook = hook

    def _check(self) -> None:
        super()._check()
        check_choice("by", self.by, ("created", "updated"))
        check_spans({"overlap": self.overlap, "initial_lookback": self.initial_lookback})
        self._filters()

    def _filters(self) -> GraphIncidentFilter:
        from airflow_provider_defender.hooks import GraphIncidentFilter

        return GraphIncidentFilter(severity=self.severity, status=self.status)

    def _basis(self) -> Basis:
        return self.by

    def _new_hook(self) -> GraphSecurityHook:
        from airflow_provider_defender.hooks import GraphSecurityHook

        return (self.hook or GraphSecurityHook)(self.defender_conn_id)

    def _new_source(self, hook: GraphSecurityHook, lake: Lake, clock: Clock) -> GraphIncidents:
        from airflow_provider_defender.sources.graph_incidents import GraphIncidents

        return GraphIncidents(
            hook=hook,
            filters=self._filters(),
            expand_alerts=self.expand_alerts,
            overlap=self.overlap,
            lookback=self.initial_lookback,
            clock=clock,
            logger=self.log,
        )
