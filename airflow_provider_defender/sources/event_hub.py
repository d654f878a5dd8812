"""The source for messages of an event hub, known by hub partition and offset: reading, position, backlog."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, cast

import pyarrow as pa

from airflow_provider_defender import ecs
from airflow_provider_defender._plural import counted
from airflow_provider_defender.clock import Clock
from airflow_provider_defender.exceptions import (
    DefenderError,
    MessagesDamaged,
    MessagesLost,
    StopAndLook,
    TryAgain,
)
from airflow_provider_defender.hooks import LARGEST_MESSAGE, EventHubHook, MessageBatch
from airflow_provider_defender.lake import Covered, Lake, OffsetsChange, OffsetsLedger, OffsetsPosition
from airflow_provider_defender.sources.commits import rows_by_dataset, run_partition_keys
from airflow_provider_defender.sources.hub_figures import HubFigures, HubPartitionFigures, describe_gap
from airflow_provider_defender.sources.hub_plan import HubPartitionPlan, HubPlanner, offset_count
from airflow_provider_defender.sources.parameters import Start
from airflow_provider_defender.sources.source import Backlog, Batch, Limits, MapperSettings, Result, open_log
from airflow_provider_defender.sources.window import Window

if TYPE_CHECKING:
    from collections.abc import Generator
    from logging import Logger

    from structlog.typing import FilteringBoundLogger

    from airflow_provider_defender.lake import Commit, Head

__all__ = ["EventHub", "HubRead"]

_LAST_QUESTION_SECONDS = 10.0
_ACTIONS_SHOWN = 10


@dataclass(frozen=True, kw_only=True)
class EventHub:
    """The messages of one hub.

    Args:
        hook: the hook that reads the hub.
        lake: the lake in which the hub lands. Its log shows when the first drain began, its datasets show the
            tables without a mapping.
        hub_partitions: numbers of the hub partitions to read; None: all that the hub has when the run starts.
        start: where the first drain of a hub partition begins; not used once the lake has a position.
        drop_duplicates: whether to drop rows that the exporter has sent twice.
        clock: source of the current time.
        logger: logger of the read.
    """

    name: ClassVar[str] = "event_hub"
    folder: ClassVar[str] = "events"
    position: ClassVar[type[OffsetsPosition]] = OffsetsPosition

    hook: EventHubHook
    lake: Lake
    hub_partitions: Sequence[int] | None = None
    start: Start = "earliest"
    drop_duplicates: bool = True
    clock: Clock = field(default_factory=Clock)
    logger: Logger | FilteringBoundLogger = field(default_factory=lambda: logging.getLogger(__name__))

    def log_name(self) -> str:
        """`event_hub-<namespace>-<hub>`, as the hook spells it."""
        return self.hook.log_name

    def origin(self) -> Mapping[str, str]:
        """Namespace and hub, as the hook spells them."""
        return self.hook.log_origin

    def mapper(self, settings: MapperSettings) -> ecs.Mapper:
        """A mapper for all tables of a hub."""
        return ecs.EventMapper(
            ingested=settings.ingested,
            log=settings.log,
            keep_original=settings.keep_original,
            drop_duplicates=self.drop_duplicates,
            unknown_tables=self._unknown_tables(),
        )

    def _unknown_tables(self) -> list[str]:
        """Names of the lake's tables without a mapping, whose number is limited."""
        landed = {dataset.partition("/")[2] for dataset in self.lake.datasets(self.folder)}
        return sorted(landed - set(ecs.known_event_tables()))

    def read(self, window: Window, head: Head[OffsetsPosition], limits: Limits) -> HubRead:
        """Begin a read of `window`. Asks the hub at once which offsets there are to read.

        Raises:
            PositionAhead: this is not the hub that was read before. Also what the hook raises.
        """
        self.logger.info("Hub %s of %s, %s", self.hook.hub, self.hook.namespace, window)
        plans, before = self._plans(window, head)
        return HubRead(self, window, head, limits, plans=plans, before_oldest=before)

    def _plans(
        self, window: Window, head: Head[OffsetsPosition]
    ) -> tuple[dict[int, HubPartitionPlan], Mapping[int, datetime | None]]:
        """What a read covers, and the hub partitions that may have lost a part of its window."""
        planner = self._planner(head)
        if window.bounds is not None:
            return planner.window(*window.bounds)
        return planner.live(self.start, self._first_drain), {}

    def waiting(self, window: Window, head: Head[OffsetsPosition]) -> dict[int, int]:
        """The number of messages that a read of `window` would read, by hub partition.

        Raises as `read` does.
        """
        plans, _ = self._plans(window, head)
        return {number: offset_count(plan.ranges) for number, plan in plans.items()}

    def backlog(self, head: Head[OffsetsPosition]) -> Backlog:
        """The backlog that the next live drain would read. Raises as `read` does."""
        plans = self._planner(head).live(self.start, self._first_drain)
        waiting = sum(offset_count(plan.ranges) for plan in plans.values())
        lost = sum(offset_count(plan.lost) for plan in plans.values())
        return Backlog(
            waiting=waiting > 0 or lost > 0,
            count=waiting,
            lost=lost,
            unstarted=self.start == "latest" and None in map(head.position.next, plans),
            ask_age=lambda: self._oldest_age(plans),
        )

    def _planner(self, head: Head[OffsetsPosition]) -> HubPlanner:
        return HubPlanner(self.hook, head.position, self.hub_partitions, self.clock)

    def _first_drain(self) -> datetime | None:
        """When the first live drain of the log began, by its commit; None before that."""
        commits = open_log(self, self.lake).commits(whole=False)
        return next((commit.started_at for commit in commits if commit.kind == "drain"), None)

    def _oldest_age(self, plans: Mapping[int, HubPartitionPlan]) -> timedelta | None:
        first = {number: plan.ranges[0][0] for number, plan in plans.items() if plan.ranges}
        moments = [moment for moment in self.hook.enqueued_at(first).values() if moment is not None]
        return self.clock.now() - min(moments) if moments else None


