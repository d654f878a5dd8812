"""The figures of a read of a hub, for the summary, the log and the metrics."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from airflow_provider_defender._plural import counted
from airflow_provider_defender.sources.hub_plan import offset_count

__all__ = ["HubFigures", "HubPartitionFigures", "describe_gap"]

Ranges: TypeAlias = Sequence[tuple[int, int]]

_HOURS_SHOWN = 200


@dataclass(frozen=True)
class HubPartitionFigures:
    """One hub partition of a run.

    Args:
        begin: the offset at which the run began.
        stands: the first unread offset.
        high: the high watermark at the run's start.
        waiting_at_start: the number of messages to read then.
        lag: the number of messages that wait at the end of a live drain; None if unknown.
        oldest_unread: the seconds for which the first of them has waited; None if unknown.
        read: the number of offsets read.
        lost: ranges that were deleted before they were read.
        damaged: ranges that cannot be read.
        lost_before: the number of offsets in `lost` that were gone when the run began.
    """

    begin: int
    stands: int
    high: int
    waiting_at_start: int
    lag: int | None
    oldest_unread: float | None
    read: int
    lost: Ranges = ()
    damaged: Ranges = ()
    lost_before: int = 0

    def as_dict(self) -> dict[str, Any]:
        """The figures as JSON values."""
        return {
            "from": self.begin,
            "to": self.stands,
            "high": self.high,
            "waiting_at_start": self.waiting_at_start,
            "lag": self.lag,
            "oldest_unread": self.oldest_unread,
        }

    def gauges(self) -> dict[str, float | None]:
        """Metrics by name; None if unknown, or without meaning for a backfill."""
        return {
            "waiting_at_start": self.waiting_at_start,
            "lag": self.lag,
            "oldest_unread_seconds": self.oldest_unread,
            "lost": offset_count(self.lost),
            "damaged": offset_count(self.damaged),
        }

    def line(self, number: int) -> str | None:
        """The log line: the offsets read, and those skipped. None if there were none."""
        if self.begin >= self.stands:
            return None
        known = self.stands - self.begin - self.read - self.lost_before
        notes = [
            *([f"{known} offsets known to the lake before"] if known else ()),
            *([f"{self.lost_before} deleted before"] if self.lost_before else ()),
        ]
        done = "read" if self.read else "passed over"
        noted = f" ({', '.join(notes)})" if notes else ""
        return f"Partition {number} {done} from {self.begin} to {self.stands} of {self.high}{noted}"


@dataclass(frozen=True)
class HubFigures:
    """A hub's part of the summary.

    Args:
        namespace: the hub's namespace.
        hub: the hub's name.
        live: whether the run continued from the position.
        messages: the number of messages read.
        bytes: their total size in bytes.
        records: the number of records in them.
        rows: rows landed, by dataset.
        files: the number of files with these rows.
        hours: the hours of these rows, as run partition keys for Airflow.
        duplicates: the number of rows dropped because the exporter had sent them before.
        rejects: the number of records in quarantine.
        hub_partitions: the figures of each hub partition, by number.
        before_oldest: for a window, the hub partitions whose oldest message is later than its start, with
            that message's time (None if unknown).
        unknown_actions: the number of records by table and action type, where the catalogue of action types
            does not know it; the ten most frequent.
        waited_seconds: the seconds in which the hub did not answer.
        throttled_seconds: the seconds by which the hub throttled the read.
    """

    namespace: str
    hub: str
    live: bool
    messages: int
    bytes: int
    records: int
    rows: Mapping[str, int]
    files: int
    hours: Sequence[str]
    duplicates: int
    rejects: int
    hub_partitions: Mapping[int, HubPartitionFigures]
    before_oldest: Mapping[int, datetime | None]
    unknown_actions: Mapping[str, int]
    waited_seconds: float
    throttled_seconds: float

    def as_dict(self) -> dict[str, Any]:
        """The figures as JSON values."""
        partitions = self.hub_partitions.items()
        return {
            "messages": self.messages,
            "bytes": self.bytes,
            "records": self.records,
            "rows": dict(self.rows),
            "files": self.files,
            "hub_partitions": {str(number): each.as_dict() for number, each in partitions},
            "duplicates": self.duplicates,
            "rejects": self.rejects,
            "lost": {str(number): _as_lists(each.lost) for number, each in partitions if each.lost},
            "damaged": {str(number): _as_lists(each.damaged) for number, each in partitions if each.damaged},
            "before_oldest": {
                str(number): moment.isoformat() if moment else None
                for number, moment in self.before_oldest.items()
            },
            "unknown_actions": dict(self.unknown_actions),
        }

    def event_extra(self) -> dict[str, Any]:
        """The hours with new rows: the newest 200."""
        return {"hours": list(self.hours[-_HOURS_SHOWN:])}

    def lines(self) -> Iterator[str]:
        """What was read and landed, then the progress of each hub partition."""
        yield (
            f"{counted(self.messages, 'message')} read, {counted(sum(self.rows.values()), 'row')} landed in "
            f"{counted(self.files, 'file')}, {counted(self.duplicates, 'duplicate')} dropped, "
            f"{counted(self.rejects, 'record')} rejected"
        )
        moved = [line for number, each in self.hub_partitions.items() if (line := each.line(number))]
        yield from moved or ["No partition has moved"]
        if self.unknown_actions:
            yield f"Action types that the catalogue does not know {dict(self.unknown_actions)}"

    def warnings(self) -> Iterator[str]:
        """Hub partitions that no longer have the beginning of the window."""
        for number, oldest in self.before_oldest.items():
            yield (
                f"The window begins before the oldest message of partition {number}, which is of "
                f"{oldest.isoformat() if oldest else 'an unknown time'}."
            )
            yield "Earlier messages have left the hub and can no longer be landed."

    def gauges(self) -> Mapping[str, float]:
        """Metrics by name; hub and hub partition are part of the name, for backends without tags."""
        hub = ".".join(re.sub(r"[^A-Za-z0-9_-]", "_", name) for name in (self.namespace, self.hub))
        return {
            f"defender.event_hub.{name}.{hub}.{number}": value
            for number, each in self.hub_partitions.items()
            for name, value in each.gauges().items()
            if value is not None
        }

    def seconds(self) -> Mapping[str, float]:
        """The seconds in which the hub did not answer, and those by which it throttled the read."""
        return {"waited": self.waited_seconds, "throttled": self.throttled_seconds}

    def states(self) -> Mapping[str, Any]:
        """Where the next live drain of each hub partition begins; empty for a backfill."""
        if not self.live:
            return {}
        return {
            f"partition-{number}": {
                "next": each.stands,
                "lag": each.lag,
                "oldest_unread": each.oldest_unread,
            }
            for number, each in self.hub_partitions.items()
        }


def _as_lists(ranges: Ranges) -> list[list[int]]:
    return [list(each) for each in ranges]


def describe_gap(
    hub: str, lost: Mapping[int, Ranges], damaged: Mapping[int, Ranges], unfinished: Exception | None
) -> str:
    """Describe a gap, one line each: what is lost or damaged, what to do, and what became of the rest."""
    lines = []
    if lost:
        count = sum(map(offset_count, lost.values()))
        lines += [
            f"Hub {hub!r} deleted {counted(count, 'message')} before they were read: "
            f"{_describe_ranges(lost)}.",
            "Run more often, or raise the hub's retention.",
        ]
    if damaged:
        count = sum(map(offset_count, damaged.values()))
        lines += [
            f"Hub {hub!r} has {counted(count, 'message')} that cannot be read: {_describe_ranges(damaged)}.",
            "A warning above says why. Once they can be read, a backfill over their time lands them.",
        ]
    lines.append(
        "All others have landed; the lake's commit names these, and the next run continues."
        if unfinished is None
        else f"The others are not in their places yet: {unfinished}."
    )
    return "\n".join(lines)


def _describe_ranges(ranges: Mapping[int, Ranges]) -> str:
    return ", ".join(
        f"partition {number}: {start} to {end - 1}"
        for number, parts in sorted(ranges.items())
        for start, end in parts
    )
