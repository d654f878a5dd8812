"""Looking up Airflow connections, with errors that are not retried."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial

from airflow.sdk import BaseHook, Connection

from airflow_provider_defender.compat import AirflowNotFoundException
from airflow_provider_defender.exceptions import ConfigurationError
from airflow_provider_defender.hooks._connection.shown import shown_name

__all__ = ["find_connection", "finder"]


def find_connection(conn_id: str, conn_type: str | None = None) -> Connection:
    """Return the connection with this ID, which must be of type `conn_type` (None: of any type).

    Raises `ConfigurationError` if there is none, if its text in the environment is malformed, or if it is of
    another type. Nothing of that text is shown: it may be the secret.
    """
    try:
        connection = BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        raise _not_found(conn_id, conn_type) from None
    if conn_type is None:
        return connection
    if connection.conn_type == "":
        # What Airflow makes of `event_hub://…`: no scheme, so everything goes into the schema.
        raise ConfigurationError(
            f"Connection {conn_id!r} is no valid URI, so all of its fields are lost. It must begin with "
            f"{conn_type.replace('_', '-')}://, since the scheme of a URI may have no underscore; or write "
            "it as JSON."
        )
    if connection.conn_type not in (None, conn_type):
        raise ConfigurationError(
            f"Connection {conn_id!r} is of type {shown_name(connection.conn_type)}, where {conn_type!r} is "
            f"wanted. Name another connection, or choose {conn_type!r} as its connection type."
        )
    return connection


def _not_found(conn_id: str, conn_type: str | None) -> ConfigurationError:
    # An ID that another connection names may be a secret in the wrong field.
    what = shown_name(conn_id)
    name = conn_id if what == repr(conn_id) else "<ID>"
    wanted, variable = conn_type or "…", f"AIRFLOW_CONN_{name.upper()}"
    if variable in os.environ:  # Airflow silently ignores what it cannot read
        return ConfigurationError(
            f"Connection {what}: the environment variable {variable} cannot be read: it is neither a JSON "
            f'object with the fields of a connection, such as {{"conn_type": "{wanted}", …}}, nor a URI '
            "whose parts are percent-encoded."
        )
    return ConfigurationError(
        f"Connection {what} does not exist. Create it under Admin > Connections, by `airflow connections add "
        f"{name}`, or as the environment variable {variable}."
    )


def finder(conn_type: str) -> Callable[[str], Connection]:
    """`find_connection` for one type."""
    return partial(find_connection, conn_type=conn_type)
