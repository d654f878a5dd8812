"""The events of an event hub as ECS Parquet partitions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from airflow.sdk import BaseOperator

from airflow_provider_defender._plural import counted
from airflow_provider_defender.clock import Clock
from airflow_provider_defender.operators._retry import with_retry_policy
from airflow_provider_defender.operators.landing import LandingOperator
from airflow_provider_defender.sources.parameters import (
    check_choice,
    check_counts,
    check_kafka_config,
    check_spans,
)

if TYPE_CHECKING:
    from airflow.sdk import Context, ObjectStoragePath

    from airflow_provider_defender.hooks import EventHubHook
    from airflow_provider_defender.ingest.run import Outcome
    from airflow_provider_defender.ingest.stages import DrainClock
    from airflow_provider_defender.lake import Lake, WriterSettings
    from airflow_provider_defender.sources.event_hub import EventHub
    from airflow_provider_defender.sources.hub_figures import HubFigures
    from airflow_provider_defender.sources.source import Limits
    from airflow_provider_defender.sources.window import Basis

__all__ = ["EventHubPartitionsOperator", "EventHubToParquetOperator"]

_MIB = 1024 * 1024


class EventHubToParquetOperator(LandingOperator):
    """Land the messages of an event hub in a lake, mapped to ECS, each exactly once.

    The lake itself stores the offset up to which each hub partition was read; the broker's consumer group
    does not matter. A scheduled, manual or asset-triggered run continues from there, up to the newest message
    at its start. A backfill run, or one with `since`, reads the messages that were enqueued in its window and
    are not in the lake yet, and leaves the live position alone. One commit makes all of a run's rows visible,
    or none of them. Tasks for different partitions of a hub can run in parallel; only their commits take
    turns.

    Its asset is `defender://<event_hub_conn_id>/events/<hub>`, with the argument `hub` as it is written (a
    template is not rendered), or `default` if the connection names the hub.

    Args:
        lake: root of the lake: an absolute path, or a URL that Airflow's `ObjectStoragePath` accepts, such as
            `file:///data/lake`, `s3://aws_default@bucket/lake` or `abfss://azure_default@container/lake`.
            Templated.
        event_hub_conn_id: connection of type `event_hub`.
        hub: the hub's name; None: the connection's. Templated. If each table has a hub of its own, map over
            it: `.expand(hub=[…])`.
        hub_partitions: numbers of the hub partitions to read; None: all that the hub has when the run
            starts. Templated. Map over it to read in parallel: `.expand(hub_partitions=[[0, 1], [2, 3]])`.
        start: where the first drain of a hub partition begins: `earliest`, `latest` (the moment when the
            hub's first drain began) or an enqueued time (ISO 8601 text or datetime; UTC without a time zone).
            Ignored once the lake has a position. Templated.
        max_messages: stop after about this many messages, each of which can hold many records. What was read
            is committed, and the next run continues. None: no limit; likewise for the next two.
        max_bytes: stop after about this many bytes of messages.
        max_duration: stop after about this time, and after 12 hours in any case.
        on_gap: what to do about messages that were lost (the hub's retention deleted them before they were
            read) or are damaged (still there, but unreadable). In both cases all other messages land, and the
            commit lists the missing offsets. Then `fail` fails the task without retry (the next run
            continues); `continue` only warns.
        drop_duplicates: drop rows that Defender has exported twice: the same table and content, with another
            export time. Looks back over the last 1,000,000 rows of a run; the dropped rows are counted.
        keep_original: land each record's exact text in `event.original`.
        group_id: also write the position to this consumer group of the broker, so that monitoring tools see
            the lag. It is never read. None: do not write it. Templated.
        kafka_config: librdkafka settings, which override the connection's. Secrets are refused, because
            Airflow stores a mapped operator's arguments in plain text: put them into the connection.
        since: start of an explicit window of enqueued times, inclusive: ISO 8601 text, a date or a datetime;
            UTC if it has no time zone. Not allowed in backfill runs, which have a range of their own.
            Templated; an empty text means not given.
        until: end of the explicit window, exclusive; by default the run's start. Needs `since`. Templated.
        run_partition_span: length of a run partition, for backfills of a DAG whose timetable has partitions
            but does not list them. Ignored with Airflow's `CronPartitionTimetable`, which lists them: there a
            partition ends where the next one begins.
        single_writer: your promise that no two runs ever write to this lake at the same time. Only with it
            is a store accepted that cannot create an object conditionally.
        partitioned_asset_events: emit one asset event for each hour that got rows, with its start as the run
            partition key, for DAGs with a partitioned timetable (Airflow 3.3). Other asset-scheduled DAGs do
            not run on such events, so the default is one event per run.
        hook: called with the connection's ID, `hub` and `config`, returns the hook to use; for tests.
        clock: source of the current time; for tests.

    Returns:
        A summary for XCom: `window`, `messages` and `bytes` read, `records` in them, `rows` landed by
        dataset, `files`, `hub_partitions`, `duplicates` (rows dropped), `rejects` (records in quarantine),
        `type_mismatches` (values that did not fit their column, counted by column) and `unmapped_fields`
        (values without a column), both of which land in `unmapped`, `unknown_actions` (records by table and
        action type, where the catalogue of action types does not know it; the ten most frequent), `lost` and
        `damaged` (ranges of offsets by hub partition, ends exclusive), `before_oldest` (hub partitions whose
        oldest message is later than the window's start, with that message's time), `commit` (its number; None
        if there was nothing to commit), `digest` (its chain digest, which `lake.verify` takes), `complete`
        (whether everything was read), and `seconds` by stage: for how long the run was busy with it or waited
        for it (files are written meanwhile, which shows in no stage), with the seconds of `reading` in which
        the hub did not answer (`waited`) or throttled us (`throttled`).

        `hub_partitions` has for each hub partition: `from` and `to`, the offsets read (`to` exclusive);
        `high`, the high watermark at the start; `waiting_at_start`, the number of messages to read then; and
        after a live drain `lag`, the number of messages that wait at its end, and `oldest_unread`, the
        seconds that the first of them has waited (None if unknown).

    Raises:
        FailNow: a credential, a right or a parameter is wrong; Airflow does not retry.
        TryAgain: the hub did not answer, or a limit ended a window early; what was read has landed.
        MessagesLost: the hub deleted messages before they were read, or has messages that cannot be read
            (MessagesDamaged). All others have landed; if the store failed after the commit, the next run
            publishes them.
        StopAndLook: this is not the hub that the lake has read before (PositionAhead), or `max_duration` is
            too short to read anything.
    """

    template_fields: Sequence[str] = ("lake", "hub", "hub_partitions", "start", "group_id", "since", "until")

    def __init__(
        self,
        *,
        lake: str | ObjectStoragePath,
        event_hub_conn_id: str = "event_hub_default",
        hub: str | None = None,
        hub_partitions: Sequence[int] | str | None = None,
        start: Literal["earliest", "latest"] | str | datetime = "earliest",
        max_messages: int | None = None,
        max_bytes: int | None = None,
        max_duration: timedelta | None = None,
        on_gap: Literal["fail", "continue"] = "fail",
        drop_duplicates: bool = True,
        keep_original: bool = True,
        group_id: str | None = None,
        kafka_config: Mapping[str, Any] | None = None,
        since: str | date | None = None,
        until: str | date | None = None,
        run_partition_span: timedelta | None = None,
        single_writer: bool = False,
        partitioned_asset_events: bool = False,
        hook: Callable[..., EventHubHook] | None = None,
        clock: Clock | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            conn_id=event_hub_conn_id,
            kind=f"events/{hub or 'default'}",
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
        self.event_hub_conn_id = event_hub_conn_id
        self.hub = hub
        self.hub_partitions = hub_partitions
        self.start = start
        self.max_messages = max_messages
        self.max_bytes = max_bytes
        self.on_gap = on_gap
        self.drop_duplicates = drop_duplicates
        self.group_id = group_id
        self.kafka_config = kafka_config
        self.hook = hook

    def _check(self) -> None:
        from airflow_provider_defender.sources.parameters import parse_hub_partitions, parse_start

        super()._check()
        check_choice("on_gap", self.on_gap, ("fail", "continue"))
        check_counts({"max_messages": self.max_messages, "max_bytes": self.max_bytes}, least=1)
        check_kafka_config(self.kafka_config)
        parse_hub_partitions(self.hub_partitions)
        parse_start(self.start)

    def _basis(self) -> Basis:
        return "enqueued"

    def _new_hook(self) -> EventHubHook:
        from airflow_provider_defender.hooks import EventHubHook

        make = self.hook or EventHubHook
        return make(self.event_hub_conn_id, hub=self.hub, config=self.kafka_config)

    def _new_source(self, hook: EventHubHook, lake: Lake, clock: Clock) -> EventHub:
        from airflow_provider_defender.sources.event_hub import EventHub
        from airflow_provider_defender.sources.parameters import parse_hub_partitions, parse_start

        return EventHub(
            hook=hook,
            lake=lake,
            hub_partitions=parse_hub_partitions(self.hub_partitions),
            start=parse_start(self.start),
            drop_duplicates=self.drop_duplicates,
            clock=clock,
            logger=self.log,
        )

    def _limits(self, time: DrainClock) -> Limits:
        from airflow_provider_defender.sources.source import Limits

        return Limits(time, max_messages=self.max_messages, max_bytes=self.max_bytes)

    def _writer_settings(self) -> WriterSettings:
        from airflow_provider_defender.lake import WriterSettings

        # Smaller than the defaults, since the mapper holds records of all tables as well.
        return WriterSettings(buffer_bytes=32 * _MIB, footer_bytes=12 * _MIB)

    def _gap_fails(self) -> bool:
        return self.on_gap == "fail"

    def _after_publishing(self, outcome: Outcome[HubFigures], hook: EventHubHook) -> None:
        """Commit the position to the consumer group, for monitoring; only the lake's position counts."""
        figures = outcome.summary.source
        if self.group_id is not None and figures.live:
            position = {number: each.stands for number, each in figures.hub_partitions.items()}
            hook.commit(position, group=self.group_id)

    def _close(self, hook: EventHubHook) -> None:
        hook.close()


class EventHubPartitionsOperator(BaseOperator):
    """List the partitions of a hub in groups, for `EventHubToParquetOperator.expand(hub_partitions=…)`.

    With `lake`, there are as few groups as the waiting messages need, since each mapped task writes files of
    its own: one group up to `messages_per_task` messages, two up to twice as many, and so on up to `groups`.
    Waiting are the messages that the mapped tasks would read, in a backfill run those of its window. The hub
    partitions are distributed by their number of messages, the largest first. Every hub partition is in a
    group, so the mapped task never runs over an empty list. Without `lake`, the number of waiting messages is
    unknown, and there are always `groups` groups.

    Args:
        lake: root of the lake in which the hub lands, as for `EventHubToParquetOperator`. None: group without
            regard to the waiting messages. Templated.
        event_hub_conn_id: connection of type `event_hub`.
        hub: the hub's name; None: the connection's. Templated.
        groups: the most groups, and so mapped tasks; fewer if the hub has fewer partitions.
        messages_per_task: one more group for each so many waiting messages. A message holds up to about 1,000
            events.
        start: where the first drain of a hub partition begins, as given to `EventHubToParquetOperator`.
            Templated.
        since: start of an explicit window, as given to `EventHubToParquetOperator`. Templated.
        until: end of the explicit window, likewise. Templated.
        run_partition_span: length of a run partition, likewise.
        kafka_config: librdkafka settings, which override the connection's; no secrets.
        hook: called with the connection's ID, `hub` and `config`, returns the hook to use; for tests.
        clock: source of the current time; for tests.

    Returns:
        Lists of hub partition numbers, which contain each hub partition once: `[[0, 2], [1, 3]]`.

    Raises:
        FailNow: a credential, a right or a parameter is wrong, or the hub cannot be reached.
        TryAgain: the hub or the lake's store did not answer.
        PositionAhead: this is not the hub that the lake has read before.
    """

    template_fields: Sequence[str] = ("lake", "hub", "start", "since", "until")
    ui_color = "#0078d4"
    ui_fgcolor = "#fff"

    def __init__(
        self,
        *,
        lake: str | ObjectStoragePath | None = None,
        event_hub_conn_id: str = "event_hub_default",
        hub: str | None = None,
        groups: int = 4,
        messages_per_task: int = 20_000,
        start: Literal["earliest", "latest"] | str | datetime = "earliest",
        since: str | date | None = None,
        until: str | date | None = None,
        run_partition_span: timedelta | None = None,
        kafka_config: Mapping[str, Any] | None = None,
        hook: Callable[..., EventHubHook] | None = None,
        clock: Clock | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**with_retry_policy(kwargs))
        self.lake = lake
        self.event_hub_conn_id = event_hub_conn_id
        self.hub = hub
        self.groups = groups
        self.messages_per_task = messages_per_task
        self.start = start
        self.since = since
        self.until = until
        self.run_partition_span = run_partition_span
        self.kafka_config = kafka_config
        self.hook = hook
        self.clock = clock

    def execute(self, context: Context) -> list[list[int]]:
        """Ask the hub and the lake. See the class."""
        from airflow_provider_defender.hooks import EventHubHook
        from airflow_provider_defender.sources.hub_groups import groups_by_number, groups_by_work
        from airflow_provider_defender.sources.hub_plan import first_contact

        self._check()
        clock = self.clock or Clock()
        make = self.hook or EventHubHook
        with closing(make(self.event_hub_conn_id, hub=self.hub, config=self.kafka_config)) as hook:
            if self.lake is None:
                return groups_by_number(first_contact(hook, clock, reached_before=False), self.groups)
            waiting = self._waiting(context, hook, clock)
        groups = groups_by_work(waiting, groups=self.groups, messages_per_task=self.messages_per_task)
        self.log.info(
            "%s to read in %s: %s",
            counted(sum(waiting.values()), "message"),
            counted(len(waiting), "hub partition"),
            counted(len(groups), "task"),
        )
        return groups

    def _check(self) -> None:
        from airflow_provider_defender.sources.parameters import parse_start

        check_counts({"groups": self.groups, "messages_per_task": self.messages_per_task}, least=1)
        check_spans({"run_partition_span": self.run_partition_span})
        check_kafka_config(self.kafka_config)
        parse_start(self.start)

    def _waiting(self, context: Mapping[str, Any], hook: EventHubHook, clock: Clock) -> dict[int, int]:
        """The number of messages that this run's mapped tasks would read, by hub partition."""
        from airflow_provider_defender.operators._window import resolve_window
        from airflow_provider_defender.sources.event_hub import EventHub
        from airflow_provider_defender.sources.parameters import parse_start
        from airflow_provider_defender.sources.source import open_log
        from airflow_provider_defender.stores.opening import lake_errors, opened_lake

        window = resolve_window(
            context,
            since=self.since,
            until=self.until,
            by="enqueued",
            run_partition_span=self.run_partition_span,
            now=clock.now(),
            logger=self.log,
        )
        lake = opened_lake(self.lake)
        with lake_errors(self.lake):
            source = EventHub(
                hook=hook, lake=lake, start=parse_start(self.start), clock=clock, logger=self.log
            )
            return source.waiting(window, open_log(source, lake).read_head())
