"""The base of all sensors: one hook for a sensor's life, its source's backlog, waiting through outages."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from airflow.sdk import BaseSensorOperator

from airflow_provider_defender.clock import Clock
from airflow_provider_defender.exceptions import HostUnreachable, TryAgain

if TYPE_CHECKING:
    from airflow.sdk import Context, ObjectStoragePath

    from airflow_provider_defender.lake import Lake
    from airflow_provider_defender.sources.source import Backlog, Source

__all__ = ["SourceSensor"]

H = TypeVar("H")

_TRIES = 3
"""After this many failed pokes, a host that was never reached is taken for a wrong one."""


class SourceSensor(BaseSensorOperator, Generic[H]):
    """Asks a source at each poke, with one hook for as long as the sensor keeps its slot.

    In mode `poke`, the sensor therefore requests a token once an hour and not at each poke; in mode
    `reschedule`, each poke is a process of its own. The sensor waits through throttling and outages, for as
    long as Airflow's `timeout` allows. An unreachable host counts as an outage if the lake has data from it
    or an earlier poke reached it; otherwise the third failed poke is the last.

    Args:
        lake: root of the lake.
        clock: source of the current time; for tests. None: the machine's.
    """

    ui_color = "#0078d4"
    ui_fgcolor = "#fff"
    _hook: H | None = None
    _reached_before = False
    _failures = 0

    def __init__(self, *, lake: str | ObjectStoragePath, clock: Clock | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.lake = lake
        self.clock = clock

    @abstractmethod
    def _new_hook(self) -> H:
        """Make the hook. Sends no request yet."""

    @abstractmethod
    def _new_source(self, hook: H, lake: Lake, clock: Clock) -> Source[Any, Any, Any]:
        """Make the source from the sensor's parameters."""

    def _is_enough(self, backlog: Backlog, hook: H) -> bool:
        """Whether the backlog is worth a run."""
        return backlog.waiting

    def _check(self) -> None:
        """Check the rendered parameters. Raises `ConfigurationError`."""

    def _close(self, hook: H) -> None:
        """Close the connections that the hook keeps open."""

    def execute(self, context: Context) -> Any:
        """Poke until something waits. The class says what is raised."""
        if self.reschedule and context.get("ti") is None:
            self.mode = "poke"  # called by hand: Airflow would not call it again
        try:
            return super().execute(context)
        finally:
            self._drop_hook()

    def on_kill(self) -> None:
        """Close the hook, since Airflow ends the task."""
        self._drop_hook()

    def poke(self, context: Context) -> bool:
        """Ask once whether enough waits. The class says what is raised."""
        self._check()
        if self._hook is None:
            self._hook = self._new_hook()
        try:
            found = self._ask(self._hook)
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

    def _ask(self, hook: H) -> bool:
        from airflow_provider_defender.sources.source import open_log
        from airflow_provider_defender.stores.opening import lake_errors, opened_lake

        lake = opened_lake(self.lake)
        with lake_errors(self.lake):
            source = self._new_source(hook, lake, self.clock or Clock())
            head = open_log(source, lake).read_head()
            self._reached_before |= head.commit is not None
            backlog = source.backlog(head)
        return self._is_enough(backlog, hook)

    def _log_outage(self, error: Exception) -> None:
        self.log.warning("Asking again at the next poke: %s", error)

    def _is_final(self, context: Context) -> bool:
        """Whether an unreachable host is to be taken for a wrong one."""
        if self._reached_before:
            return False
        self._failures += 1
        rescheduled = context.get("task_reschedule_count") or 0
        # Later pokes mean that an earlier one was answered: otherwise the third one would have been final.
        return self._failures == _TRIES or rescheduled + 1 == _TRIES

    def _drop_hook(self) -> None:
        hook, self._hook = self._hook, None
        if hook is not None:
            self._close(hook)
