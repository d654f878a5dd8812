"""The demo's queries: the shipped views in DuckDB, where DuckDB is installed."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources, util
from pathlib import Path
from typing import Any

from airflow_provider_defender.simulator._airflow import LocalAirflowError
from airflow_provider_defender.simulator._demo_output import say, table

__all__ = ["LakeQueries"]

_WORST_HOSTS = """\
with worst as (
  select host.name as alerted_host, max(event.severity) as severity
  from latest_alerts('{lake}') group by all
)
select alerted_host as host, severity, process.name as process, count(*) as started
from events('{lake}', 'DeviceProcessEvents') join worst on host.name = alerted_host
group by all order by severity desc, started desc, process limit 5;"""


class LakeQueries:
    """Asks a lake through the views that the package ships."""

    def __init__(self, lake: Path) -> None:
        self._lake = lake

    @property
    def can_run(self) -> bool:
        """Whether DuckDB is installed."""
        return util.find_spec("duckdb") is not None

    def check_events(self, sent: Mapping[str, int]) -> None:
        """Compare what the view shows with the different records that were sent, dataset by dataset.

        Raises:
            LocalAirflowError: a record is missing, or one stands there twice.
        """
        for dataset, count in sent.items():
            [(found,)] = self._rows(f"select count(*) from events('{self._lake}', '{dataset}')")[1]  # noqa: S608
            if found != count:
                raise LocalAirflowError(
                    f"The view shows {found} events of {dataset}, but {count} different ones were sent."
                )

    def show_worst_hosts(self) -> None:
        """Write a query that joins alerts and events, and its rows."""
        query = _WORST_HOSTS.format(lake=self._lake)
        for line in query.splitlines():
            say(f"    {line}")
        say()
        table(*self._rows(query))

    def _rows(self, query: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        import duckdb

        with duckdb.connect() as connection:
            connection.execute(
                resources.files("airflow_provider_defender.lake").joinpath("views.sql").read_text()
            )
            found = connection.execute(query)
            return [str(column[0]) for column in found.description or ()], found.fetchall()
