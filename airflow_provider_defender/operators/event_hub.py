"""The events of an event hub as ECS Parquet partitions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Literal

from airflow.sdk import BaseOperator

from airflow_provider_defender import compat
from airflow_provider_defender._plural import counted
from airflow_provider_defender.exceptions import (
    DefenderError,
    MessagesDamaged,
    MessagesLost,
    StopAndLook,
    TryAgain,
)
from airflow_provider_defender.operators._choices import check_choice
from airflow_provider_defender.operators._hub_plan import offset_count
from airflow_provider_defender.operators._landing import (
    LandingOperator,
    check_counts,
    check_kafka_config,
    check_spans,
)

if TYPE_CHECKING:
    from airflow.sdk import Context, ObjectStoragePath

    from airflow_provider_defender.hooks import EventHubHook
    from airflow_provider_defender.lake import Record
    from airflow_provider_defender.operators._hub_drain import HubDrain, HubResult

__all__ = ["EventHubPartitionsOperator", "EventHubToParquetOperator"]

_MIB = 1024 * 1024
_NAMES_SHOWN = 20
_HOURS_SHOWN = 200
_STAGES = ("reading", "mapping", "landing", "committing")


class EventHubToParquetOperator(LandingOperator):
    """Land what comes through an event hub in a lake, mapped to ECS, each message exactly once.

    The lake itself holds up to which offset each partition was read; the broker's consumer group has no say.
    A scheduled, manual or asset-triggered run goes on from there up to the newest message at its start. A
    backfill run, or one with `since`, reads the messages that entered the hub in its window, as far as the
    lake does not have them yet, and leaves the live position alone. All of a run's rows become visible by one
    commit, or none of them. Tasks over different partitions of a hub run side by side; they share nothing but
    the moment of the commit.

    Its asset is `defender://<event_hub_conn_id>/events/<hub>`, with the argument `hub` as it is written (a
    template as the template), or `default` where the connection names the hub.

    Args:
        lake: root of the lake: an absolute path, or a URL that Airflow's `ObjectStoragePath` takes, such as
            `file:///data/lake`, `s3://aws_default@bucket/lake` or `abfss://azure_default@container/lake`.
            Templated.
        event_hub_conn_id: connection of type `event_hub`.
        hub: the hub's name; None takes the connection's. Templated, and what to map over where each table
            has a hub of its own: `.expand(hub=[…])`.
        partitions: numbers of the partitions to read; None reads all that the hub has when the run starts.
            Templated, and what to map over: `.expand(partitions=[[0, 1], [2, 3]])`.
        start: where the first drain of a partition begins: `earliest`, `latest` (when the hub's first drain
            began) or a time of entering the hub (ISO 8601 text or datetime; UTC without a zone). Ignored as
            soon as the lake has a position. Templated.
        max_records: read at most about this many messages, each of which can hold many records. What was
            read is committed, and the next run goes on. None: no limit; likewise for the next two.
        max_bytes: read at most about so many bytes of messages.
        max_duration: read for at most about so long; never longer than 12 hours.
        on_gap: what to do once messages were lost because the hub's retention deleted them before they were
            read, or are damaged: still there, but unreadable. All others land and the record names their
            offsets, then `fail` fails the task without retry (the next run goes on), `continue` warns.
        drop_repeats: drop rows that Defender has exported twice: the same table and the same content, with a
            new time of export. Among the last 1,000,000 rows of a run; they are counted.
        keep_original: land each record's exact text in `event.original`.
        group_id: write the position to this consumer group of the broker too, so that monitoring sees the
            lag; it is never read. None: do not. Templated.
        kafka_config: settings of librdkafka over those of the connection. Secrets are refused: Airflow
            stores a mapped operator's arguments as they are; the connection takes them.
        since: start of an explicit window of the time of entering the hub, inclusive: ISO 8601 text, a date
            or a datetime; UTC where it has no zone. Not in backfill runs, which have a range of their own.
            Templated; empty text means not given.
        until: end of the explicit window, exclusive; the run's start if only `since` is given. Templated.
        partition_span: length of a run's partition, for backfills of a DAG whose timetable has partitions
            but does not list them. Airflow's `CronPartitionTimetable` does: there, a partition ends where the
            next one begins, and this is not used.
        single_writer: promise that never two runs write to this lake at a time; only then is a store used
            that cannot create an object conditionally.
        partitioned_asset_events: emit one asset event for each hour touched, with its start as the partition
            key, for DAGs with a partitioned timetable (Airflow 3.3). Airflow does not run other
            asset-scheduled DAGs on such events, so by default there is one event for all.

    Returns:
        A summary for XCom: `window`, `messages` and `bytes` read, `records` in them, `rows` landed by
        dataset, `files`, `partitions` (for each partition of the hub: offsets `from` and `to`, the exclusive
        end of what was read; `high`, the high watermark at the start; `waiting_at_start`, the messages to be
        read then; and of a live drain `lag`, the messages that wait at its end, and `oldest_unread`, the
        seconds for which the first of them has waited, None where that is not known), `repeats` (rows
        dropped), `rejects` (records in quarantine), `unfit_values` and `unknown_fields` (columns whose values
        did not fit, or that have none, and so went to `unmapped`), `lost` and `damaged` (ranges of offsets by
        partition, the ends exclusive), `before_oldest` (partitions whose oldest message, of this time, is
        later than the window's start), `commit` (number of the record, None if there was nothing to say),
        `complete`, and `seconds` by stage, with those of `reading` in which the hub did not answer (`waited`)
        or slowed us down (`throttled`).

    Raises:
        FailNow: a credential, a right or a parameter is wrong; Airflow does not retry.
        TryAgain: the hub did not answer, or a limit ended a window early; what was read has landed.
        MessagesLost: the hub deleted messages before they were read, or has messages that cannot be read
            (MessagesDamaged); all others have landed, or do so by the next run where the store failed after
            the commit.
        StopAndLook: the hub is another one than the lake has read before (PositionAhead), or `max_duration`
            is too short to read anything.
    """

    template_fields: Sequence[str] = ("lake", "hub", "partitions", "start", "group_id", "since", "until")
    ui_color = "#0078d4"
    ui_fgcolor = "#fff"

    def __init__(
        self,
        *,
        lake: str | ObjectStoragePath,
        event_hub_conn_id: str = "event_hub_default",
        hub: str | None = None,
        partitions: Sequence[int] | str | None = None,
        start: Literal["earliest", "latest"] | str | datetime = "earliest",
        max_records: int | None = None,
        max_bytes: int | None = None,
        max_duration: timedelta | None = None,
        on_gap: Literal["fail", "continue"] = "fail",
        drop_repeats: bool = True,
        keep_original: bool = True,
        group_id: str | None = None,
        kafka_config: Mapping[str, Any] | None = None,
        since: str | date | None = None,
        until: str | date | None = None,
        partition_span: timedelta | None = None,
        single_writer: bool = False,
        partitioned_asset_events: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(conn_id=event_hub_conn_id, kind=f"events/{hub or 'default'}", **kwargs)
        self.lake = lake
        self.event_hub_conn_id = event_hub_conn_id
        self.hub = hub
        self.partitions = partitions
        self.start = start
        self.max_records = max_records
        self.max_bytes = max_bytes
        self.max_duration = max_duration
        self.on_gap = on_gap
        self.drop_repeats = drop_repeats
        self.keep_original = keep_original
        self.group_id = group_id
        self.kafka_config = kafka_config
        self.since = since
        self.until = until
        self.partition_span = partition_span
        self.single_writer = single_writer
        self.partitioned_asset_events = partitioned_asset_events

    def execute(self, context: Context) -> dict[str, Any]:
        """Drain, commit, report. See the class for what is returned and raised."""
        from airflow_provider_defender.operators._lake import lake_errors

        self._check()
        self._warn_of_undeclared_asset()
        drain = self._drain(context)
        with closing(drain.hook):
            with lake_errors(self.lake):
                head = drain.log.head()
                self.log.info("Hub %s of %s, %s", drain.hook.hub, drain.hook.namespace, drain.window)
                result = drain.run(head)
            return self._report(context, drain, result)

    def _check(self) -> None:
        """Configuration that only rendering completes, checked before any work."""
        check_choice("on_gap", self.on_gap, ("fail", "continue"))
        check_counts({"max_records": self.max_records, "max_bytes": self.max_bytes}, least=1)
        check_spans({"max_duration": self.max_duration, "partition_span": self.partition_span})
        check_kafka_config(self.kafka_config)

    def _drain(self, context: Context) -> HubDrain:
        from airflow_provider_defender.hooks import EventHubHook
        from airflow_provider_defender.lake import HubPosition, WriterSettings
        from airflow_provider_defender.operators._hub_drain import HubDrain
        from airflow_provider_defender.operators._hub_plan import parse_partitions, parse_start
        from airflow_provider_defender.operators._lake import opened_lake
        from airflow_provider_defender.operators._timing import DrainClock

        clock = DrainClock(self.max_duration)
        started = datetime.now(timezone.utc)
        partitions, start = parse_partitions(self.partitions), parse_start(self.start)
        window = self._window(context, by="enqueued", now=started)
        hook = EventHubHook(self.event_hub_conn_id, hub=self.hub, config=self.kafka_config)
        # Less than usual, since the mapper keeps records of all tables as well.
        settings = WriterSettings(buffer_bytes=32 * _MIB, footer_bytes=12 * _MIB)
        lake = opened_lake(self.lake, single_writer=self.single_writer, settings=settings, writes_to="events")
        return HubDrain(
            hook=hook,
            lake=lake,
            log=lake.log(hook.log_name, HubPosition),
            window=window,
            partitions=partitions,
            start=start,
            max_records=self.max_records,
            max_bytes=self.max_bytes,
            clock=clock,
            drop_repeats=self.drop_repeats,
            keep_original=self.keep_original,
            started=started,
            logger=self.log,
        )

    # Reporting ------------------------------------------------------------------------------------

    def _report(self, context: Context, drain: HubDrain, result: HubResult) -> dict[str, Any]:
        """Say what has landed, to all that want to know; then raise what should fail the task."""
        summary = _summary(drain, result)
        self._log_summary(summary, result)
        self._measure(drain.hook, result, live=drain.window.incremental)
        if drain.window.incremental and result.unfinished is None:
            self._show_position(context, drain.hook, result)
        try:
            self._raise_what_failed(drain, result)
        except DefenderError:
            compat.push_result(context, summary)
            raise
        self._emit(context, summary, result.record)
        return summary

    def _log_summary(self, summary: Mapping[str, Any], result: HubResult) -> None:
        moved = [text for partition in sorted(result.plans) if (text := _describe_moved(result, partition))]
        self.log.info(
            "%s read, %s landed in %s, %s dropped, %s rejected",
            counted(summary["messages"], "message"),
            counted(sum(summary["rows"].values()), "row"),
            counted(summary["files"], "file"),
            counted(summary["repeats"], "repeat"),
            counted(summary["rejects"], "record"),
        )
        for text in moved or ["no partition has moved"]:
            self.log.info("%s", text[0].upper() + text[1:])
        self._log_stages(summary["seconds"])
        self._log_unmapped(summary)
        for partition, oldest in summary["before_oldest"].items():
            self.log.warning(
                "The window begins before the oldest message of partition %s, which is of %s.",
                partition,
                oldest or "an unknown time",
            )
            self.log.warning("What came before it has left the hub and cannot be landed any more.")

    def _measure(self, hook: EventHubHook, result: HubResult, *, live: bool) -> None:
        """Metrics beside Airflow's own, named so that every backend keeps hubs and partitions apart."""
        hub = ".".join(re.sub(r"[^A-Za-z0-9_-]", "_", name) for name in (hook.namespace, hook.hub))
        for partition, plan in result.plans.items():
            figures: dict[str, float | None] = {"waiting_at_start": offset_count(plan.ranges)}
            if live:
                figures |= {
                    "lag": result.lag(partition),
                    "oldest_unread_seconds": result.oldest_unread.get(partition),
                }
            for name, value in figures.items():
                if value is not None:
                    compat.gauge(f"defender.event_hub.{name}.{hub}.{partition}", value)
            lost = offset_count(result.lost.get(partition, ()))
            compat.gauge(f"defender.event_hub.lost.{hub}.{partition}", lost)
            damaged = offset_count(result.damaged.get(partition, ()))
            compat.gauge(f"defender.event_hub.damaged.{hub}.{partition}", damaged)

    def _show_position(self, context: Context, hook: EventHubHook, result: HubResult) -> None:
        """Write the position where people look for it; the lake's is the one that counts."""
        position = {partition: result.stands(partition) for partition in result.plans}
        if self.group_id is not None:
            hook.commit(position, group=self.group_id)
        values = {
            f"partition-{partition}": {
                "next": offset,
                "lag": result.lag(partition),
                "oldest_unread": result.oldest_unread.get(partition),
            }
            for partition, offset in position.items()
        }
        compat.mirror_state(context, self.asset, values, self.log)

    def _raise_what_failed(self, drain: HubDrain, result: HubResult) -> None:
        from airflow_provider_defender.operators._lake import lake_errors

        if result.lost or result.damaged:
            kind = MessagesLost if result.lost else MessagesDamaged
            error = kind(_describe_gap(drain.hook, result))
            if self.on_gap == "fail":
                raise error from (result.unfinished or result.interruption)
            self.log.warning("%s", error)
        if result.unfinished is not None:
            with lake_errors(self.lake):
                raise result.unfinished
        if result.interruption is not None:
            self.log.warning("Reading was interrupted; what was read until then has landed.")
            raise result.interruption
        if result.complete:
            return
        if result.record is None:
            raise StopAndLook(
                f"max_duration={self.max_duration} was over before the first message came, so runs like this "
                "one never get further. Raise max_duration."
            )
        if not drain.window.incremental:
            raise TryAgain(
                "A limit (max_records, max_bytes, max_duration) ended this window before all of it was read. "
                "What was read has landed; a retry lands what is missing."
            )
        self.log.info("A limit ended the drain: what was read has landed, and the next run goes on.")

    def _emit(self, context: Context, summary: Mapping[str, Any], record: Record[Any] | None) -> None:
        """Tell Airflow what landed, by the asset's event: also that nothing did."""
        added = record.added if record is not None else ()
        hours = sorted({hour for file in added if (hour := _hour(file.path)) is not None})
        names = (
            "window",
            "messages",
            "records",
            "rows",
            "files",
            "partitions",
            "repeats",
            "rejects",
            "lost",
            "damaged",
            "commit",
            "complete",
        )
        extra = {**{name: summary[name] for name in names}, "hours": hours[-_HOURS_SHOWN:]}
        compat.emit_asset_event(context, self.asset, extra, hours if self.partitioned_asset_events else ())


def _summary(drain: HubDrain, result: HubResult) -> dict[str, Any]:
    record = result.record
    added = record.added if record is not None else ()
    rows: dict[str, int] = {}
    for file in added:
        dataset = file.path.partition("/date=")[0]
        rows[dataset] = rows.get(dataset, 0) + file.rows
    return {
        "window": drain.window.describe(),
        "messages": result.messages,
        "bytes": result.bytes,
        "records": result.rows.total() + result.repeats + result.rejects,
        "rows": dict(sorted(rows.items())),
        "files": len(added),
        "partitions": _partitions(result, live=drain.window.incremental),
        "repeats": result.repeats,
        "rejects": record.counts.get("rejected", 0) if record is not None else 0,
        "unfit_values": dict(result.unfit_values.most_common(_NAMES_SHOWN)),
        "unknown_fields": dict(result.unknown_fields.most_common(_NAMES_SHOWN)),
        "lost": _as_lists(result.lost),
        "damaged": _as_lists(result.damaged),
        "before_oldest": {
            str(partition): moment.isoformat() if moment else None
            for partition, moment in result.before_oldest.items()
        },
        "commit": record.number if record is not None else None,
        "complete": result.complete,
        "seconds": {
            **{stage: round(result.seconds.get(stage, 0.0), 3) for stage in _STAGES},
            "waited": round(drain.hook.waited_seconds, 3),
            "throttled": round(drain.hook.throttled_seconds, 3),
        },
    }


def _as_lists(ranges: Mapping[int, Sequence[tuple[int, int]]]) -> dict[str, list[list[int]]]:
    return {str(partition): [list(each) for each in parts] for partition, parts in ranges.items()}


def _partitions(result: HubResult, *, live: bool) -> dict[str, dict[str, float | None]]:
    return {
        str(partition): {
            "from": plan.begin,
            "to": result.stands(partition),
            "high": plan.high,
            "waiting_at_start": offset_count(plan.ranges),
            "lag": result.lag(partition) if live else None,
            "oldest_unread": result.oldest_unread.get(partition),
        }
        for partition, plan in sorted(result.plans.items())
    }


def _describe_moved(result: HubResult, partition: int) -> str | None:
    """How far a partition was looked at, and what of that was not to be read; None where it was not."""
    plan, stands = result.plans[partition], result.stands(partition)
    if plan.begin >= stands:
        return None
    read = offset_count(plan.within(plan.begin, stands))
    gone = offset_count(plan.lost)
    known = stands - plan.begin - read - gone
    notes = [
        *([f"{known} offsets known to the lake before"] if known else ()),
        *([f"{gone} deleted before"] if gone else ()),
    ]
    done = "read" if read else "passed over"
    noted = f" ({', '.join(notes)})" if notes else ""
    return f"partition {partition} {done} from {plan.begin} to {stands} of {plan.high}{noted}"


def _describe_gap(hook: EventHubHook, result: HubResult) -> str:
    """What is lost, what is damaged, what has become of the rest, and the cures: a line each."""
    lines = []
    if result.lost:
        count = sum(map(offset_count, result.lost.values()))
        lines += [
            f"Hub {hook.hub!r} deleted {counted(count, 'message')} before they were read: "
            f"{_describe_ranges(result.lost)}.",
            "Run more often, or let the hub keep messages for longer.",
        ]
    if result.damaged:
        count = sum(map(offset_count, result.damaged.values()))
        lines += [
            f"Hub {hook.hub!r} has {counted(count, 'message')} that cannot be read: "
            f"{_describe_ranges(result.damaged)}.",
            "A warning above says why. Once they can be read, a backfill over their time lands them.",
        ]
    lines.append(
        "All others have landed; the lake's record names these, and the next run goes on."
        if result.unfinished is None
        else f"The others are not in their places yet: {result.unfinished}."
    )
    return "\n".join(lines)


def _describe_ranges(ranges: Mapping[int, Sequence[tuple[int, int]]]) -> str:
    return ", ".join(
        f"partition {partition}: {start} to {end - 1}"
        for partition, parts in sorted(ranges.items())
        for start, end in parts
    )


def _hour(path: str) -> str | None:
    """`events/DeviceInfo/date=2026-11-22/hour=13/…` as Airflow's partition mappers read it."""
    found = re.search(r"/date=([^/]+)/hour=(\d\d)/", path)
    return f"{found[1]}T{found[2]}:00:00" if found else None


class EventHubPartitionsOperator(BaseOperator):
    """List a hub's partitions in groups, for `EventHubToParquetOperator.expand(partitions=…)`.

    Args:
        event_hub_conn_id: connection of type `event_hub`.
        hub: the hub's name; None takes the connection's. Templated.
        groups: number of groups, and so of mapped tasks; fewer where the hub has fewer partitions.
        kafka_config: settings of librdkafka over those of the connection, without secrets.

    Returns:
        Lists of partition numbers, of about the same length: `[[0, 2], [1, 3]]`.

    Raises:
        FailNow: a credential, a right or a parameter is wrong, or the hub cannot be reached.
        TryAgain: the hub did not answer.
    """

    template_fields: Sequence[str] = ("hub",)
    ui_color = "#0078d4"
    ui_fgcolor = "#fff"

    def __init__(
        self,
        *,
        event_hub_conn_id: str = "event_hub_default",
        hub: str | None = None,
        groups: int = 4,
        kafka_config: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**compat.with_retry_policy(kwargs))
        self.event_hub_conn_id = event_hub_conn_id
        self.hub = hub
        self.groups = groups
        self.kafka_config = kafka_config

    def execute(self, context: Context) -> list[list[int]]:
        """Ask the hub. See the class."""
        from airflow_provider_defender.hooks import EventHubHook
        from airflow_provider_defender.operators._hub_plan import first_contact

        check_counts({"groups": self.groups}, least=1)
        check_kafka_config(self.kafka_config)
        with closing(EventHubHook(self.event_hub_conn_id, hub=self.hub, config=self.kafka_config)) as hook:
            partitions = sorted(first_contact(hook, reached_before=False))
        return [partitions[number :: self.groups] for number in range(min(self.groups, len(partitions)))]