class HubRead:
    """One read of a hub. All ranges are `(start, end)` of offsets, the end exclusive, by hub partition.

    Attributes:
        plans: what it covers.
        before_oldest: for a window, the hub partitions that may have lost a part of it, with the time of
            their oldest message (None if unknown).
        lost: ranges that the hub deleted before they were read.
        damaged: ranges that the hub still has but that cannot be read.
        reached: the offset below which each hub partition has been read.
        highs: the high watermarks after all had landed.
        oldest_unread: the seconds for which the first unread message has waited.
    """

    def __init__(
        self,
        source: EventHub,
        window: Window,
        head: Head[OffsetsPosition],
        limits: Limits,
        *,
        plans: dict[int, HubPartitionPlan],
        before_oldest: Mapping[int, datetime | None] | None = None,
    ) -> None:
        self.plans = plans
        self.before_oldest = dict(before_oldest or {})
        self.lost = {number: list(plan.lost) for number, plan in plans.items() if plan.lost}
        self.damaged: dict[int, list[tuple[int, int]]] = {}
        self.reached: dict[int, int] = {}
        self.messages = 0
        self.bytes = 0
        self.interruption: DefenderError | None = None
        self.highs: Mapping[int, int] = {}
        self.oldest_unread: Mapping[int, float] = {}
        self._source = source
        self._window = window
        self._head = head
        self._limits = limits

    @property
    def live(self) -> bool:
        """Whether it continues from the position and advances it."""
        return self._window.incremental

    @property
    def kind(self) -> str:
        """`drain` for a live read, else `backfill`."""
        return "drain" if self.live else "backfill"

    @property
    def window(self) -> Mapping[str, Any]:
        """The run's window."""
        return self._window.describe()

    @property
    def ledger(self) -> OffsetsLedger:
        """A new ledger of the landed offsets."""
        return OffsetsLedger()

    @property
    def complete(self) -> bool:
        """Whether everything planned was read."""
        return all(self.stands(number) == plan.end for number, plan in self.plans.items())

    def gap(self, result: Result) -> DefenderError | None:
        """The error for messages that were lost or are damaged, with what to do; None without any."""
        if not (self.lost or self.damaged):
            return None
        error = MessagesLost if self.lost else MessagesDamaged
        return error(describe_gap(self._source.hook.hub, self.lost, self.damaged, result.unfinished))

    def stands(self, number: int) -> int:
        """The first unread offset of a hub partition."""
        return self.plans[number].first_unread(self.reached.get(number))

    def lag(self, number: int) -> int | None:
        """The number of messages of a hub partition that wait after it; None if unknown."""
        high = self.highs.get(number)
        return None if high is None else max(0, high - self.stands(number))

    # Reading --------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Batch]:
        """Yield batch after batch. See `Read`."""
        ranges = {number: list(plan.ranges) for number, plan in self.plans.items() if plan.ranges}
        if not ranges:
            return
        batches = self._source.hook.batches(
            ranges,
            max_messages=self._limits.max_messages,
            max_bytes=self._limits.max_bytes,
            max_duration=self._limits.time.left,
        )
        with closing(cast("Generator[MessageBatch]", batches)):
            while (given := self._next(batches)) is not None:
                self.note(given)
                batch = self._batch(given)
                del given  # or two would be held while the next one comes
                yield batch
                del batch

    def _next(self, batches: Iterator[MessageBatch]) -> MessageBatch | None:
        try:
            return next(batches, None)
        except DefenderError as error:
            if not self.reached:
                raise
            self.interruption = error
            return None

    def note(self, batch: MessageBatch) -> None:
        """Update the counters and the progress with a batch."""
        self.messages += len(batch.values) + len(batch.oversized)
        self.bytes += batch.bytes + sum(each.size for each in batch.oversized)
        for number, start, end in batch.lost:
            plan = self.plans[number]
            if plan.fresh and number not in self.reached and plan.first_unread(None) >= start:
                # Retention moved on after the plan was made: no run was meant to read what is gone.
                self.plans[number] = plan.beginning_at(end)
            else:
                _add(plan.within(start, end), self.lost.setdefault(number, []))
        for number, start, end in batch.damaged:
            _add(self.plans[number].within(start, end), self.damaged.setdefault(number, []))
        self.reached.update(batch.reached)

    def _batch(self, given: MessageBatch) -> Batch:
        return Batch(
            records=given.values,
            origins=self._origins(given),
            rejects=self._rejects(given) if given.oversized else None,
        )

    def _origins(self, batch: MessageBatch) -> pa.Table:
        """The origin of each message, parallel to the batch's values."""
        count, hook = len(batch.offsets), self._source.hook
        enqueued = pa.array([moment if moment >= 0 else None for moment in batch.enqueued], pa.int64())
        return pa.table(
            {
                "namespace": pa.repeat(pa.scalar(hook.namespace), count),
                "hub": pa.repeat(pa.scalar(hook.hub), count),
                "partition": pa.array(batch.partitions, pa.int32()),
                "offset": pa.array(batch.offsets, pa.int64()),
                "enqueued": enqueued.cast(pa.timestamp("ms", "UTC")).cast(pa.timestamp("us", "UTC")),
                "tenant": pa.repeat(pa.scalar(hook.tenant_id, pa.string()), count),
            }
        )

    def _rejects(self, batch: MessageBatch) -> pa.Table:
        """Rejects for messages that are too large to be read."""
        messages = batch.oversized
        places = MessageBatch(
            partitions=[each.partition for each in messages],
            offsets=[each.offset for each in messages],
            enqueued=[each.enqueued for each in messages],
        )
        errors = [
            f"the message has {each.size:,} bytes, and at most {LARGEST_MESSAGE:,} are taken; SHA-256 of its "
            f"value: {each.sha256}"
            for each in messages
        ]
        for each, error in zip(messages, errors, strict=True):
            self._source.logger.warning(
                "Partition %d, offset %d goes to quarantine without its content:\n%s",
                each.partition,
                each.offset,
                error,
            )
        return ecs.unread_messages(errors, [each.sha256 for each in messages], self._origins(places))

    def progress(self) -> str:
        """The messages read so far, and how many are still to come."""
        left = sum(plan.end - self.stands(number) for number, plan in self.plans.items())
        read = f"{counted(self.messages, 'message')} ({self.bytes / 1e6:.0f} MB)"
        return f"{read} read, {counted(left, 'message')} still to come"

    # Afterwards -----------------------------------------------------------------------------------

    def change(self, result: Result) -> OffsetsChange:
        """The change of the position; hub partitions of which nothing was read are left out."""
        covered = {number: each for number in self.plans if (each := self._covered(number)) is not None}
        return OffsetsChange(covered, counts={"read": self.messages, "duplicates": result.duplicates})

    def _covered(self, number: int) -> Covered | None:
        lost, damaged = self.lost.get(number, []), self.damaged.get(number, [])
        read = self.plans[number].read_below(self.reached.get(number), [*lost, *damaged])
        following = self.stands(number) if self.live else None
        if not (read or lost or damaged) and following in (None, self._head.position.next(number)):
            return None
        return Covered(read=read, next=following, lost=lost, damaged=damaged)

    def settle(self) -> None:
        """Ask the hub what waits now. All has landed, so a failure is only a warning."""
        if not self.live or self.interruption is not None:
            return
        hook = self._source.hook
        try:
            marks = hook.watermarks(sorted(self.plans), seconds=_LAST_QUESTION_SECONDS)
            self.highs = {number: each.high for number, each in marks.items()}
            waiting = {number: self.stands(number) for number in marks if self.lag(number)}
            times = hook.enqueued_at(waiting, seconds=_LAST_QUESTION_SECONDS) if waiting else {}
        except Exception as error:  # whatever it is, the run succeeded
            self._source.logger.warning("What waits in hub %s now is not known:\n%s", hook.hub, error)
            return
        now = self._source.clock.now()
        self.oldest_unread = {
            number: max(0.0, round((now - moment).total_seconds(), 1))
            for number, moment in times.items()
            if moment is not None
        }

    def shortfall(self, commit: Commit[Any] | None) -> DefenderError | None:
        """The error for a run whose time limit kept it from reading anything, or for an incomplete window."""
        if self.complete:
            return None
        if commit is None:
            return StopAndLook(
                f"max_duration={self._limits.time.limit} was over before the first message came, so runs "
                "like this one never get further. Raise max_duration."
            )
        if not self.live:
            return TryAgain(
                "A limit (max_messages, max_bytes, max_duration) ended this window before all of it was "
                "read. What was read has landed; a retry lands what is missing."
            )
        self._source.logger.info(
            "A limit ended the drain. What was read has landed, and the next run continues."
        )
        return None

    def figures(self, result: Result) -> HubFigures:
        """Messages, rows by dataset, and each hub partition."""
        hook, commit = self._source.hook, result.commit
        return HubFigures(
            namespace=hook.namespace,
            hub=hook.hub,
            live=self.live,
            messages=self.messages,
            bytes=self.bytes,
            records=result.rows.total() + result.duplicates + result.rejects,
            rows=rows_by_dataset(commit),
            files=0 if commit is None else len(commit.added),
            hours=run_partition_keys(commit),
            duplicates=result.duplicates,
            rejects=0 if commit is None else commit.counts["rejected"],
            hub_partitions={number: self._partition_figures(number) for number in sorted(self.plans)},
            before_oldest=self.before_oldest,
            unknown_actions=dict(result.unknown_actions.most_common(_ACTIONS_SHOWN)),
            waited_seconds=hook.waited_seconds,
            throttled_seconds=hook.throttled_seconds,
        )

    def _partition_figures(self, number: int) -> HubPartitionFigures:
        plan, stands = self.plans[number], self.stands(number)
        return HubPartitionFigures(
            begin=plan.begin,
            stands=stands,
            high=plan.high,
            waiting_at_start=offset_count(plan.ranges),
            lag=self.lag(number) if self.live else None,
            oldest_unread=self.oldest_unread.get(number),
            read=offset_count(plan.within(plan.begin, stands)),
            lost=tuple(self.lost.get(number, ())),
            damaged=tuple(self.damaged.get(number, ())),
            lost_before=offset_count(plan.lost),
        )


def _add(parts: Iterable[tuple[int, int]], ranges: list[tuple[int, int]]) -> None:
    """Append ranges in order; adjacent ranges become one."""
    for start, end in parts:
        touches = bool(ranges) and ranges[-1][1] == start
        ranges.append((ranges.pop()[0] if touches else start, end))
