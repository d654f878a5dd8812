"""All files that count after a commit of a log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from airflow_provider_defender.lake.log.commit import DataFile
from airflow_provider_defender.lake.log.layout import partition_span

__all__ = ["LoggedFile", "Snapshot", "within"]


@dataclass(frozen=True)
class LoggedFile:
    """A file that counts, and the number of the commit that has added it."""

    file: DataFile
    commit: int


@dataclass(frozen=True)
class Snapshot:
    """The files of a log that count after one of its commits.

    Attributes:
        log: the log's name.
        origin: what the log belongs to; empty if it has no commit yet.
        number: the number of the newest commit whose files are all in place; 0 if there is none.
        digest: that commit's chain digest; empty if there is none.
    """

    log: str
    origin: Mapping[str, str]
    number: int
    digest: str
    _files: Mapping[str, LoggedFile]

    def files(
        self, dataset: str | None = None, since: datetime | None = None, until: datetime | None = None
    ) -> Iterator[LoggedFile]:
        """Yield the files of a dataset, in the order in which they were added; None: of all datasets.

        `since`, `until`: only those of partitions that meet this span (UTC, `until` exclusive).
        """
        for each in self._files.values():
            if dataset in (None, each.file.dataset) and within(each.file.partition, since, until):
                yield each

    def datasets(self) -> list[str]:
        """Return the names of the datasets that have files, sorted."""
        return sorted({each.file.dataset for each in self._files.values()})


def within(partition: str, since: datetime | None, until: datetime | None) -> bool:
    """Whether a partition meets a span of time; None: without a bound."""
    start, end = partition_span(partition)
    return (since is None or end > since) and (until is None or start < until)
