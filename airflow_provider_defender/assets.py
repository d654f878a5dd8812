"""The Airflow assets that stand for what this provider lands."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.sdk import Asset

__all__ = ["defender_asset"]


def defender_asset(conn_id: str, kind: str) -> Asset:
    """Return the asset of one connection's records: `defender://<conn_id>/<kind>`.

    `kind` is `alerts`, `incidents` or `events/<hub>`. The URI does not depend on anything that a user tunes,
    since Airflow 3.3 deletes an asset's stored state when its URI changes. The operators declare the asset as
    inlet and outlet themselves. Mapped operators (`.partial(...).expand(...)`) need it in
    `partial(inlets=…, outlets=…)`, since Airflow reads these before it builds an operator.
    """
    from airflow.sdk import Asset

    uri = f"defender://{conn_id}/{kind}"
    asset = Asset(name=uri, uri=f"{conn_id}/{kind}", group="defender")
    # The URI is normalised already. Passing it to Asset() would make every DAG parse import the URI handlers
    # of all installed providers (0.6 s with Amazon's), only to find that none handles this scheme.
    object.__setattr__(asset, "uri", uri)
    return asset
