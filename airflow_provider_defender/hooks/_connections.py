"""Airflow's connections, or an error that no retry is wasted on."""

from __future__ import annotations

from airflow.sdk import BaseHook, Connection

from airflow_provider_defender.compat import AirflowNotFoundException
from airflow_provider_defender.exceptions import ConfigurationError

__all__ = ["find_connection"]


def find_connection(conn_id: str) -> Connection:
    """The connection with this id; raises `ConfigurationError` where there is none."""
    try:
        return BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        raise ConfigurationError(
            f"Connection {conn_id!r} does not exist. Create it under Admin > Connections, by `airflow "
            f"connections add {conn_id}`, or as the environment variable AIRFLOW_CONN_{conn_id.upper()}."
        ) from None
