"""What the sensors have in common: one hook for a sensor's life, and outages that are waited out."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from airflow.sdk import BaseSensorOperator

from airflow_provider_defender.exceptions import HostUnreachable, TryAgain

if TYPE_CHECKING:
    from airflow.sdk import Context

__all__ = ["SourceSensor"]

H = TypeVar("H")

_TRIES = 3
"""A host that was never reached and cannot be reached at so many pokes is a wrong one."""


class SourceSensor(BaseSensorOperator, Generic[H]):
    """Asks a source at each poke, by one hook as long as the sensor keeps its slot.

    So a sensor in mode `poke` asks for a token once an hour, not at each poke; in mode `reschedule`, each
    poke is a process of its own. Throttling and outages are waited out, as long as Airflow's `timeout`
    allows. A host that cannot be reached is an outage if the lake holds something of it or an earlier poke
    reached it; else the third poke that fails so is the last.
    """

    _hook: H | None = None
    _reached_before = False
    _failures = 0

    @abstractmethod
    def _new_hook(self) -> H:
        """Make the hook; nothing is asked yet."""

    @abstractmethod
    def _is_waited_for(self, hook: H) -> bool:
        """Ask once. Sets `_reached_before` where the lake knows the source."""

    def _check(self) -> None:
        """Raise `ConfigurationError` for parameters that only rendering completes."""

    def _close(self, hook: H) -> None:
        """Close what the hook keeps open."""

    def execute(self, context: Context) -> Any:
        """Poke until there is something. See the class for what is raised."""
        if self.reschedule and context.get("ti") is None:
            self.mode = "poke"  # called by hand: nobody would call again
        try:
            return super().execute(context)
        finally:
            self._drop_hook()

    def on_kill(self) -> None:
        """Close what is open: Airflow ends the task."""
        self._drop_hook()

    def poke(self, context: Context) -> bool:
        """Ask once. See the class."""
        self._check()
        if self._hook is None:
            self._hook = self._new_hook()
        try:
            found = self._is_waited_for(self._hook)
        except TryAgain as error:
            self._log_outage(error)
            return False
        except HostUnreachable as error:
            if self._is_final(context):
                raise
            self._log_outage(error)
            return False
        self._reached_before = True
        return found

    def _log_outage(self, error: Exception) -> None:
        self.log.warning("Asking again at the next poke: %s", error)

    def _is_final(self, context: Context) -> bool:
        """Whether a host that cannot be reached is a wrong one."""
        if self._reached_before:
            return False
        self._failures += 1
        rescheduled = context.get("task_reschedule_count") or 0
        # After more pokes than that, one of them was answered: the last of the others would have been final.
        return self._failures == _TRIES or rescheduled + 1 == _TRIES

    def _drop_hook(self) -> None:
        hook, self._hook = self._hook, None
        if hook is not None:
            self._close(hook)
