"""The little that differs between Airflow 3.1, 3.2 and 3.3."""

from __future__ import annotations

try:  # 3.2 and newer; light
    from airflow.sdk.exceptions import AirflowFailException
except ImportError:  # 3.1
    from airflow.exceptions import AirflowFailException  # type: ignore[no-redef,attr-defined,unused-ignore]

__all__ = ["AirflowFailException"]
