"""Runs of the operators in processes of their own, forked from one that has loaded everything.

Each run is bounded in time and memory, so that hundreds of faults can be tried one after the other.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

__all__ = ["Outcome", "run_alerts", "run_bounded"]

SECONDS = 60.0
"""No run with a fault takes longer: waits in place are made short, see `_shortened`."""
BYTES = 200 * 1024 * 1024
"""No run with a fault needs more memory than this beyond what it has loaded."""

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload([__name__, "tests.reliability.drill_imports"])


@dataclass
class Outcome:
    """How a run ended: its summary, or the error's type names (its bases, too) and text."""

    summary: dict[str, Any] | None = None
    error: list[str] = field(default_factory=list)
    text: str = ""
    seconds: float = 0.0
    waited: float = 0.0
    bytes: int = 0

    @property
    def complete(self) -> bool:
        """Whether the run says that it has read all that was there."""
        return self.summary is not None and bool(self.summary["complete"])


def run_bounded(work: Callable[..., dict[str, Any]], *given: Any, environment: Mapping[str, str]) -> Outcome:
    """Run `work` in a process of its own; fails the test where it takes too long, or too much memory."""
    ours, theirs = _processes.Pipe(duplex=False)
    process = _processes.Process(target=_child, args=(theirs, work, given, dict(environment)), daemon=True)
    begun = time.monotonic()
    process.start()
    theirs.close()
    answered = ours.poll(SECONDS)
    process.join(5.0 if answered else 0.0)
    process.kill()
    assert answered, f"the run had not ended after {SECONDS:.0f} s"
    outcome = Outcome(**ours.recv(), seconds=time.monotonic() - begun)
    assert outcome.bytes <= BYTES, f"the run took {outcome.bytes / 1e6:.0f} MB"
    return outcome


@contextmanager
def bounded() -> Iterator[None]:
    """Fail the test where what runs in here, in this process, takes too long or too much memory."""
    begun, before = time.monotonic(), _start_measuring()
    yield
    seconds, taken = time.monotonic() - begun, _memory("VmHWM") - before
    assert seconds <= SECONDS, f"the run took {seconds:.0f} s"
    assert taken <= BYTES, f"the run took {taken / 1e6:.0f} MB"


def _child(
    answers: Connection,
    work: Callable[..., dict[str, Any]],
    given: tuple[Any, ...],
    environment: dict[str, str],
) -> None:
    os.environ.update(environment)
    waits: list[float] = []
    _shortened(waits)
    before = _start_measuring()
    found: dict[str, Any]
    try:
        found = {"summary": json.loads(json.dumps(work(*given), default=str))}
    except Exception as error:
        found = {"error": [kind.__name__ for kind in type(error).__mro__], "text": str(error)}
    answers.send({**found, "waited": sum(waits), "bytes": max(0, _memory("VmHWM") - before)})
    answers.close()
    os._exit(0)  # whatever threads are left: a task of Airflow's ends like this, too


def _shortened(waits: list[float]) -> None:
    """Let the hooks' waits in place take a moment only, and note for how long they would have waited."""
    from airflow_provider_defender.hooks import DefenderEndpointHook
    from tests.helpers.airflow import INJECTED

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        time.sleep(min(seconds, 0.01))

    INJECTED["hook"] = partial(DefenderEndpointHook, sleep=sleep)


def _start_measuring() -> int:
    """Forget the memory's peak so far; what is held now."""
    Path("/proc/self/clear_refs").write_text("5")
    return _memory("VmRSS")


def _memory(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(name))


# What is run --------------------------------------------------------------------------------------


def run_alerts(lake: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """One scheduled run of the alerts' operator."""
    from airflow_provider_defender.operators.alerts import DefenderAlertsToParquetOperator
    from tests.helpers.airflow import INJECTED, Outlets

    given: Any = {"dag_run": SimpleNamespace(run_type="scheduled"), "outlet_events": Outlets()}
    return DefenderAlertsToParquetOperator(task_id="land", lake=lake, **INJECTED, **arguments).execute(given)
