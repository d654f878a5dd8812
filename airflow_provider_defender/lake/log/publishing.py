"""Moving files from staging to their final paths: steps 2 and 6 of the protocol."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

from airflow_provider_defender.lake.log.commit import Commit, DataFile
from airflow_provider_defender.lake.log.layout import LogPaths
from airflow_provider_defender.lake.storage.storage import Storage

__all__ = ["REMOVAL", "BeforeRemoval", "finish", "finish_own", "is_published"]

_logger = logging.getLogger(__name__)

REMOVAL = "removal.staged"
"""What a commit that only removes files has in staging, so that it shows when that is done."""

BeforeRemoval = Callable[[Commit[Any]], object]
"""What a run does when the new files of its commit are in place and those that it removes still are."""


def finish(storage: Storage, paths: LogPaths, commit: Commit[Any]) -> None:
    """Publish the files of a commit that are still staged, then delete what it removes. Idempotent."""
    staged = storage.list_folder(paths.staging(commit.token))
    if staged is None:  # deleted last
        return
    storage.sync_folder(paths.commits)  # the run that created the commit may have died before it did so
    files = [file for file in commit.files if paths.staged_name(file.path) in staged]
    _finish(storage, paths, commit, files, staged)


def finish_own(
    storage: Storage, paths: LogPaths, commit: Commit[Any], before_removal: BeforeRemoval | None = None
) -> None:
    """The same by the run that made the commit: it need not ask the store what is staged.

    `before_removal` is called if the commit removes files. If it fails, that is logged, and they go.
    """
    staged = [paths.staged_name(file.path) for file in commit.files]
    if commit.removed and not staged:
        staged = [REMOVAL]
    _finish(storage, paths, commit, commit.files, staged, before_removal=before_removal)


def _finish(
    storage: Storage,
    paths: LogPaths,
    commit: Commit[Any],
    files: Sequence[DataFile],
    staged: Sequence[str],
    *,
    before_removal: BeforeRemoval | None = None,
) -> None:
    staging = paths.staging(commit.token)
    moves = [(f"{staging}/{paths.staged_name(file.path)}", file.path) for file in files]
    storage.for_each(lambda move: _publish(storage, *move), moves)
    _sync_parents(storage, [file.path for file in commit.files])
    if before_removal is not None and commit.removed:
        _tell(before_removal, commit)
    _remove(storage, commit.removed)
    storage.delete_folder(staging, staged)


def _tell(before_removal: BeforeRemoval, commit: Commit[Any]) -> None:
    try:
        before_removal(commit)
    except Exception:  # the commit counts: nothing that only looks on may keep it from being finished
        _logger.warning(
            "What was to be done before commit %d of %s removes %d files has failed; they are removed all "
            "the same. Until open tables have followed the commit, their readers can meet missing files: run "
            "their followers again",
            commit.number,
            commit.log,
            len(commit.removed),
            exc_info=True,
        )


def _publish(storage: Storage, source: str, target: str) -> None:
    try:
        storage.publish(source, target)
    except FileNotFoundError:
        if storage.exists(source):
            raise
        # Another run has published it: sources are deleted only after all files are in place.


def _remove(storage: Storage, paths: Sequence[str]) -> None:
    storage.for_each(storage.delete, paths)
    _sync_parents(storage, paths)


def _sync_parents(storage: Storage, paths: Iterable[str]) -> None:
    for folder in {path.rpartition("/")[0] for path in paths}:
        with suppress(FileNotFoundError):  # nothing is left in it
            storage.sync_folder(folder)


def is_published(storage: Storage, paths: LogPaths, commit: Commit[Any]) -> bool:
    """Whether all files of a commit are in place."""
    if storage.list_folder(paths.staging(commit.token)) is None:
        return True
    return all(storage.exists(file.path) for file in commit.files)
