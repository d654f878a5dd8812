"""Keep the lake fast and small: every night, merge small files and remove what is too old.

Copy this file into your DAGs folder. It needs the Airflow variable `defender_lake`: the root of your lake, as
for the DAGs that land. It runs beside them, and beside readers.

* Compaction merges the small files of closed hours and days. The rows stay the same.
* A sweep deletes what dead runs have left.
* Open tables are kept in step if the variable `defender_delta_tables` is `true`: a Delta table for each
  dataset, for which the workers need `pip install 'airflow-provider-defender[delta]'`. Compaction and
  retention bring each change into them before they delete files, so their readers notice nothing; the last
  task makes tables that are missing. Without the variable, that task is skipped.
* Retention removes partitions that are older than the variable `defender_retention_days`: a number of days
  for all datasets, or days by dataset as JSON, such as `{"events/*": 90, "alerts": 400}`. Without the
  variable, everything is kept and the task is skipped.

To see what a run would do, trigger one with `dry_run`: its tasks only log their plans.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow.sdk import DAG, Param

from airflow_provider_defender.operators import (
    DeltaTableOperator,
    LakeCompactionOperator,
    LakeRetentionOperator,
    LakeSweepOperator,
)

LAKE = "{{ var.value.get('defender_lake', '') }}"
DRY_RUN = "{{ params.dry_run }}"
DELTA_TABLES = "{{ var.value.get('defender_delta_tables', '') }}"

with DAG(
    dag_id="defender_lake",
    schedule="30 2 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,  # one run does all that there is to do
    max_active_runs=1,  # of two compactions that merge the same files, one would work in vain
    default_args={"retries": 2, "retry_delay": timedelta(minutes=10)},
    params={
        "dry_run": Param(
            False,
            type="boolean",
            title="Dry run",
            description="Only log what would be done, and change nothing.",
        ),
    },
    tags=["defender", "security"],
    doc_md=__doc__,
):
    LakeSweepOperator(task_id="sweep", lake=LAKE, plan_only=DRY_RUN)
    compact = LakeCompactionOperator(
        task_id="compact",
        lake=LAKE,
        plan_only=DRY_RUN,
        delta_tables=DELTA_TABLES,
        execution_timeout=timedelta(hours=6),  # what was committed stays, and the next run goes on
    )
    retain = LakeRetentionOperator(
        task_id="retain",
        lake=LAKE,
        ages="{{ var.value.get('defender_retention_days', '') }}",
        plan_only=DRY_RUN,
        delta_tables=DELTA_TABLES,
    )
    tables = DeltaTableOperator(
        task_id="tables",
        lake=LAKE,
        enabled="{{ '' if params.dry_run else var.value.get('defender_delta_tables', '') }}",
        trigger_rule="none_failed",  # retain may be skipped
    )
    compact >> retain >> tables
