"""What the operators share that work on a lake as a whole, whatever they do to it."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_provider_defender.clock import Clock
from airflow_provider_defender.operators._retry import with_retry_policy

if TYPE_CHECKING:
    from airflow.sdk import Context, ObjectStoragePath

    from airflow_provider_defender.lake import Lake

__all__ = ["LakeTask"]


class LakeTask(BaseOperator):
    """Works on a lake. A subclass says what it does.

    Args:
        lake: root of the lake: an absolute path, a URL, or Airflow's `ObjectStoragePath`.
        single_writer: promise that no two runs ever write to this lake at the same time.
        clock: source of the current time; for tests. None: the machine's.
    """

    ui_color = "#0078d4"
    ui_fgcolor = "#fff"

    def __init__(
        self,
        *,
        lake: str | ObjectStoragePath,
        single_writer: bool = False,
        clock: Clock | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**with_retry_policy(kwargs))
        self.lake = lake
        self.single_writer = single_writer
        self.clock = clock

    @abstractmethod
    def _check(self) -> None:
        """Check the rendered parameters, before any work. Raises `ConfigurationError`."""

    @abstractmethod
    def _work(self, lake: Lake) -> dict[str, Any]:
        """Do the work on the opened lake. Returns the summary for XCom."""

    def execute(self, context: Context) -> dict[str, Any]:
        """Check, open the lake, work, report. The class says what is returned and raised."""
        from airflow_provider_defender.stores.opening import lake_errors, opened_lake

        self._check()
        clock = self.clock or Clock()
        started = clock.monotonic()
        lake = opened_lake(self.lake, single_writer=self.single_writer)
        if self.clock is not None:
            lake.now, lake.sleep = clock.now, clock.sleep
        with lake_errors(self.lake):
            summary = self._work(lake)
        seconds = round(clock.monotonic() - started, 1)
        self.log.info("This took %s seconds.", f"{seconds:,}")
        return {**summary, "seconds": seconds}
