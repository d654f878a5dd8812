"""A real, temporary Airflow for the demo and the system tests, with its own home, database and ports."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import requests

__all__ = ["LocalAirflow", "LocalAirflowError"]

_COMPONENTS = ("api-server", "scheduler", "dag-processor")
_DEATHS_BORNE = 2
_MOST_TRIES = 20
_T = TypeVar("_T")


class LocalAirflowError(Exception):
    """A component or a run failed; the message contains the end of its log."""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class LocalAirflow:
    """API server, scheduler and DAG processor on SQLite in `home`, bound to 127.0.0.1.

    `environment` is added to the components' environment: connections and variables as `AIRFLOW_CONN_…` and
    `AIRFLOW_VAR_…`. `progress` is called with a text for each step of the start. Nothing outside `home` is
    written.
    """

    def __init__(
        self,
        home: Path,
        dags: Path,
        environment: Mapping[str, str],
        *,
        progress: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.home = home
        self._dags = dags
        self._progress = progress
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._deaths = 0
        self._port = _free_port()
        self._session = requests.Session()
        self._session.trust_env = False
        self._environment = {**self._base_environment(), **environment}

    def _base_environment(self) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AIRFLOW__", "AIRFLOW_CONN_", "AIRFLOW_VAR_"))
        }
        root = self.url
        return kept | {
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self._dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": "2",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{root}/execution/",
            "AIRFLOW__CORE__FERNET_KEY": "",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self._port),
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API__BASE_URL": root,
            "AIRFLOW__API__SECRET_KEY": os.urandom(16).hex(),
            "AIRFLOW__API_AUTH__JWT_SECRET": os.urandom(32).hex(),
            # Seconds a component waits for another's lock; five, the default, are few on a busy machine.
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.home}/airflow.db?timeout=60",
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "60",
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(_free_port()),
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(self.home / "logs"),
            "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
            "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK": "False",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            "PYTHONWARNINGS": "ignore",
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
        }

    @property
    def url(self) -> str:
        """The URL of its UI."""
        return f"http://127.0.0.1:{self._port}"

    # Life -----------------------------------------------------------------------------------------

    def __enter__(self) -> LocalAirflow:
        self.home.mkdir(parents=True, exist_ok=True)
        try:
            self._progress("making its database")
            self.command("db", "migrate")
            self._progress(f"starting {', '.join(_COMPONENTS)}")
            for component in _COMPONENTS:
                self._start(component)
            self._progress("waiting for its scheduler and its API server")
            self._wait("Airflow's API server", self._healthy, seconds=120)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _start(self, component: str) -> None:
        with (self.home / f"{component}.log").open("ab") as log:
            self._processes[component] = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", "airflow", component],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,
            )

    def _keep_alive(self) -> None:
        """Restart a component that has died, as a service manager would, up to a limit."""
        for component, process in list(self._processes.items()):
            if process.poll() is not None:
                self._deaths += 1
                if self._deaths > _DEATHS_BORNE:
                    raise LocalAirflowError(f"airflow {component} ended:\n{self._log_tail(component)}")
                self._start(component)

    def stop(self) -> None:
        """End every component with all of its children: first politely, after ten seconds by force."""
        for process in self._processes.values():
            _signal_group(process, signal.SIGTERM)
        deadline = time.monotonic() + 10
        for process in self._processes.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, deadline - time.monotonic()))
            _signal_group(process, signal.SIGKILL)
            process.wait()
        self._processes.clear()
        self._session.close()

    def command(self, *arguments: str) -> str:
        """Run `airflow <arguments>` and return what it printed."""
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-m", "airflow", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=self._environment,
            check=False,
        )
        if done.returncode:
            raise LocalAirflowError(
                f"airflow {' '.join(arguments)} failed:\n{(done.stdout + done.stderr)[-3000:]}"
            )
        return done.stdout

    # REST -----------------------------------------------------------------------------------------

    def request(self, method: str, path: str, **arguments: Any) -> requests.Response:
        """Call Airflow's REST API; `path` follows `/api/v2`. Retries if SQLite is locked.

        A lock shows as 503 or 500: for reading requests with any text, for others with "Database error",
        which means that the request's transaction was rolled back.
        """
        url = f"{self.url}/api/v2{path}"
        for _ in range(_MOST_TRIES):
            response = self._session.request(method, url, timeout=90, **arguments)
            if not _database_locked(method, response):
                break
            time.sleep(1)
        return response

    def _json(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        response = self.request(method, path, **arguments)
        if not response.ok:
            raise LocalAirflowError(
                f"{method} {path} answered {response.status_code}: {response.text[:1000]}"
            )
        answer: dict[str, Any] = response.json() if response.content else {}
        return answer

    def _healthy(self) -> bool:
        try:
            health = self._session.get(f"{self.url}/api/v2/monitor/health", timeout=5)
            if not health.ok or health.json()["scheduler"]["status"] != "healthy":
                return False
            token = self._session.get(f"{self.url}/auth/token", timeout=5)
        except requests.RequestException:
            return False
        self._session.headers["Authorization"] = f"Bearer {token.json()['access_token']}"
        return True

    def unpause(self, dag_id: str) -> None:
        """Wait until the DAG is known, then unpause it: its schedule begins."""
        self._wait(
            f"DAG {dag_id}",
            lambda: self.request("GET", f"/dags/{dag_id}").ok,
            seconds=120,
            log="dag-processor",
        )
        self._json("PATCH", f"/dags/{dag_id}", json={"is_paused": False})

    def trigger(self, dag_id: str, **conf: Any) -> str:
        """Start a manual run, as the UI's button does, and return its id."""
        body = {"logical_date": None, **conf}
        return str(self._json("POST", f"/dags/{dag_id}/dagRuns", json=body)["dag_run_id"])

    def backfill(self, dag_id: str, since: str, until: str) -> None:
        """Start a backfill over the runs between two times, as the UI's form does.

        The DAG is paused meanwhile: on SQLite, a scheduler that takes up runs of a backfill whose creation
        is rolled back and repeated dies of it.
        """
        self._json("PATCH", f"/dags/{dag_id}", json={"is_paused": True})
        body = {"dag_id": dag_id, "from_date": since, "to_date": until, "max_active_runs": 2}
        self._json("POST", "/backfills", json=body)
        self._json("PATCH", f"/dags/{dag_id}", json={"is_paused": False})

    def runs(self, dag_id: str, run_type: str) -> list[dict[str, Any]]:
        """The DAG's runs of one type (`scheduled`, `manual`, `backfill`), oldest first."""
        found = self._json("GET", f"/dags/{dag_id}/dagRuns", params={"run_type": run_type, "limit": 100})
        return sorted(found["dag_runs"], key=lambda run: (run["run_after"], run["dag_run_id"]))

    def wait_for_runs(
        self, dag_id: str, run_type: str, count: int, seconds: float = 180
    ) -> list[dict[str, Any]]:
        """Wait until `count` runs of a type have ended well, and return them.

        Raises:
            LocalAirflowError: one of them failed; the message ends with its task's log.
        """

        def finished() -> list[dict[str, Any]] | None:
            runs = self.runs(dag_id, run_type)
            for run in runs:
                if run["state"] == "failed":
                    raise LocalAirflowError(f"Run {run['dag_run_id']} failed:\n{self.task_logs()[-4000:]}")
            done = [run for run in runs if run["state"] == "success"]
            return done if len(done) >= count else None

        return self._wait(f"{count} {run_type} run(s) of {dag_id}", finished, seconds, log="scheduler")

    def result(self, dag_id: str, run_id: str, task_id: str, *, map_index: int = -1) -> Any:
        """What a task returned (its XCom); of a mapped task, the one with this index."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/return_value"
        parameters = {"deserialize": "true", "map_index": str(map_index)}
        return self._json("GET", path, params=parameters)["value"]

    def task_logs(self) -> str:
        """The logs of all tasks, one after the other."""
        return "\n".join(path.read_text("utf-8", "replace") for path in self._task_log_files())

    def _task_log_files(self) -> Iterator[Path]:
        yield from sorted(self.home.glob("logs/dag_id=*/**/*.log"), key=lambda path: path.stat().st_mtime)

    # Waiting --------------------------------------------------------------------------------------

    def _wait(self, what: str, ready: Callable[[], _T | None], seconds: float, log: str = "api-server") -> _T:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if result := ready():
                return result
            self._keep_alive()
            time.sleep(0.5)
        raise LocalAirflowError(f"{what} did not come within {seconds:.0f} seconds:\n{self._log_tail(log)}")

    def _log_tail(self, component: str) -> str:
        return (self.home / f"{component}.log").read_text("utf-8", "replace")[-3000:]


def _database_locked(method: str, response: requests.Response) -> bool:
    if response.status_code == 500:
        return method == "GET" or "Database error" in response.text
    return response.status_code == 503


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)
