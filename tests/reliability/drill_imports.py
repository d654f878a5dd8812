"""What a run loads, loaded once for all runs of `drills`."""

from __future__ import annotations

import airflow.providers.amazon.aws.fs.s3
import airflow.sdk.io.path
import msal
import pyarrow.parquet
import requests

import airflow_provider_defender.ecs
import airflow_provider_defender.hooks._api
import airflow_provider_defender.hooks._tokens
import airflow_provider_defender.lake
import airflow_provider_defender.operators._drain
import airflow_provider_defender.operators.alerts
import tests.unit.airflow_fixtures

__all__ = ["airflow", "airflow_provider_defender", "msal", "pyarrow", "requests", "tests"]
