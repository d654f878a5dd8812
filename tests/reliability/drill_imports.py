"""What a run loads, loaded once for all runs of `drills`."""

from __future__ import annotations

import airflow.providers.amazon.aws.fs.s3
import airflow.sdk.io.path
import msal
import pyarrow.parquet
import requests

import airflow_provider_defender.ecs
import airflow_provider_defender.hooks._entra.tokens
import airflow_provider_defender.hooks._rest.client
import airflow_provider_defender.ingest.run
import airflow_provider_defender.lake
import airflow_provider_defender.operators.alerts
import airflow_provider_defender.sources.endpoint_alerts
import airflow_provider_defender.stores.opening
import tests.helpers.airflow

__all__ = ["airflow", "airflow_provider_defender", "msal", "pyarrow", "requests", "tests"]
