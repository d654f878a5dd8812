"""The Airflow assets that stand for what this provider lands."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.sdk import Asset

__all__ = ["defender_asset"]


def defender_asset(conn_id: str, kind: str) -> Asset:
    """Return the asset of one connection's records: `defender://<conn_id>/<kind>`.

    `kind` is `alerts`, `incidents` or `events/<hub>`. The URI depends on nothing that a user tunes, since
    Airflow 3.3 deletes an asset's stored state when its URI changes. The operators declare it as inlet and
    outlet by themselves; mapped operators (`.partial(...).expand(...)`) need it passed in `partial(inlets=…,
    outlets=…)`, as Airflow reads those before an operator is built.
    """
    from airflow.sdk import Asset

    uri = f"defender://{conn_id}/{kind}"
    asset = Asset(name=uri, uri=f"{conn_id}/{kind}", group="defender")
    # The URI is in normal form. Giving it to Asset() would make every DAG parse import the URI handlers of
    # all installed providers (0.6 s with Amazon's), only to find that none is for this scheme.
    object.__setattr__(asset, "uri", uri)
    return asset
