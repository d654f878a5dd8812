"""Land alerts of Microsoft Defender every 15 minutes, as ECS Parquet partitions.

Source: Microsoft Graph, with the alerts of all Defender products, if the application has its role
`SecurityAlert.Read.All` or the lake already has a log of Graph's alerts; otherwise the Defender for Endpoint
API, with endpoint alerts only, and a warning. To decide yourself, set `source` to "graph_alerts" or
"endpoint_alerts".
Date: by Microsoft's message MC1220762, the Endpoint API stops on 2027-02-01 (see docs/move_to_graph.md).

Copy this file into your DAGs folder. It needs:

* a connection `defender_default` of type *Microsoft Defender* (tenant ID, client ID, client secret), and
* the Airflow variable `defender_lake`: the root of your lake, for example `s3://aws_default@bucket/lake`,
  `abfss://azure_default@container/lake` or `file:///data/lake`.

Scheduled and manual runs continue from the watermark in the lake. To land a past window, start a backfill in
the UI (or with `airflow backfill create --dag-id defender_alerts …`), or trigger one run with `since` and
`until`.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow.sdk import DAG, Param

from airflow_provider_defender.operators.alerts import DefenderAlertsToParquetOperator
from airflow_provider_defender.timetables import CronDataIntervalTimetable

with DAG(
    dag_id="defender_alerts",
    # With a bare cron string, Airflow 3 makes empty data intervals, and backfills would read nothing.
    schedule=CronDataIntervalTimetable("*/15 * * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,  # one run reads everything since the watermark
    max_active_runs=1,  # only one run at a time can move the watermark; backfills have a separate limit
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
        source="auto",
        defender_conn_id="defender_default",
        lake="{{ var.value.get('defender_lake', '') }}",
        since="{{ params.since or '' }}",
        until="{{ params.until or '' }}",
        max_active_tis_per_dag=1,  # all runs share the API's quota
    )
