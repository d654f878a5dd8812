"""The demo's queries: the shipped views in DuckDB, if DuckDB is installed."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources, util
from pathlib import Path
from typing import Any

from airflow_provider_defender.simulator.demo.airflow import LocalAirflowError
from airflow_provider_defender.simulator.demo.output import say, table

__all__ = ["LakeQueries"]

_WORST_HOSTS = """\
with worst as (
  select host.name as alerted_host, max(event.severity) as severity
  from latest_alerts('{lake}') group by all
)
select alerted_host as host, severity, process.name as process, count(*) as started
from events('{lake}', 'DeviceProcessEvents') join worst on host.name = alerted_host
group by all order by severity desc, started desc, process limit 5;"""

_PRODUCTS = """\
with alerts as (
  select observer.product as product, max(event.severity) as severity, any_value(message) as alert,
    min(coalesce(user.name, user.target.name)) as "user", min(host.name) as host, min(file.name) as file
  from latest_alerts('{lake}') group by landing.key, product
)
select product, count(*) over (partition by product) as alerts, severity, alert, "user", host, file
from alerts qualify row_number() over (
  partition by product order by "user" is null, host is null, file is null, severity desc, alert
) = 1
order by alerts desc, product;"""
_INCIDENT = """\
with members as (
  select incidents.event.id as incident, incidents.message as title, alerts."@timestamp" as created,
    alerts.observer.product as product, alerts.event.severity as severity, alerts.message as alert
  from latest_incidents('{lake}') as incidents
  cross join unnest(incidents.microsoft.graph_security.alerts) as listed(member)
  join latest_alerts('{lake}') as alerts on alerts.event.id = member.id and alerts.landing.item = 0
),
widest as (
  select incident from members group by incident
  order by count(distinct product) desc, count(*) desc, incident desc limit 1
)
select incident, title, strftime(created, '%Y-%m-%d %H:%M') as created, product, severity, alert
from members semi join widest using (incident) order by created, alert;"""


class LakeQueries:
    """Queries a lake through the views that the package ships."""

    def __init__(self, lake: Path) -> None:
        self._lake = lake

    @property
    def can_run(self) -> bool:
        """Whether DuckDB is installed."""
        return util.find_spec("duckdb") is not None

    def check_events(self, sent: Mapping[str, int]) -> None:
        """Compare the view with the distinct records that were sent, dataset by dataset.

        Raises:
            LocalAirflowError: a record is missing or occurs twice.
        """
        for dataset, count in sent.items():
            [(found,)] = self._rows(f"select count(*) from events('{self._lake}', '{dataset}')")[1]  # noqa: S608
            if found != count:
                raise LocalAirflowError(
                    f"The view shows {found} events of {dataset}, but {count} different ones were sent."
                )

    def show_products(self) -> None:
        """Print a query over the alerts of all products, and its rows."""
        self._show(_PRODUCTS)

    def show_incident(self) -> None:
        """Print a query for the alerts of the incident that most products have found, and its rows."""
        self._show(_INCIDENT)

    def show_worst_hosts(self) -> None:
        """Print a query that joins alerts and events, and its rows."""
        self._show(_WORST_HOSTS)

    def _show(self, text: str) -> None:
        query = text.format(lake=self._lake)
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
