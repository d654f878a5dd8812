"""Handling of a hub from which nothing comes: always limited in time, with an error that says why.

Loads confluent_kafka, so it is imported only when a connection is needed.
"""

from __future__ import annotations

from collections.abc import Callable

from confluent_kafka import KafkaError

from airflow_provider_defender.exceptions import ServiceUnavailable
from airflow_provider_defender.hooks._connection.log import Log
from airflow_provider_defender.hooks._kafka.assignment import Assignment
from airflow_provider_defender.hooks._kafka.cursor import Limits
from airflow_provider_defender.hooks._kafka.errors import MISSING, hub_error, refusal
from airflow_provider_defender.hooks._kafka.messages import Offsets
from airflow_provider_defender.hooks._kafka.tuning import Tuning

__all__ = ["Silence"]

_QUESTION_SECONDS = 60.0
_SHORTEST_QUESTION_SECONDS = 5.0
_LONG_SILENCE_SECONDS = 30.0
_HUB_LOOK_SECONDS = 2.0


class Silence:
    """Keeps the times of one read: since when nothing came, and how much was lost in outages."""

    def __init__(
        self,
        assignment: Assignment,
        *,
        limits: Limits,
        outage_seconds: float,
        log: Log,
        tuning: Tuning,
        clock: Callable[[], float],
    ) -> None:
        self._client = assignment.client
        self._hub = assignment.hub
        self._cursors = assignment.cursors
        self._limits = limits
        self._outage_seconds = outage_seconds
        self._log = log
        self._tuning = tuning
        self._clock = clock
        self._started = clock()
        self._looked = float("-inf")
        """When the hub was last checked."""
        self.progressed = self._started
        """When something last came."""
        self.missing_since: float | None = None
        """Since when the hub has seemed to be missing."""
        self._refused: tuple[int, float] | None = None
        """The code of the last permanent error, and since when it has been returned."""
        self.waited_seconds = 0.0
        """Seconds lost in outages."""

    @property
    def late(self) -> bool:
        """Whether the read's time is up."""
        seconds = self._limits.seconds
        return seconds is not None and self._clock() - self._started >= seconds

    def watermarks(self, *partitions: int) -> dict[int, Offsets]:
        """Request the watermarks, for no longer than an outage or the read may last."""
        left = [_QUESTION_SECONDS, self._outage_seconds - self.waited_seconds]
        if self._limits.seconds is not None:
            left.append(self._limits.seconds - (self._clock() - self._started))
        seconds = max(_SHORTEST_QUESTION_SECONDS, min(left))
        return self._client.watermarks(self._hub, partitions, seconds=seconds)

    def end(self, now: float) -> None:
        """Record that something came."""
        problems = self._client.problems
        silent = now - self.progressed
        if problems.since is not None or silent >= _LONG_SILENCE_SECONDS:
            self.waited_seconds += silent
            problems.clear()
            if silent >= 1:
                self._log.info("%s answers again after %.0f s.", self._client.settings.namespace, silent)
        self.missing_since = self._refused = None
        self.progressed = now

    def bear(self, now: float) -> str:
        """Handle and log that nothing came: an outage, throttling, or a range without messages at its end.

        Raises the error that explains it as soon as there is one, and `ServiceUnavailable` in the end.
        """
        client = self._client
        client.check(self._tuning.authentication_patience)
        silent = now - self.progressed
        if now - max(self.progressed, self._looked) >= self._tuning.between_hub_looks:
            # librdkafka reports a deleted hub once, or never.
            error = client.look(self._hub, _HUB_LOOK_SECONDS)
            self._looked = self._clock()
            if error is not None:
                self.check_hub(error)
        if silent + self.waited_seconds > self._outage_seconds:
            raise self.unavailable(client.problems.seen)
        return f"Waiting for {silent:.0f} s ({client.problems.seen})"

    def outage_at_the_end(self) -> ServiceUnavailable:
        """The error for a read whose time ends in an outage."""
        error = self.unavailable(self._client.problems.seen)
        self.waited_seconds += self._clock() - self.progressed
        return error

    def leave_out(self, seconds: float) -> None:
        """Ignore the caller's own time between two batches: it is no silence of the broker."""
        self.progressed += seconds
        self._looked += seconds
        for cursor in self._cursors.values():
            cursor.moved += seconds
        if self.missing_since is not None:
            self.missing_since += seconds
        if self._refused is not None:
            self._refused = (self._refused[0], self._refused[1] + seconds)
        self._client.problems.leave_out(seconds)

    def check_hub(self, error: KafkaError) -> None:
        """Raise if the hub is closed to us or gone; brokers that restart may say so for a while."""
        final = hub_error(self._client.settings, self._hub, error)
        if final is None:
            return
        if error.code() not in MISSING:
            raise final
        now = self._clock()
        self.missing_since = self.missing_since or now
        if now - self.missing_since >= self._tuning.missing_patience:
            raise final

    def check_refusal(self, error: KafkaError) -> None:
        """Raise if the broker repeats the same permanent error."""
        final = refusal(self._client.settings, self._hub, error)
        if final is None:
            return
        now = self._clock()
        code, since = self._refused or (None, now)
        self._refused = (error.code(), since if code == error.code() else now)
        if now - self._refused[1] >= self._tuning.refusal_patience:
            raise final

    def unavailable(self, seen: str) -> ServiceUnavailable:
        """The error for a hub from which nothing comes; `seen` says why."""
        settings = self._client.settings
        return ServiceUnavailable(
            f"Connection {settings.conn_id!r}: {settings.namespace} gave no messages of hub {self._hub!r} "
            f"for {self._clock() - self.progressed + self.waited_seconds:.0f} s in all: {seen}"
        )
