"""The properties of an alert that `$filter` of `/api/alerts` knows."""

from __future__ import annotations

from collections.abc import Callable

from airflow_provider_defender.simulator.defender.versions import FILTER_TIMES, FILTER_VALUES, Version
from airflow_provider_defender.simulator.server import odata
from airflow_provider_defender.simulator.server.odata import FilterError, Properties

__all__ = ["FilterError", "compile_filter"]

_ALERT = Properties(
    "Alert",
    times=FILTER_TIMES,
    values=FILTER_VALUES,
    numbers=frozenset({"incidentId", "investigationId"}),
    collections=frozenset({"evidence", "comments", "loggedOnUsers", "mitreTechniques"}),
)


def compile_filter(text: str) -> Callable[[Version], bool]:
    """Compile a filter to a test of alert versions.

    Raises FilterError if the API would refuse it.
    """
    return odata.compile_filter(text, _ALERT)
