"""The figures of a read of a REST source, for the summary and the log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_defender._plural import counted

__all__ = ["RestFigures"]


@dataclass(frozen=True)
class RestFigures:
    """A REST source's part of the summary.

    Args:
        source: the source's name.
        noun: the word for a record, such as `alert`.
        records: the number of records read.
        versions: the number of versions landed.
        rows: the number of rows landed.
        rejects: the number of records in quarantine.
        partitions: files, rows and bytes by partition of the lake.
        watermark_before: the watermark at the start, as the API writes it; None without one.
        watermark_after: the watermark now, likewise.
        filter_warnings: warnings about filters that may be misspelt.
    """

    source: str
    noun: str
    records: int
    versions: int
    rows: int
    rejects: int
    partitions: Mapping[str, Mapping[str, int]]
    watermark_before: str | None
    watermark_after: str | None
    filter_warnings: Sequence[str] = ()

    @property
    def files(self) -> int:
        """The number of files with the rows."""
        return sum(each["files"] for each in self.partitions.values())

    def as_dict(self) -> dict[str, Any]:
        """The figures as JSON values."""
        return {
            "source": self.source,
            "records": self.records,
            "versions": self.versions,
            "rows": self.rows,
            "files": self.files,
            "partitions": {name: dict(each) for name, each in self.partitions.items()},
            "rejects": self.rejects,
            "watermark_before": self.watermark_before,
            "watermark_after": self.watermark_after,
        }

    def event_extra(self) -> dict[str, Any]:
        """Nothing more."""
        return {}

    def lines(self) -> Iterator[str]:
        """What was read and landed, and the watermark."""
        yield (
            f"{counted(self.records, self.noun)} read, {counted(self.versions, 'version')} landed as "
            f"{counted(self.rows, 'row')} in {counted(self.files, 'file')}, "
            f"{counted(self.rejects, 'record')} rejected"
        )
        yield f"The watermark is {self.watermark_after or 'not set yet'}"

    def warnings(self) -> Iterator[str]:
        """Filters that may be misspelt."""
        yield from self.filter_warnings

    def gauges(self) -> Mapping[str, float]:
        """None."""
        return {}

    def seconds(self) -> Mapping[str, float]:
        """None."""
        return {}

    def states(self) -> Mapping[str, Any]:
        """The watermark, once there is one; named after the source, as two of them can share an asset."""
        return {} if self.watermark_after is None else {f"{self.source}-watermark": self.watermark_after}
