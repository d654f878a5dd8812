"""Alerts of Microsoft Defender for Endpoint, landed every 15 minutes as ECS Parquet partitions.

Copy this file into your DAGs folder. It needs

* a connection `defender_default` of type *Microsoft Defender* (tenant ID, client ID, client secret), and
* the Airflow variable `defender_lake`: the root of your lake, for example `s3://aws_default@bucket/lake`,
  `abfss://azure_default@container/lake` or `file:///data/lake`.

Scheduled and manual runs go on from the watermark in the lake. To land a past window, start a backfill in the
UI (or `airflow backfill create --dag-id defender_alerts …`), or trigger one run with `since` and `until`.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow.sdk import DAG, Param

from airflow_provider_defender.compat import CronDataIntervalTimetable
from airflow_provider_defender.operators.alerts import DefenderAlertsToParquetOperator

with DAG(
    dag_id="defender_alerts",
    # A bare cron string would give Airflow 3 empty data intervals, and backfills nothing to read.
    schedule=CronDataIntervalTimetable("*/15 * * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,  # the watermark catches up by itself, in one run
    max_active_runs=1,  # one run at a time moves the watermark; backfills have a limit of their own
    default_args={"retries": 3, "retry_delay": timedelta(minutes=5)},
    params={
        "since": Param(
            None,
            type=["null", "string"],
            format="date-time",
            title="Start of the window (UTC)",
            description="Leave empty to go on from the watermark.",
        ),
        "until": Param(
            None,
            type=["null", "string"],
            format="date-time",
            title="End of the window (UTC)",
            description="Empty: now.",
        ),
    },
    tags=["defender", "security"],
    doc_md=__doc__,
):
    DefenderAlertsToParquetOperator(
        task_id="land_alerts",
        defender_conn_id="defender_default",
        lake="{{ var.value.get('defender_lake', '') }}",
        since="{{ params.since or '' }}",
        until="{{ params.until or '' }}",
        max_active_tis_per_dag=1,  # all runs share the API's quota
    )
