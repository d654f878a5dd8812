"""Whether a log's checkpoints say what its commits say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from airflow_provider_defender.lake.log.checkpoints import (
    DAMAGED,
    Checkpoint,
    LoggedFile,
    checkpoint_names,
    open_checkpoint,
)
from airflow_provider_defender.lake.log.layout import LogPaths
from airflow_provider_defender.lake.storage.storage import Storage
from airflow_provider_defender.lake.verification.index import FileIndex

__all__ = ["CheckpointCheck"]


class CheckpointCheck:
    """Compares the checkpoints of one log, as they were listed at the beginning, with its commits.

    `names`: their commits' numbers and their file names.
    """

    def __init__(self, storage: Storage, paths: LogPaths, index: FileIndex) -> None:
        self.names = checkpoint_names(storage, paths)
        self._storage = storage
        self._paths = paths
        self._index = index

    def differences(
        self, digests: Mapping[int, str], newest: int, whole_to: int
    ) -> Iterator[tuple[int, str, str, str]]:
        """Yield the number and path of each checkpoint that is wrong, with what was expected and found.

        `digests`: of the commits with these numbers. `newest`: the newest commit's number. `whole_to`: up to
        which number no commit is missing or unreadable; later checkpoints cannot be compared.
        """
        for number, name in self.names:
            path = f"{self._paths.checkpoints}/{name}"
            if number > newest:
                yield number, path, f"one of the commits up to {newest}", f"one of commit {number}"
            elif number <= whole_to:
                try:
                    found = self._contradiction(name, digests[number])
                except FileNotFoundError:  # a run has written a newer one
                    continue
                except DAMAGED as error:
                    found = str(error)
                if found:
                    yield number, path, f"the files that count after commit {number}", found

    def _contradiction(self, name: str, digest: str) -> str:
        """How a checkpoint contradicts the commits; empty if it does not."""
        checkpoint = open_checkpoint(self._storage, self._paths, name)
        if checkpoint.digest != digest:
            return f"a checkpoint of a commit with the digest {checkpoint.digest}"
        for each in _rows(checkpoint):
            if not self._index.described(each.file, self._paths.log, each.commit, checkpoint.number):
                return f"{each.file.path} with other values, or added or removed by another commit"
        files = sum(checkpoint.datasets.values())
        expected = self._index.count(self._paths.log, checkpoint.number)
        return "" if files == expected else f"{files} files instead of {expected}"


def _rows(checkpoint: Checkpoint) -> Iterator[LoggedFile]:
    """All files of a checkpoint. Raises `ValueError` if they are not sorted, so that none stands twice."""
    last: LoggedFile | None = None
    for each in checkpoint.all_files():
        if last is not None and each.key <= last.key:
            raise ValueError(f"{each.file.path} stands in the wrong place")
        yield each
        last = each
