"""The base of all operators that land a source: asset, window, checks, lake, run, report."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_provider_defender.assets import defender_asset
from airflow_provider_defender.clock import Clock
from airflow_provider_defender.exceptions import DefenderError
from airflow_provider_defender.operators import _airflow
from airflow_provider_defender.operators._retry import with_retry_policy
from airflow_provider_defender.sources.parameters import check_spans

if TYPE_CHECKING:
    from airflow.sdk import Asset, Context, ObjectStoragePath

    from airflow_provider_defender.ingest.run import Outcome
    from airflow_provider_defender.ingest.stages import DrainClock
    from airflow_provider_defender.ingest.summary import Summary
    from airflow_provider_defender.lake import Lake, WriterSettings
    from airflow_provider_defender.sources.source import Limits, Source
    from airflow_provider_defender.sources.window import Basis, Window

__all__ = ["LandingOperator"]


class LandingOperator(BaseOperator):
    """Lands one source in a lake. A subclass declares its parameters and builds hook and source.

    Args:
        conn_id: connection of the source.
        kind: what it lands, as in `defender_asset`. That asset is declared as an inlet and an outlet.
        lake: root of the lake: an absolute path, a URL, or Airflow's `ObjectStoragePath`.
        since: start of an explicit window, inclusive.
        until: end of the explicit window, exclusive; by default the run's start.
        max_duration: how long to read at most.
        run_partition_span: length of a run partition, if the timetable does not say it.
        keep_original: whether the records' exact texts land.
        single_writer: promise that no two runs ever write to this lake at the same time.
        partitioned_asset_events: emit one asset event for each lake partition that got rows.
        clock: source of the current time; for tests. None: the machine's.
    """

    ui_color = "#0078d4"
    ui_fgcolor = "#fff"

    def __init__(
        self,
        *,
        conn_id: str,
        kind: str,
        lake: str | ObjectStoragePath,
        since: str | date | None = None,
        until: str | date | None = None,
        max_duration: timedelta | None = None,
        run_partition_span: timedelta | None = None,
        keep_original: bool = True,
        single_writer: bool = False,
        partitioned_asset_events: bool = False,
        clock: Clock | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**with_retry_policy(kwargs))
        self.lake = lake
        self.since = since
        self.until = until
        self.max_duration = max_duration
        self.run_partition_span = run_partition_span
        self.keep_original = keep_original
        self.single_writer = single_writer
        self.partitioned_asset_events = partitioned_asset_events
        self.clock = clock
        self._asset_of = (conn_id, kind)
        # Airflow 3.3 keeps an asset's state only if it is both.
        self.outlets = [*self.outlets, *([] if self.asset in self.outlets else [self.asset])]
        self.inlets = [*self.inlets, *([] if self.asset in self.inlets else [self.asset])]

    @property
    def asset(self) -> Asset:
        """The asset whose events this operator emits."""
        return defender_asset(*self._asset_of)

    # What subclasses say --------------------------------------------------------------------------

    @abstractmethod
    def _new_hook(self) -> Any:
        """Make the hook of the source. Sends no request yet."""

    @abstractmethod
    def _new_source(self, hook: Any, lake: Lake, clock: Clock) -> Source[Any, Any, Any]:
        """Make the source from the operator's parameters."""

    def _basis(self) -> Basis:
        """The time that an explicit window or a backfill's interval refers to."""
        return "created"

    def _check(self) -> None:
        """Check the rendered parameters, before any work. Raises `ConfigurationError`."""
        check_spans({"max_duration": self.max_duration, "run_partition_span": self.run_partition_span})

    def _limits(self, time: DrainClock) -> Limits:
        """When to stop reading."""
        from airflow_provider_defender.sources.source import Limits

        return Limits(time)

    def _writer_settings(self) -> WriterSettings | None:
        """Settings of the lake's files; None: the defaults."""
        return None

    def _gap_fails(self) -> bool:
        """Whether records that can no longer be read fail the task; if not, they are a warning."""
        return True

    def _after_publishing(self, outcome: Outcome[Any], hook: Any) -> None:
        """Do what remains to be done once all has landed."""

    def _close(self, hook: Any) -> None:
        """Close the connections that the hook keeps open."""

    # One run --------------------------------------------------------------------------------------

    def execute(self, context: Context) -> dict[str, Any]:
        """Read, land, report. The class says what is returned and raised."""
        self._check()
        self._warn_of_undeclared_asset()
        clock = self.clock or Clock()
        started = clock.now()
        window = self._window(context, started)
        hook = self._new_hook()
        try:
            outcome = self._run(hook, window, clock, started)
            return self._report(context, outcome, hook)
        finally:
            self._close(hook)

    def _window(self, context: Mapping[str, Any], now: datetime) -> Window:
        """The window that this run reads; see `resolve_window`."""
        from airflow_provider_defender.operators._window import resolve_window

        return resolve_window(
            context,
            since=self.since,
            until=self.until,
            by=self._basis(),
            run_partition_span=self.run_partition_span,
            now=now,
            logger=self.log,
        )

    def _run(self, hook: Any, window: Window, clock: Clock, started: datetime) -> Outcome[Any]:
        from airflow_provider_defender.ingest.run import Run
        from airflow_provider_defender.ingest.stages import DrainClock, Stages
        from airflow_provider_defender.stores.opening import lake_errors

        time = DrainClock(self.max_duration, now=clock.monotonic)
        source, lake = self._opened(hook, clock)
        with lake_errors(self.lake):
            return Run(
                source=source,
                lake=lake,
                window=window,
                limits=self._limits(time),
                stages=Stages(time, self.log),
                started=started,
                keep_original=self.keep_original,
            ).execute()

    def _opened(self, hook: Any, clock: Clock) -> tuple[Source[Any, Any, Any], Lake]:
        """Return the source and the opened lake, in which the source's folder was checked."""
        from airflow_provider_defender.stores.opening import lake_errors, opened_lake

        lake = opened_lake(self.lake, single_writer=self.single_writer, settings=self._writer_settings())
        with lake_errors(self.lake):
            source = self._new_source(hook, lake, clock)
            lake.storage.check_folder(source.folder)
        return source, lake

    # Reporting ------------------------------------------------------------------------------------

    def _report(self, context: Mapping[str, Any], outcome: Outcome[Any], hook: Any) -> dict[str, Any]:
        """Report what has landed to log, metrics, XCom and asset; then raise what should fail the task."""
        summary = outcome.summary
        self._log_summary(summary)
        for name, value in summary.gauges().items():
            _airflow.gauge(name, value)
        if outcome.result.unfinished is None:
            self._after_publishing(outcome, hook)
            _airflow.mirror_state(context, self.asset, summary.source.states(), self.log)
        try:
            self._raise_what_failed(outcome)
        except DefenderError:
            _airflow.push_result(context, summary.as_dict())
            raise
        run_partitions = summary.run_partitions if self.partitioned_asset_events else ()
        _airflow.emit_asset_event(context, self.asset, summary.event_extra(), run_partitions)
        return summary.as_dict()

    def _log_summary(self, summary: Summary[Any]) -> None:
        for line in summary.lines():
            self.log.info("%s", line)
        for line in summary.warnings():
            self.log.warning("%s", line)

    def _raise_what_failed(self, outcome: Outcome[Any]) -> None:
        from airflow_provider_defender.stores.opening import lake_errors

        unfinished, interruption = outcome.result.unfinished, outcome.read.interruption
        gap = outcome.gap()
        if gap is not None and self._gap_fails():
            raise gap from (unfinished or interruption)
        if gap is not None:
            self.log.warning("%s", gap)
        if unfinished is not None:
            with lake_errors(self.lake):
                raise unfinished
        if interruption is not None:
            self.log.warning("Reading was interrupted. What was read until then has landed.")
            raise interruption
        if (shortfall := outcome.shortfall()) is not None:
            raise shortfall

    def _warn_of_undeclared_asset(self) -> None:
        """Warn if a mapped operator lacks its asset: Airflow reads assets before `__init__` can add them."""
        dag = self.get_dag()
        defined = dag.task_dict.get(self.task_id) if dag else None
        if defined is None or defined is self or self.asset in getattr(defined, "outlets", ()):
            return
        self.log.warning(
            "This mapped operator does not declare its asset %s, so no DAG is triggered by what it lands.",
            self.asset.uri,
        )
        self.log.warning(
            "Pass partial(inlets=[defender_asset(%r, %r)], outlets=…), with the asset of every connection.",
            *self._asset_of,
        )
