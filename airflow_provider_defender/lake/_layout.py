"""Names and places in a lake: every path here is relative to its root, with `/` between the parts.

::

    alerts/date=2026-11-22/<log>-<token>-<n>.parquet
    events/DeviceProcessEvents/date=2026-11-22/hour=13/<log>-<token>-<n>.parquet
    _defender/<log>/commits/00000042.json
    _defender/<log>/head.json
    _defender/<log>/staging/<token>/<n>.staged
    _defender/<log>/quarantine/date=2026-11-22/<log>-<token>-<n>.parquet
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

__all__ = [
    "HIDDEN",
    "LogPaths",
    "check_dataset",
    "has_hours",
    "is_dataset",
    "is_log_name",
    "new_token",
    "partition_span",
]

HIDDEN = "_defender"
_LOG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}", re.ASCII)
_DATASET = re.compile(r"[A-Za-z][A-Za-z0-9_]*(/[A-Za-z][A-Za-z0-9_]*)?", re.ASCII)
_RECORD = re.compile(r"(\d{8,})\.json", re.ASCII)
_PARTITION = re.compile(r"/date=(\d{4}-\d\d-\d\d)(?:/hour=(\d\d))?/[^/]+\Z", re.ASCII)


def check_dataset(dataset: str) -> str:
    """`dataset` itself, or `ValueError` where it is no safe folder such as `alerts` or `events/Table`."""
    if not is_dataset(dataset):
        raise ValueError(f"{dataset!r} is not a dataset name such as 'alerts' or 'events/DeviceInfo'")
    return dataset


def is_dataset(name: str) -> bool:
    """Whether a dataset can have this name."""
    return _DATASET.fullmatch(name) is not None


def is_log_name(name: str) -> bool:
    """Whether a log can have this name; a lake's folders can hold files of other programs."""
    return _LOG.fullmatch(name) is not None


def has_hours(dataset: str) -> bool:
    """Whether the dataset's partitions are by hour: events are, alerts and incidents are by date only."""
    return dataset.startswith("events/")


def new_token() -> str:
    """A name for one commit that no other commit has: 16 hexadecimal digits."""
    return secrets.token_hex(8)


def partition_span(path: str) -> tuple[datetime, datetime]:
    """First moment (inclusive) and last (exclusive) of the partition that a data file lies in, in UTC."""
    match = _PARTITION.search(path)
    if match is None:
        raise ValueError(f"{path!r} lies in no partition")
    start = datetime.strptime(match[1], "%Y-%m-%d").replace(tzinfo=timezone.utc)
    if match[2] is None:
        return start, start + timedelta(days=1)
    start += timedelta(hours=int(match[2]))
    return start, start + timedelta(hours=1)


@dataclass(frozen=True)
class LogPaths:
    """The places that belong to one log."""

    log: str

    def __post_init__(self) -> None:
        if not is_log_name(self.log):
            raise ValueError(f"{self.log!r} cannot name a log: letters, digits, '.', '_' and '-' can")

    @property
    def home(self) -> str:
        """The folder of everything that readers of data do not see."""
        return f"{HIDDEN}/{self.log}"

    @property
    def commits(self) -> str:
        """The folder of the records."""
        return f"{self.home}/commits"

    @property
    def head(self) -> str:
        """The hint where the newest record is."""
        return f"{self.home}/head.json"

    @property
    def all_staging(self) -> str:
        """The folder of the staging folders."""
        return f"{self.home}/staging"

    @property
    def quarantine(self) -> str:
        """The folder of the quarantine's partitions."""
        return f"{self.home}/quarantine"

    def record(self, number: int) -> str:
        """The record with this number."""
        return f"{self.commits}/{number:08d}.json"

    @staticmethod
    def record_number(name: str) -> int | None:
        """The number of a record from its file name, None for any other file."""
        match = _RECORD.fullmatch(name)
        return int(match[1]) if match else None

    def staging(self, token: str) -> str:
        """The folder of a commit's files until they are shown."""
        return f"{self.all_staging}/{token}"

    @staticmethod
    def staged_name(path: str) -> str:
        """The name in staging of the file whose final place is `path`.

        It does not end in `.parquet`, so that even a careless `**/*.parquet` passes it over.
        """
        return f"{path.rsplit('-', 1)[1].removesuffix('.parquet')}.staged"

    def data_file(self, folder: str, token: str, number: int) -> str:
        """The final place of a commit's file `number` in a partition's folder."""
        return f"{folder}/{self.log}-{token}-{number}.parquet"

    def owns(self, name: str) -> bool:
        """Whether a data file of this name was landed by this log."""
        return re.fullmatch(re.escape(self.log) + r"-[0-9a-f]{16}-\d+\.parquet", name) is not None
