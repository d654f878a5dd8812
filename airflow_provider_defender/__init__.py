"""Microsoft Defender for Apache Airflow: alerts and events in your own data lake, as ECS Parquet."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
