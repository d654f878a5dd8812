"""One bounded read of a hub into the lake: messages → ECS tables → staged files → one commit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Literal, cast

import pyarrow as pa

from airflow_provider_defender import ecs
from airflow_provider_defender._plural import counted
from airflow_provider_defender.exceptions import DefenderError
from airflow_provider_defender.hooks._kafka_batches import LARGEST_MESSAGE, MessageBatch
from airflow_provider_defender.lake import CommitStateUnknown, Covered, HubChange, LakeError, NotShown
from airflow_provider_defender.operators._hub_plan import PartitionPlan, live_plans, window_plans

if TYPE_CHECKING:
    from collections.abc import Generator
    from logging import Logger

    from structlog.typing import FilteringBoundLogger

    from airflow_provider_defender.ecs import MappedRecords
    from airflow_provider_defender.hooks import EventHubHook
    from airflow_provider_defender.hooks._kafka_batches import OversizedMessage
    from airflow_provider_defender.lake import Head, HubDraft, HubPosition, Lake, Log, Record
    from airflow_provider_defender.operators._timing import DrainClock
    from airflow_provider_defender.operators._window import Window

__all__ = ["HubDrain", "HubResult"]


_LAST_QUESTION_SECONDS = 10.0


@dataclass
class HubResult:
    """What a drain did, in numbers; `seconds` by stage.

    `plans`: what it was to read, by partition. `before_oldest`: for a window, the partitions that may have
    lost a part of it, with the time of their oldest message. `lost`: ranges that the hub deleted before they
    were read. `damaged`: ranges that it still has, but that cannot be read. `reached`: the offset below which
    each partition is read. `unfinished`: why nobody knows yet whether the commit counts, or why its files are
    not all in their places, where messages were lost or damaged. `highs`: the high watermarks once all had
    landed; `oldest_unread`: for how many seconds the first message that is still to be read has been there.
    """

    plans: dict[int, PartitionPlan]
    before_oldest: Mapping[int, datetime | None] = field(default_factory=dict)
    lost: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    damaged: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    reached: dict[int, int] = field(default_factory=dict)
    messages: int = 0
    bytes: int = 0
    rows: Counter[str] = field(default_factory=Counter)
    rejects: int = 0
    repeats: int = 0
    unfit_values: Counter[str] = field(default_factory=Counter)
    unknown_fields: Counter[str] = field(default_factory=Counter)
    interruption: DefenderError | None = None
    unfinished: LakeError | None = None
    highs: Mapping[int, int] = field(default_factory=dict)
    oldest_unread: Mapping[int, float] = field(default_factory=dict)
    record: Record[HubPosition] | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether everything was read that the drain was to read."""
        return all(self.stands(partition) == plan.end for partition, plan in self.plans.items())

    def stands(self, partition: int) -> int:
        """The first offset of a partition that is still to be read."""
        return self.plans[partition].first_unread(self.reached.get(partition))

    def lag(self, partition: int) -> int | None:
        """How many messages wait now that the drain is over; None where the hub could not be asked."""
        high = self.highs.get(partition)
        return None if high is None else max(0, high - self.stands(partition))

    def change(self, position: HubPosition, *, live: bool) -> HubChange:
        """What the lake's position gains by this drain; partitions of which it read nothing are left out."""
        partitions = {}
        for partition, plan in self.plans.items():
            lost, damaged = self.lost.get(partition, []), self.damaged.get(partition, [])
            read = plan.read_below(self.reached.get(partition), [*lost, *damaged])
            following = self.stands(partition) if live else None
            if read or lost or damaged or following not in (None, position.next(partition)):
                partitions[partition] = Covered(read=read, next=following, lost=lost, damaged=damaged)
        return HubChange(partitions, counts={"read": self.messages, "repeats": self.repeats})


