"""The summary of a run, from which XCom, the asset event, metrics and log lines are made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from airflow_provider_defender.sources.commits import run_partition_keys
from airflow_provider_defender.sources.source import Figures

if TYPE_CHECKING:
    from airflow_provider_defender.ingest.stages import Stages
    from airflow_provider_defender.sources.source import Read, Result

__all__ = ["Summary", "summarize"]

_STAGES = ("reading", "mapping", "landing", "committing")
_NAMES_SHOWN = 20
_NOT_IN_EVENTS = frozenset(
    {"bytes", "before_oldest", "type_mismatches", "unmapped_fields", "unknown_actions", "seconds"}
)


F = TypeVar("F", bound=Figures)


@dataclass(frozen=True)
class Summary(Generic[F]):
    """The summary of one run.

    Args:
        window: what it was to read.
        source: the figures of its source (`RestFigures`, `HubFigures`).
        type_mismatches: the number of values that did not fit their column and went to `unmapped`, by column;
            the 20 most frequent.
        unmapped_fields: the number of values without a column that went to `unmapped`, by name; likewise.
        commit: the number of the commit; None if there was nothing to commit.
        digest: the commit's chain digest, which `lake.verify` takes: noted here, outside the lake, it proves
            later that nothing up to this commit was changed.
        log: the name of the log that has the commit.
        run_partitions: the days or hours with new rows, as run partition keys for Airflow.
        complete: whether everything was read that was to be read.
        seconds: seconds by stage for which the run was busy with it or waited for it, then those in which the
            source did not answer or throttled. A source that reads ahead may have spent these beside others.
    """

    window: Mapping[str, Any]
    source: F
    type_mismatches: Mapping[str, int]
    unmapped_fields: Mapping[str, int]
    commit: int | None
    digest: str | None
    log: str | None
    run_partitions: Sequence[str]
    complete: bool
    seconds: Mapping[str, float]

    def as_dict(self) -> dict[str, Any]:
        """The summary as JSON values, for XCom."""
        return {
            "window": dict(self.window),
            **self.source.as_dict(),
            "type_mismatches": dict(self.type_mismatches),
            "unmapped_fields": dict(self.unmapped_fields),
            "commit": self.commit,
            "digest": self.digest,
            "complete": self.complete,
            "seconds": {name: round(each, 3) for name, each in self.seconds.items()},
        }

    def event_extra(self) -> dict[str, Any]:
        """The values of the asset event, also if nothing has landed."""
        values = self.as_dict().items()
        shown = {name: value for name, value in values if name not in _NOT_IN_EVENTS}
        return {**shown, **self.source.event_extra()}

    def gauges(self) -> Mapping[str, float]:
        """Metrics by name."""
        return self.source.gauges()

    def lines(self) -> Iterator[str]:
        """The log lines."""
        yield from self.source.lines()
        if self.commit is not None:
            yield f"Commit {self.commit} of {self.log}"
            yield f"Chain digest: {self.digest}"
        stages = [f"{name} {each:.1f} s" for name, each in self.seconds.items() if each]
        yield f"Time: {', '.join(stages) or 'none'}"
        if self.type_mismatches:
            yield f"Kept in `unmapped`: values that did not fit their column {dict(self.type_mismatches)}"
        if self.unmapped_fields:
            yield f"Kept in `unmapped`: properties without a column {dict(self.unmapped_fields)}"

    def warnings(self) -> Iterator[str]:
        """The warnings for the log."""
        yield from self.source.warnings()


def summarize(read: Read[Any, F], result: Result, window: Mapping[str, Any], stages: Stages) -> Summary[F]:
    """Make the summary of a finished run."""
    figures, commit = read.figures(result), result.commit
    seconds = {name: stages.clock.seconds.get(name, 0.0) for name in _STAGES}
    return Summary(
        window=window,
        source=figures,
        type_mismatches=_most(result.type_mismatches),
        unmapped_fields=_most(result.unmapped_fields),
        commit=None if commit is None else commit.number,
        digest=None if commit is None else commit.digest,
        log=None if commit is None else commit.log,
        run_partitions=run_partition_keys(commit),
        complete=read.complete,
        seconds={**seconds, **figures.seconds()},
    )


def _most(counts: Counter[str]) -> dict[str, int]:
    return dict(counts.most_common(_NAMES_SHOWN))
