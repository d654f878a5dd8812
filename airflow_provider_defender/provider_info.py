"""The provider's metadata for Airflow. Imports nothing of Airflow, since discovery runs early."""

from __future__ import annotations

from typing import Any

from airflow_provider_defender._connection_fields import CONNECTION_TYPES


def get_provider_info() -> dict[str, Any]:
    """Return the provider's description.

    Its schema is Airflow's `provider_info.schema.json`; the connection forms follow `conn-fields` and
    `ui-field-behaviour` of `provider.yaml.schema.json` (read by Airflow 3.2 and newer without importing the
    hooks; 3.1 shows the standard fields and takes the others as JSON).
    """
    return {
        "package-name": "airflow-provider-defender",
        "name": "Microsoft Defender",
        "description": "Microsoft Defender alerts and events as ECS Parquet in your own data lake.",
        "integrations": [
            {
                "integration-name": "Microsoft Defender",
                "external-doc-url": "https://learn.microsoft.com/en-us/defender-xdr/",
                "tags": ["azure"],
            }
        ],
        "operators": [
            {
                "integration-name": "Microsoft Defender",
                "python-modules": [
                    "airflow_provider_defender.operators.alerts",
                    "airflow_provider_defender.operators.event_hub",
                    "airflow_provider_defender.operators.iceberg",
                    "airflow_provider_defender.operators.incidents",
                    "airflow_provider_defender.operators.maintenance",
                    "airflow_provider_defender.operators.tables",
                ],
            }
        ],
        "sensors": [
            {
                "integration-name": "Microsoft Defender",
                "python-modules": [
                    "airflow_provider_defender.sensors.alerts",
                    "airflow_provider_defender.sensors.event_hub",
                    "airflow_provider_defender.sensors.incidents",
                ],
            }
        ],
        "hooks": [
            {
                "integration-name": "Microsoft Defender",
                "python-modules": [
                    "airflow_provider_defender.hooks.entra_id",
                    "airflow_provider_defender.hooks.defender_endpoint",
                    "airflow_provider_defender.hooks.event_hub",
                    "airflow_provider_defender.hooks.graph_security",
                ],
            }
        ],
        "config": {
            "defender": {
                "description": "Microsoft Defender.",
                "options": {
                    "trusted_hosts": {
                        "description": (
                            "Hosts outside Microsoft's clouds that may receive a token of the worker's own "
                            "identity (managed or workload identity): host[:port], separated by commas."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "defender-proxy.example.com",
                        "default": "",
                    },
                    "max_page_mebibytes": {
                        "description": (
                            "The largest page of alerts that is accepted, uncompressed, in MiB. A page holds "
                            "up to 10,000 alerts with their evidence."
                        ),
                        "version_added": "0.1.0",
                        "type": "integer",
                        "example": "512",
                        "default": "256",
                    },
                },
            }
        },
        "connection-types": [each.provider_info() for each in CONNECTION_TYPES.values()],
    }
