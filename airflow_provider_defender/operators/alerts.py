"""Defender alerts as ECS Parquet partitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_defender.operators.landing import LandingOperator
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
    from airflow_provider_defender.sources.window import Basis

__all__ = ["DefenderAlertsToParquetOperator"]


class DefenderAlertsToParquetOperator(LandingOperator):
    """Land the alerts of Microsoft Defender in a lake, mapped to ECS, each version once.

    A scheduled, manual or asset-triggered run continues from the lake's watermark and advances it. A backfill
    run, or one with `since`, reads its own window by creation time, adds the versions that are missing there
    and leaves the watermark alone. One commit makes all of a run's rows visible, or none of them.

    Args:
        lake: root of the lake: an absolute path, or a URL that Airflow's `ObjectStoragePath` accepts, such as
            `file:///data/lake`, `s3://aws_default@bucket/lake` or `abfss://azure_default@container/lake`.
            Templated.
        source: which API the alerts come from. `endpoint_alerts` is Defender for Endpoint (`/api/alerts`),
            with its own alerts only. `graph_alerts` is Microsoft Graph (`/security/alerts_v2`), with the
            alerts of all products. Both land in the same dataset, with a watermark for each. `auto` is Graph
            if the lake has a log of it, or if the application has a role for it; otherwise the Endpoint API,
            with a warning.
        defender_conn_id: connection of type `defender`.
        severity: land only these severities: `UnSpecified` (Graph: `unknown`), `Informational`, `Low`,
            `Medium`, `High`. Templated, like the next three. Use one set of filters per tenant and lake,
            since all runs of a source and tenant share a watermark.
        status: land only alerts with these statuses: `Unknown`, `New`, `InProgress`, `Resolved`.
        category: land only these categories, for example `Malware`.
        service_source: land only alerts of these products, for example `microsoftDefenderForOffice365`; only
            with `source="graph_alerts"`.
        since: start of an explicit window, inclusive: ISO 8601 text, a date or a datetime; UTC if it has no
            time zone. Not allowed in backfill runs, which have a range of their own. Templated; an empty text
            means not given.
        until: end of the explicit window, exclusive; by default the run's start. Needs `since`. Templated.
        by: the time that `since` and `until`, or a backfill's interval, refer to: `created` (it never
            changes, so the window is read completely) or `updated` (the time of the latest update; an alert
            that is updated again during the run leaves the window, and another alert can be missed with it).
            Templated.
        overlap: how far below the watermark an incremental run reads again, to catch updates that become
            visible late.
        initial_lookback: how far back the first incremental run reads.
        max_duration: stop reading after this time, and after 12 hours in any case. What was read is
            committed. The watermark of Graph's alerts moves as far as they were read; the Endpoint API's
            stays, since its pages are in another order.
        run_partition_span: length of a run partition, for backfills of a DAG whose timetable has partitions
            but does not list them. Ignored with Airflow's `CronPartitionTimetable`, which lists them: there a
            partition ends where the next one begins.
        keep_original: land each alert's exact text in `event.original`.
        single_writer: your promise that no two runs ever write to this lake at the same time. Only with it
            is a store accepted that cannot create an object conditionally.
        partitioned_asset_events: emit one asset event for each lake partition that got rows, with its start
            as the run partition key, for DAGs with a partitioned timetable (Airflow 3.3). Other
            asset-scheduled DAGs do not run on such events, so the default is one event per run.
        hook: called with the connection's ID, returns the hook to use, or such functions by source; for
            tests.
        clock: source of the current time; for tests.

    Returns:
        A summary for XCom: `window`, `source` (which API was read), `records` (alerts read), `versions` (new
        versions among them), `rows`, `files`, `partitions` (files, rows and bytes by partition of the lake),
        `rejects` (records in quarantine), `type_mismatches` (values that did not fit their column, counted by
        property) and `unmapped_fields` (values of properties without a column), both of which land in
        `unmapped`, `watermark_before`, `watermark_after`, `commit` (its number; None if there was nothing to
        commit), `digest` (its chain digest, which `lake.verify` takes), `complete` (whether everything was
        read), and `seconds` by stage: for how long the run was busy with it or waited for it. A page is
        fetched while the one before lands, and files are written meanwhile, which shows in no stage.

    Raises:
        FailNow: a credential, a role or a parameter is wrong; Airflow does not retry.
        TryAgain: the API is down, or throttles for longer than a run may wait; what was read has landed.
        StopAndLook: continuing could hide missing data.
    """

    template_fields: Sequence[str] = (
        "lake",
        "severity",
        "status",
        "category",
        "service_source",
        "since",
        "until",
        "by",
    )

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
        hook: NewHook | Mapping[str, NewHook] | None = None,
        clock: Clock | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            conn_id=defender_conn_id,
            kind="alerts",
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
        self.source = source
        self.defender_conn_id = defender_conn_id
        self.severity = severity
        self.status = status
        self.category = category
        self.service_source = service_source
        self.by = by
        self.overlap = overlap
        self.initial_lookback = initial_lookback
        self.hook = hook

    def _check(self) -> None:
        super()._check()
        check_choice("source", self.source, ALERT_SOURCES)
        check_choice("by", self.by, ("created", "updated"))
        check_spans({"overlap": self.overlap, "initial_lookback": self.initial_lookback})
        self._sources()

    def _sources(self, **settings: Any) -> AlertSources:
        from airflow_provider_defender.sources.alerts import AlertSources

        return AlertSources(
            source=self.source,
            severity=self.severity,
            status=self.status,
            category=self.category,
            service_source=self.service_source,
            overlap=self.overlap,
            lookback=self.initial_lookback,
            logger=self.log,
            **settings,
        )

    def _basis(self) -> Basis:
        return self.by

    def _new_hook(self) -> AlertHooks:
        from airflow_provider_defender.sources.alerts import AlertHooks

        return AlertHooks(self.defender_conn_id, self.hook)

    def _new_source(self, hook: AlertHooks, lake: Lake, clock: Clock) -> RestSource:
        return self._sources(clock=clock).open(hook, lake)
