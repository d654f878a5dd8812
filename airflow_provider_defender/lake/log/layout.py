"""Names and places in a lake: every path here is relative to its root, with `/` between the parts.

::

    alerts/date=2026-11-22/<log>-<token>-<n>.parquet
    events/DeviceProcessEvents/date=2026-11-22/hour=13/<log>-<token>-<n>.parquet
    _defender/<log>/commits/00000042.json
    _defender/<log>/head.json
    _defender/<log>/compacted.json
    _defender/<log>/latest.json
    _defender/<log>/checkpoints/00000100-<digest>.parquet
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
    "QUARANTINE",
    "LogPaths",
    "check_dataset",
    "is_dataset",
    "is_log_name",
    "new_token",
    "partition_span",
    "place_of",
]

HIDDEN = "_defender"
"""The folder of everything that is no dataset."""

QUARANTINE = "quarantine"
"""The dataset that commits give for files of rejects."""

_LOG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}", re.ASCII)
_DATASET = re.compile(r"[A-Za-z][A-Za-z0-9_]*(/[A-Za-z][A-Za-z0-9_]*)?", re.ASCII)
_COMMIT = re.compile(r"(\d{8,})\.json", re.ASCII)
_CHECKPOINT = re.compile(r"(\d{8,})-[0-9a-f]{16}\.parquet", re.ASCII)
_PARTITION = re.compile(r"date=(\d{4}-\d\d-\d\d)(?:/hour=(\d\d))?", re.ASCII)


def check_dataset(dataset: str) -> str:
    """Return `dataset`. Raises `ValueError` if it is no dataset name such as `alerts` or `events/Table`."""
    if not is_dataset(dataset):
        raise ValueError(f"{dataset!r} is not a dataset name such as 'alerts' or 'events/DeviceInfo'")
    return dataset


def is_dataset(name: str) -> bool:
    """Whether a dataset can have this name."""
    return _DATASET.fullmatch(name) is not None


def is_log_name(name: str) -> bool:
    """Whether a log can have this name; a lake's folders can hold files of other programs."""
    return _LOG.fullmatch(name) is not None


def new_token() -> str:
    """A name for one commit that no other commit has: 16 hexadecimal digits."""
    return secrets.token_hex(8)


def place_of(path: str) -> tuple[str, str]:
    """The dataset and partition of a data file: `"alerts", "date=2026-11-22"`.

    Rejects belong to `QUARANTINE`. Raises `ValueError` for a file outside any partition.
    """
    folder = path.rpartition("/")[0]
    dataset, found, partition = folder.partition("/date=")
    if not found:
        raise ValueError(f"{path!r} lies in no partition")
    return QUARANTINE if dataset.startswith(f"{HIDDEN}/") else dataset, f"date={partition}"


def partition_span(partition: str) -> tuple[datetime, datetime]:
    """Start (inclusive) and end (exclusive) of a partition such as `date=2026-11-22`, in UTC.

    Raises `ValueError` if it is no partition.
    """
    match = _PARTITION.fullmatch(partition)
    if match is None:
        raise ValueError(f"{partition!r} is no partition such as date=2026-11-22 or date=2026-11-22/hour=13")
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
        """The folder of the commits."""
        return f"{self.home}/commits"

    @property
    def head(self) -> str:
        """The hint that names the newest commit."""
        return f"{self.home}/head.json"

    @property
    def compacted(self) -> str:
        """The note of what compactions have merged."""
        return f"{self.home}/compacted.json"

    @property
    def latest(self) -> str:
        """The note of which partitions of `alerts_latest` are behind."""
        return f"{self.home}/latest.json"

    @property
    def checkpoints(self) -> str:
        """The folder of the checkpoints."""
        return f"{self.home}/checkpoints"

    @property
    def all_staging(self) -> str:
        """The folder of the staging folders."""
        return f"{self.home}/staging"

    @property
    def quarantine(self) -> str:
        """The folder of the quarantine's partitions."""
        return f"{self.home}/{QUARANTINE}"

    def commit(self, number: int) -> str:
        """The commit with this number."""
        return f"{self.commits}/{number:08d}.json"

    @staticmethod
    def commit_number(name: str) -> int | None:
        """The number of a commit from its file name, None for any other file."""
        match = _COMMIT.fullmatch(name)
        return int(match[1]) if match else None

    @staticmethod
    def checkpoint_name(number: int, digest: str) -> str:
        """The file name of a checkpoint of the commit with this number: another for another content."""
        return f"{number:08d}-{digest}.parquet"

    @staticmethod
    def checkpoint_number(name: str) -> int | None:
        """The number of a checkpoint's commit from its file name, None for any other file."""
        match = _CHECKPOINT.fullmatch(name)
        return int(match[1]) if match else None

    def staging(self, token: str) -> str:
        """The folder of a commit's files until they are published."""
        return f"{self.all_staging}/{token}"

    @staticmethod
    def staged_name(path: str) -> str:
        """The name in staging of the file whose final path is `path`.

        It does not end in `.parquet`, so that even a careless `**/*.parquet` skips it.
        """
        return f"{path.rsplit('-', 1)[1].removesuffix('.parquet')}.staged"

    def data_file(self, folder: str, token: str, number: int) -> str:
        """The final path of a commit's file `number` in a partition's folder."""
        return f"{folder}/{self.log}-{token}-{number}.parquet"

    def is_reject(self, path: str) -> bool:
        """Whether a data file, or a partition's folder, belongs to the quarantine."""
        return path.startswith(f"{self.quarantine}/")

    def owns(self, name: str) -> bool:
        """Whether a data file of this name was landed by this log."""
        return re.fullmatch(re.escape(self.log) + r"-[0-9a-f]{16}-\d+\.parquet", name) is not None
