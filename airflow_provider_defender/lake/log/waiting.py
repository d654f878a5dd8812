"""Taking turns: a run waits for the owner of another commit instead of doing its work; steps 2 and 5.

Nothing depends on the order or length of these waits: that a commit is finished shows in the store alone, and
a run that has waited long enough finishes it. They only spare requests, since many runs that all finish the
same commit, and then all create the next one, make nearly all of their requests in vain.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Generic

from airflow_provider_defender.lake.log import publishing
from airflow_provider_defender.lake.log.commit import Commit
from airflow_provider_defender.lake.log.commits import Commits
from airflow_provider_defender.lake.log.position import P

__all__ = ["Turns"]

_logger = logging.getLogger(__name__)

_PATIENCE = 3.0
"""Seconds that a commit's owner has to publish its files; a bigger one has longer."""

_REMOVAL_PATIENCE = 10
"""How many times longer the owner has if the commit removes files: open tables may follow it before that."""

_BYTES_A_SECOND = 50_000_000
_MOST_PATIENCE = 60.0

_TURN = 0.25
"""About how many seconds pass from one commit to the next where many wait in line."""

_NEAR = 2
"""How many of those in line look whether a commit is finished; the others only see what comes after it."""

_NEAR_PAUSE = 0.2
_FAR_PAUSES = 1.0, 4.0
"""How long a run waits, in turns: one that is near, for each place; the limits of one that is not."""

_GROWTH = 1.4
"""How much longer each pause is than the one before, while a run waits for the same commit."""

_STALLED = 1.5
"""After how many turns without a commit a run is no longer sure that others are in line before it."""


class Turns(Generic[P]):
    """The turns of a run among all that commit to a log.

    Once a run has to wait, it takes a place among all that have staged something: in the order of their
    tokens, going round from the one that has just committed. So runs that begin to wait at the same time take
    different places. With each commit, they come forward by one. Those that are still reading, or have died,
    hold nobody up: if no commit comes for a while, the others do not keep their places.

    `token`: the run's; None: it only waits until a commit is finished.
    """

    def __init__(self, log: Commits[P], token: str | None = None) -> None:
        self._log = log
        self._lake = log.lake
        self._token = token
        self._turn_at: int | None = None if token else 0
        self._may_be_behind = token is not None

    def after(self, other: Commit[P]) -> Commit[P] | None:
        """Wait until another run's commit is finished; finish it if its owner takes too long.

        Returns the commit after it if there is one already; it shows, too, that `other` is finished. Raises
        `CommitUnreadable`, `OriginMismatch`, and what the store raises.
        """
        patience, waited, growth = self._patience(other), 0.0, 1.0
        while True:
            following = self._log.commit(other.number + 1) if self._may_be_behind else None
            if following is not None:
                return following
            self._may_be_behind = False
            if self._place(other) < _NEAR or waited >= _STALLED * _TURN:
                if self._is_finished(other):
                    return None
                if waited >= patience:
                    self._help(other)
                    return None
            if self._turn_at is None and self._token is not None:
                self._turn_at = self._take_place(other, self._token)
            waited += self._pause(self._place(other), growth)
            growth *= _GROWTH

    def _patience(self, other: Commit[P]) -> float:
        """Seconds to wait for the owner: none if the commit is old, so that the owner has probably died."""
        size = sum(file.bytes for file in other.files)
        least = _PATIENCE * _REMOVAL_PATIENCE if other.removed else _PATIENCE
        patience = min(least + size / _BYTES_A_SECOND, _MOST_PATIENCE)
        is_old = self._lake.now() - other.committed_at > timedelta(seconds=patience)
        return 0.0 if is_old else patience

    def _is_finished(self, other: Commit[P]) -> bool:
        """Whether its staging folder is gone, which is deleted last."""
        return self._log.storage.list_folder(self._log.paths.staging(other.token)) is None

    def _take_place(self, other: Commit[P], token: str) -> int:
        """The number of the commit after which it will be this run's turn."""
        tokens = self._log.storage.list_folder(self._log.paths.all_staging) or []
        ring = sorted({*tokens, other.token, token})
        return other.number + (ring.index(token) - ring.index(other.token) - 1) % len(ring)

    def _place(self, other: Commit[P]) -> int:
        """How many runs are before this one."""
        return 0 if self._turn_at is None else max(0, self._turn_at - other.number)

    def _pause(self, place: int, growth: float) -> float:
        """Wait for a random time, the longer the more runs are before. Returns it in seconds."""
        self._may_be_behind = place >= _NEAR
        if place < _NEAR:
            turns = _NEAR_PAUSE * (place + 1) * growth
        else:
            turns = min(max(place / 2, _FAR_PAUSES[0]), _FAR_PAUSES[1])
        seconds = _TURN * turns * (0.5 + self._lake.random())
        self._lake.sleep(seconds)
        return seconds

    def _help(self, other: Commit[P]) -> None:
        _logger.info(
            "Publishing commit %d of %s, which the run that made it has not done",
            other.number,
            self._log.name,
        )
        publishing.finish(self._log.storage, self._log.paths, other)
