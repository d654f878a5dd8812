"""Land events of Microsoft Defender from an event hub every 15 minutes, as ECS Parquet partitions.

Copy this file into your DAGs folder. It needs:

* a connection `event_hub_default` of type *Azure Event Hubs* (namespace, hub and credentials), and
* the Airflow variable `defender_lake`: the root of your lake, for example `s3://aws_default@bucket/lake`,
  `abfss://azure_default@container/lake` or `file:///data/lake`.

Each run continues from the offsets in the lake. One task reads all hub partitions, unless more than 20,000
messages wait: then up to `groups` tasks share the hub partitions, and each of them writes files of its own.
To land what entered the hub in a past window, start a backfill in the UI (or with
`airflow backfill create --dag-id defender_events …`), or trigger one run with `since` and `until`.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow.sdk import DAG, Param

from airflow_provider_defender.assets import defender_asset
from airflow_provider_defender.operators.event_hub import (
    EventHubPartitionsOperator,
    EventHubToParquetOperator,
)
from airflow_provider_defender.timetables import CronDataIntervalTimetable

EVENTS = defender_asset("event_hub_default", "events/default")
# Both tasks get them, so that the first one counts the messages that the mapped ones read.
LAKE = "{{ var.value.get('defender_lake', '') }}"
SINCE = "{{ params.since or '' }}"
UNTIL = "{{ params.until or '' }}"

with DAG(
    dag_id="defender_events",
    # With a bare cron string, Airflow 3 makes empty data intervals, and backfills would read nothing.
    schedule=CronDataIntervalTimetable("*/15 * * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,  # one run reads everything since the offsets in the lake
    max_active_runs=1,  # only one run at a time can move the offsets; backfills have a separate limit
    default_args={"retries": 3, "retry_delay": timedelta(minutes=1)},
    params={
        "since": Param(
            None,
            type=["null", "string"],
            format="date-time",
            title="Start of the window (UTC)",
            description="Leave empty to go on from the offsets in the lake.",
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
    partitions = EventHubPartitionsOperator(
        task_id="partitions", groups=4, lake=LAKE, since=SINCE, until=UNTIL
    )

    EventHubToParquetOperator.partial(
        task_id="land_events",
        lake=LAKE,
        since=SINCE,
        until=UNTIL,
        max_duration=timedelta(minutes=30),  # a long backlog lands over several runs
        inlets=[EVENTS],  # Airflow reads a mapped task's assets here
        outlets=[EVENTS],
        map_index_template="partitions {{ task.hub_partitions | join(', ') }}",
    ).expand(hub_partitions=partitions.output)
