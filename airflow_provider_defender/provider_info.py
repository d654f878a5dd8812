"""What Airflow is told about this package. A leaf module: it imports nothing, as discovery runs early."""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Return the provider's description (schema: `airflow/provider_info.schema.json`)."""
    return {
        "package-name": "airflow-provider-defender",
        "name": "Microsoft Defender",
        "description": "Microsoft Defender alerts and events as ECS Parquet partitions in your own data lake.",
    }
