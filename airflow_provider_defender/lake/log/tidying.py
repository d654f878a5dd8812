"""Housekeeping after a commit, on which nothing depends: hint, checkpoint, old staging, old positions."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import msgspec

from airflow_provider_defender.lake.log.checkpoints import write_if_due
from airflow_provider_defender.lake.log.commit import Commit
from airflow_provider_defender.lake.log.commits import Commits, Hint
from airflow_provider_defender.lake.log.format import dump_commit
from airflow_provider_defender.lake.log.position import P

__all__ = ["sweep_staging", "tidy"]

_logger = logging.getLogger(__name__)

SWEEP_AGE = timedelta(days=7)
SHORTEN_AGE = timedelta(days=30)
_PERIOD = timedelta(days=1)
_SHORTEN_EVERY = 16
_SHORTENED_AT_ONCE = 64


def tidy(log: Commits[P], newest: Commit[P]) -> None:
    """Write the hint and what is due: a checkpoint, a sweep of staging, shorter commits. After a commit only.

    Nothing depends on it, so a failure is a warning.
    """
    try:
        hint = log.hint()
        is_due = _is_due(hint, newest)
        if is_due:
            hint.swept_at = newest.committed_at
        if is_due or newest.number % _SHORTEN_EVERY == 0:
            hint.shortened_below = _shorten(log, newest, hint)
        hint.number = newest.number
        # Before the rest, so that other runs leave it to this one.
        log.storage.replace(log.paths.head, msgspec.json.encode(hint))
        write_if_due(log, newest)
        if is_due:
            log.warn_if_beheaded()
            _sweep(log, newest)
    except Exception as error:  # whatever a store's client raises
        _logger.warning("Tidying up after commit %d of %s failed: %r", newest.number, log.name, error)


def _is_due(hint: Hint, newest: Commit[Any]) -> bool:
    """Whether the daily work is due; also if the hint lacks its time, or has one that lies far ahead."""
    return hint.swept_at is msgspec.UNSET or abs(newest.committed_at - hint.swept_at) >= _PERIOD


def _sweep(log: Commits[P], newest: Commit[P]) -> None:
    """Delete staging folders that no commit will ever claim.

    A run may commit for a day, so a folder that was a week old when `newest` was created either belongs to no
    commit or to one before it, which is finished. Both ages are by the store's clock. Commits after this one
    are spared all the same.
    """
    tokens = log.storage.list_folder(log.paths.all_staging) or []
    old = [token for token in tokens if token != newest.token and _is_old(log, token, newest)]
    number = newest.number
    while old and (later := log.commit(number := number + 1)) is not None:
        old = [token for token in old if token != later.token]
    for token in old:
        _logger.info("Deleting the staging folder %s of %s, which no commit claims", token, log.name)
        log.storage.delete_folder(log.paths.staging(token))


def _is_old(log: Commits[P], token: str, newest: Commit[P]) -> bool:
    folder = log.paths.staging(token)
    names = log.storage.list_folder(folder)
    if names is None:
        return False
    try:
        created = log.storage.modified(log.paths.commit(newest.number))
        touched = [log.storage.modified(f"{folder}/{name}") for name in names]
        return created - max(touched or [log.storage.modified(folder)]) > SWEEP_AGE
    except FileNotFoundError:  # another run is sweeping it
        return False


def _shorten(log: Commits[P], newest: Commit[P], hint: Hint) -> int:
    """Remove the position from commits older than 30 days. Returns the number below which this is done.

    Not at every commit, since each costs a request at least, and so many at once that it keeps up all the
    same. Runs that commit at the same time have different numbers, so they do not all do it.
    """
    below = hint.shortened_below
    start = number = 1 if below is msgspec.UNSET else min(below, newest.number)
    while number < min(newest.number, start + _SHORTENED_AT_ONCE):
        commit = log.commit(number)
        if commit is None or newest.committed_at - commit.committed_at <= SHORTEN_AGE:
            break
        if commit.position is not None:
            log.storage.replace(log.paths.commit(number), dump_commit(commit.shortened()))
        number += 1
    return number


def sweep_staging(log: Commits[P]) -> list[str]:
    """Delete the staging folders that no commit will ever claim. Returns their names, sorted."""
    newest = log.newest()
    if newest is None:
        return []
    before = set(log.storage.list_folder(log.paths.all_staging) or [])
    _sweep(log, newest)
    return sorted(before.difference(log.storage.list_folder(log.paths.all_staging) or []))