@dataclass
class HubDrain:
    """Read one window of a hub, or what came since the last drain, and land it.

    `partitions`, `start`, `max_records`, `max_bytes`, `drop_repeats` and `keep_original` are the operator's.
    `clock` says when to end the reading. `started` (UTC) becomes `event.ingested`.
    """

    hook: EventHubHook
    lake: Lake
    log: Log[HubPosition]
    window: Window
    partitions: Sequence[int] | None
    start: Literal["earliest", "latest"] | datetime
    max_records: int | None
    max_bytes: int | None
    clock: DrainClock
    drop_repeats: bool
    keep_original: bool
    started: datetime
    logger: Logger | FilteringBoundLogger

    def run(self, head: Head[HubPosition]) -> HubResult:
        """Drain, commit, and return what was done.

        Where the hub fails in the middle, what was read until then is committed; the error is in the
        result's `interruption`, for the caller to raise. A commit that may count is in `unfinished` if
        messages were lost: the next run goes on behind the gap, so this one has to tell of it.

        Raises:
            LakeError: the commit did not succeed; nothing has landed (its subclasses say more).
            DefenderError: reading failed before the first message; PositionAhead: this is another hub.
        """
        result = self._planned(head)
        with self.log.begin(
            head, kind="drain" if self.window.incremental else "backfill", window=self.window.describe()
        ) as draft:
            self._drain(draft, result)
            with self.clock.committing(self.logger, rows=result.rows.total()):
                self._commit(draft, result, head.position)
        if self.window.incremental and result.interruption is None and result.unfinished is None:
            self._look_at_rest(result)
        return result

    def _look_at_rest(self, result: HubResult) -> None:
        """Ask the hub what waits by now. All has landed, so a question that fails is only a warning."""
        try:
            marks = self.hook.watermarks(sorted(result.plans), seconds=_LAST_QUESTION_SECONDS)
            result.highs = {partition: each.high for partition, each in marks.items()}
            waiting = {partition: result.stands(partition) for partition in marks if result.lag(partition)}
            times = self.hook.enqueued_at(waiting, seconds=_LAST_QUESTION_SECONDS) if waiting else {}
        except Exception as error:
            self.logger.warning("What waits in hub %s now is not known:\n%s", self.hook.hub, error)
            return
        now = datetime.now(timezone.utc)
        result.oldest_unread = {
            partition: max(0.0, round((now - moment).total_seconds(), 1))
            for partition, moment in times.items()
            if moment is not None
        }

    def _commit(self, draft: HubDraft, result: HubResult, position: HubPosition) -> None:
        try:
            result.record = draft.commit(result.change(position, live=self.window.incremental))
        except (NotShown, CommitStateUnknown) as error:
            if not (result.lost or result.damaged):
                raise
            result.unfinished = error
            result.record = error.record if isinstance(error, NotShown) else None

    # Planning -------------------------------------------------------------------------------------

    def _planned(self, head: Head[HubPosition]) -> HubResult:
        """What to read, and what is known to be lost before the first message."""
        if self.window.bounds is not None:
            plans, before = window_plans(self.hook, head.position, self.partitions, *self.window.bounds)
            return HubResult(plans, before, seconds=self.clock.seconds)
        plans = live_plans(self.hook, self.log, head.position, self.partitions, self.start)
        lost = {partition: list(plan.lost) for partition, plan in plans.items() if plan.lost}
        return HubResult(plans, lost=lost, seconds=self.clock.seconds)

    # Reading --------------------------------------------------------------------------------------

    def _drain(self, draft: HubDraft, result: HubResult) -> None:
        """Stage everything that can be read; note how far that went."""
        mapper = ecs.EventMapper(
            ingested=self.started,
            log=self.log.name,
            keep_original=self.keep_original,
            drop_repeats=self.drop_repeats,
            unknown_tables=self._unknown_tables(),
        )
        for batch in self._batches(result):
            self._land(mapper.map(batch.values, self._origins(batch)), draft, result)
            if batch.oversized:
                self._reject(batch.oversized, draft, result)
            _note(batch, result)
            self._report(result)
            del batch  # or two would be held while the next one comes
        self._land(mapper.finish(), draft, result)

    def _batches(self, result: HubResult) -> Iterator[MessageBatch]:
        ranges = {partition: list(plan.ranges) for partition, plan in result.plans.items() if plan.ranges}
        if not ranges:
            return
        batches = self.hook.batches(
            ranges,
            max_records=self.max_records,
            max_bytes=self.max_bytes,
            max_duration=self.clock.left,
        )
        with closing(cast("Generator[MessageBatch]", batches)):
            while True:
                try:
                    with self.clock.stage("reading"):
                        batch = next(batches, None)
                except DefenderError as error:
                    if not result.reached:
                        raise
                    result.interruption = error
                    return
                if batch is None:
                    return
                yield batch
                del batch

    def _origins(self, batch: MessageBatch) -> pa.Table:
        """Where each message comes from, beside the batch's values."""
        count = len(batch.offsets)
        enqueued = pa.array([moment if moment >= 0 else None for moment in batch.enqueued], pa.int64())
        return pa.table(
            {
                "namespace": pa.repeat(pa.scalar(self.hook.namespace), count),
                "hub": pa.repeat(pa.scalar(self.hook.hub), count),
                "partition": pa.array(batch.partitions, pa.int32()),
                "offset": pa.array(batch.offsets, pa.int64()),
                "enqueued": enqueued.cast(pa.timestamp("ms", "UTC")).cast(pa.timestamp("us", "UTC")),
                "tenant": pa.repeat(pa.scalar(self.hook.tenant_id, pa.string()), count),
            }
        )

    def _unknown_tables(self) -> list[str]:
        """Names of the tables in the lake that the mapping does not know: their number is limited."""
        landed = {dataset.partition("/")[2] for dataset in self.lake.datasets("events")}
        return sorted(landed - set(ecs.known_event_tables()))

    # Landing --------------------------------------------------------------------------------------

    def _land(self, parts: Iterator[MappedRecords], draft: HubDraft, result: HubResult) -> None:
        while True:
            with self.clock.stage("mapping"):
                part = next(parts, None)
            if part is None:
                return
            result.repeats += part.repeats
            result.unfit_values.update(part.unfit_values)
            result.unknown_fields.update(part.unknown_fields)
            with self.clock.stage("landing"):
                for dataset, table in part.tables.items():
                    result.rows[dataset] += table.num_rows
                    draft.write(dataset, table)
                if part.rejects.num_rows:
                    result.rejects += part.rejects.num_rows
                    draft.quarantine(part.rejects)
            del part

    def _reject(self, messages: Sequence[OversizedMessage], draft: HubDraft, result: HubResult) -> None:
        """Put what can be said of messages that are too large into quarantine."""
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
        digests = [each.sha256 for each in messages]
        rejects = ecs.unread_messages(errors, digests, self._origins(places))
        result.rejects += rejects.num_rows
        draft.quarantine(rejects)
        for each, error in zip(messages, errors, strict=True):
            self.logger.warning(
                "Partition %d, offset %d goes to quarantine without its content:\n%s",
                each.partition,
                each.offset,
                error,
            )

    def _report(self, result: HubResult) -> None:
        if not self.clock.report_is_due():
            return
        self.logger.info(
            "%.0f s: %s (%.0f MB) read, %s staged, %d rejected; %s still to come",
            self.clock.elapsed,
            counted(result.messages, "message"),
            result.bytes / 1e6,
            counted(result.rows.total(), "row"),
            result.rejects,
            counted(
                sum(plan.end - result.stands(partition) for partition, plan in result.plans.items()),
                "message",
            ),
        )


def _note(batch: MessageBatch, result: HubResult) -> None:
    """Remember how far a batch goes, once all of it is with the mapper."""
    result.messages += len(batch.values) + len(batch.oversized)
    result.bytes += batch.bytes + sum(each.size for each in batch.oversized)
    for partition, start, end in batch.lost:
        plan = result.plans[partition]
        if plan.fresh and partition not in result.reached and plan.first_unread(None) >= start:
            # Retention moved on since the first message was asked for: no drain was to read what is gone.
            result.plans[partition] = plan.beginning_at(end)
        else:
            _add(plan.within(start, end), result.lost.setdefault(partition, []))
    for partition, start, end in batch.damaged:
        _add(result.plans[partition].within(start, end), result.damaged.setdefault(partition, []))
    result.reached.update(batch.reached)


def _add(parts: Iterable[tuple[int, int]], ranges: list[tuple[int, int]]) -> None:
    """Add ranges behind those that are there; those that touch become one."""
    for start, end in parts:
        if ranges and ranges[-1][1] == start:
            start = ranges.pop()[0]
        ranges.append((start, end))
