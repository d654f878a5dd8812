"""Defender alerts as ECS Parquet partitions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_defender import compat
from airflow_provider_defender._plural import counted
from airflow_provider_defender.operators._choices import check_choice
from airflow_provider_defender.operators._landing import LandingOperator, check_spans

if TYPE_CHECKING:
    from airflow.sdk import Context, ObjectStoragePath

    from airflow_provider_defender.lake import Head
    from airflow_provider_defender.operators._drain import DrainResult
    from airflow_provider_defender.operators._window import Window

__all__ = ["DefenderAlertsToParquetOperator"]

_SOURCES = ("endpoint_alerts",)
_NAMES_SHOWN = 20


class DefenderAlertsToParquetOperator(LandingOperator):
    """Land the alerts of Microsoft Defender for Endpoint in a lake, mapped to ECS, each version once.

    A scheduled, manual or asset-triggered run goes on from the watermark that the lake holds and moves it. A
    backfill run, or one with `since`, reads its own window by creation time, adds what is missing there and
    leaves the watermark alone. All of a run's rows become visible by one commit, or none of them.

    Args:
        lake: root of the lake: an absolute path, or a URL that Airflow's `ObjectStoragePath` takes, such as
            `file:///data/lake`, `s3://aws_default@bucket/lake` or `abfss://azure_default@container/lake`.
            Templated.
        source: where alerts come from; `endpoint_alerts` is the Defender for Endpoint API, `/api/alerts`.
        defender_conn_id: connection of type `defender`.
        severity: land only these severities: `UnSpecified`, `Informational`, `Low`, `Medium`, `High`.
            Templated, like the next two. One set of filters for a tenant and lake: they share a watermark.
        status: land only alerts with these states: `Unknown`, `New`, `InProgress`, `Resolved`.
        category: land only these categories, for example `Malware`.
        since: start of an explicit window, inclusive: ISO 8601 text, a date or a datetime; UTC where it has
            no zone. Not in backfill runs, which have a range of their own. Templated; empty text means not
            given.
        until: end of the explicit window, exclusive; the run's start if only `since` is given. Templated.
        by: which time an explicit window or a backfill's interval bounds: `created` (never changes, so a
            window is whole) or `updated` (alerts whose latest update lies in it; one that is updated
            again while the pages are read leaves it, and can take another with it). Templated.
        overlap: how far below the watermark an incremental run reads again, for updates that become visible
            late.
        initial_lookback: how far back the first incremental run reads.
        max_duration: stop reading after this long, 12 hours at the latest; what was read is committed, the
            watermark stays.
        partition_span: length of a partition, for backfills of a DAG whose timetable has partitions but does
            not list them. Airflow's `CronPartitionTimetable` does: there, a partition ends where the next one
            begins, and this is not used.
        keep_original: land each alert's exact text in `event.original`.
        single_writer: promise that never two runs write to this lake at a time; only then is a store used
            that cannot create an object conditionally.
        partitioned_asset_events: emit one asset event for each partition touched, with its start as the
            partition key, for DAGs with a partitioned timetable (Airflow 3.3). Airflow does not run other
            asset-scheduled DAGs on such events, so by default there is one event for all.

    Returns:
        A summary for XCom: `window`, `records` (alerts read), `versions` (of them new), `rows`, `files`,
        `partitions`, `rejects` (records in quarantine), `unfit_values` and `unknown_fields` (properties whose
        values did not fit their column, or that have none, and so went to `unmapped`), `watermark_before`,
        `watermark_after`, `commit` (number of the record, None if there was nothing to land), `complete`,
        and `seconds` by stage.

    Raises:
        FailNow: a credential, a role or a parameter is wrong; Airflow does not retry.
        TryAgain: the API is down or throttles for longer than a run may wait; what was read has landed.
        StopAndLook: reading on could hide missing data.
    """

    template_fields: Sequence[str] = ("lake", "severity", "status", "category", "since", "until", "by")
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
        since: str | date | None = None,
        until: str | date | None = None,
        by: Literal["created", "updated"] = "created",
        overlap: timedelta = timedelta(minutes=15),
        initial_lookback: timedelta = timedelta(hours=24),
        max_duration: timedelta | None = None,
        partition_span: timedelta | None = None,
        keep_original: bool = True,
        single_writer: bool = False,
        partitioned_asset_events: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(conn_id=defender_conn_id, kind="alerts", **kwargs)
        self.lake = lake
        self.source = source
        self.defender_conn_id = defender_conn_id
        self.severity = severity
        self.status = status
        self.category = category
        self.since = since
        self.until = until
        self.by = by
        self.overlap = overlap
        self.initial_lookback = initial_lookback
        self.max_duration = max_duration
        self.partition_span = partition_span
        self.keep_original = keep_original
        self.single_writer = single_writer
        self.partitioned_asset_events = partitioned_asset_events

    def execute(self, context: Context) -> dict[str, Any]:
        """Drain, commit, report. See the class for what is returned and raised."""
        from airflow_provider_defender.hooks import AlertFilter, DefenderEndpointHook
        from airflow_provider_defender.operators._drain import AlertDrain, filters_changed
        from airflow_provider_defender.operators._lake import lake_errors, opened_log
        from airflow_provider_defender.operators._timing import DrainClock

        self._check()
        self._warn_of_undeclared_asset()
        started = datetime.now(timezone.utc)
        window = self._window(context, by=self.by, now=started)
        filters = AlertFilter(severity=self.severity, status=self.status, category=self.category)
        hook = DefenderEndpointHook(self.defender_conn_id)
        log = opened_log(
            self.lake,
            f"{self.source}-{hook.tenant_id}",
            single_writer=self.single_writer,
            writes_to="alerts",
        )
        with lake_errors(self.lake):
            head = log.head()
        self.log.info("Window: %s; watermark: %s", window, head.position.watermark_text or "not set yet")
        if window.incremental and filters_changed(head, filters.as_dict()):
            self._warn_of_changed_filters(head, filters.as_dict())
        drain = AlertDrain(
            source=self.source,
            hook=hook,
            log=log,
            window=window,
            filters=filters,
            overlap=self.overlap,
            lookback=self.initial_lookback,
            clock=DrainClock(self.max_duration),
            keep_original=self.keep_original,
            started=started,
            logger=self.log,
        )
        with lake_errors(self.lake):
            result = drain.run(head)
        for doubt in filters.doubts(result.seen):
            self.log.warning(doubt)
        return self._report(context, window, head, result)

    def _check(self) -> None:
        """Configuration that only rendering completes, checked before any work."""
        check_choice("source", self.source, _SOURCES)
        check_choice("by", self.by, ("created", "updated"))
        names = ("overlap", "initial_lookback", "max_duration", "partition_span")
        check_spans({name: getattr(self, name) for name in names})

    def _warn_of_changed_filters(self, head: Head, filters: Any) -> None:
        self.log.warning(
            "The filters changed from %s to %s at watermark %s.",
            dict(head.position.filters),
            dict(filters),
            head.position.watermark_text,
        )
        self.log.warning("Alerts up to there that only the new filters let through have not landed.")
        self.log.warning(
            "To get them, run this task once with since=<start of your history> and until=%s.",
            head.position.watermark_text,
        )
        self.log.warning("If two tasks of one tenant have different filters, give each a lake of its own.")

    # Reporting ------------------------------------------------------------------------------------

    def _report(self, context: Context, window: Window, head: Head, result: DrainResult) -> dict[str, Any]:
        summary = self._summary(window, head, result)
        self._log_summary(summary)
        if result.interruption is not None:
            self.log.warning("Reading was interrupted; what was read is committed, the watermark stays.")
            raise result.interruption
        self._emit(context, summary)
        return summary

    def _log_summary(self, summary: dict[str, Any]) -> None:
        self.log.info(
            "%s read, %s landed as %s in %s, %s rejected",
            counted(summary["records"], "alert"),
            counted(summary["versions"], "version"),
            counted(summary["rows"], "row"),
            counted(summary["files"], "file"),
            counted(summary["rejects"], "record"),
        )
        self.log.info("The watermark is %s", summary["watermark_after"] or "not set yet")
        self._log_stages(summary["seconds"])
        self._log_unmapped(summary)

    def _summary(self, window: Window, head: Head, result: DrainResult) -> dict[str, Any]:
        record = result.record
        position = head.position if record is None or record.position is None else record.position
        counts = record.counts if record is not None else {}
        partitions: dict[str, dict[str, int]] = {}
        for added in record.added if record is not None else ():
            part = partitions.setdefault(added.path.rpartition("/")[0], {"files": 0, "rows": 0, "bytes": 0})
            part["files"] += 1
            part["rows"] += added.rows
            part["bytes"] += added.bytes
        return {
            "window": window.describe(),
            "records": result.records,
            "versions": counts.get("landed", 0),
            "rows": counts.get("rows", 0),
            "files": sum(part["files"] for part in partitions.values()),
            "partitions": dict(sorted(partitions.items())),
            "rejects": counts.get("rejected", 0),
            "unfit_values": dict(result.unfit_values.most_common(_NAMES_SHOWN)),
            "unknown_fields": dict(result.unknown_fields.most_common(_NAMES_SHOWN)),
            "watermark_before": head.position.watermark_text,
            "watermark_after": position.watermark_text,
            "commit": record.number if record is not None else None,
            "complete": result.complete,
            "seconds": {
                stage: round(result.seconds.get(stage, 0.0), 3)
                for stage in ("reading", "mapping", "landing", "committing")
            },
        }

    def _emit(self, context: Context, summary: dict[str, Any]) -> None:
        """Tell Airflow what landed: the asset's event, its partitions, and the mirror of the watermark."""
        extra = {
            name: summary[name]
            for name in (
                "window",
                "records",
                "versions",
                "rows",
                "files",
                "partitions",
                "rejects",
                "watermark_before",
                "watermark_after",
                "commit",
                "complete",
            )
        }
        keys = [_partition_key(path) for path in summary["partitions"]]
        compat.emit_asset_event(context, self.asset, extra, keys if self.partitioned_asset_events else ())
        if summary["watermark_after"] is not None:
            compat.mirror_state(context, self.asset, {"watermark": summary["watermark_after"]}, self.log)


def _partition_key(path: str) -> str:
    """`alerts/date=2026-11-22` as Airflow's partition mappers read it: `2026-11-22T00:00:00`."""
    return f"{path.rpartition('date=')[2]}T00:00:00"
