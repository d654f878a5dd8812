"""The provider in a real Airflow: scheduler, API server, DAG processor and workers on SQLite."""

from __future__ import annotations

import json
import textwrap
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, TypeVar

import airflow.sdk as airflow_sdk
import pytest

from airflow_provider_defender.simulator import Simulator, Tenant
from airflow_provider_defender.simulator.demo.airflow import LocalAirflow
from airflow_provider_defender.timestamps import datetime_to_ticks, parse_ticks
from tests.helpers.airflow import LakeFolder

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
T = TypeVar("T")

DAGS = {
    "consumer": """
        from airflow.sdk import DAG, task
        from airflow_provider_defender.assets import defender_asset

        with DAG("consumer", schedule=[defender_asset("defender_default", "alerts")], catchup=False):
            @task
            def look(*, triggering_asset_events):
                [events] = triggering_asset_events.values()
                return [event.extra for event in events]

            look()
    """,
    "many_tenants": """
        from airflow.sdk import DAG
        from airflow_provider_defender.assets import defender_asset
        from airflow_provider_defender.operators import DefenderAlertsToParquetOperator

        tenants = ["broken", "defender_default", "second"]
        assets = [defender_asset(tenant, "alerts") for tenant in tenants]
        with DAG("many_tenants", schedule=None, catchup=False):
            DefenderAlertsToParquetOperator.partial(
                task_id="land", lake="{{ var.value.defender_lake }}/many", inlets=assets, outlets=assets
            ).expand(defender_conn_id=tenants)
    """,
    "undeclared": """
        from airflow.sdk import DAG
        from airflow_provider_defender.operators import DefenderAlertsToParquetOperator

        with DAG("undeclared", schedule=None, catchup=False):
            DefenderAlertsToParquetOperator.partial(
                task_id="land", lake="{{ var.value.defender_lake }}/undeclared"
            ).expand(defender_conn_id=["defender_default"])
    """,
    "waiting": """
        from airflow.sdk import DAG
        from airflow_provider_defender.operators import DefenderAlertsToParquetOperator
        from airflow_provider_defender.sensors import DefenderAlertSensor

        lake = "{{ var.value.defender_lake }}/waiting"
        with DAG("waiting", schedule=None, catchup=False):
            DefenderAlertSensor(task_id="wait", lake=lake, poke_interval=2) >> (
                DefenderAlertsToParquetOperator(task_id="land", lake=lake)
            )
    """,
    "refused": """
        from datetime import timedelta
        from airflow.sdk import DAG
        from airflow_provider_defender.operators import DefenderAlertsToParquetOperator

        for connection in ("wrong_secret", "no_role", "unreachable"):
            with DAG(f"refused_{connection}", schedule=None, catchup=False):
                DefenderAlertsToParquetOperator(
                    task_id="land",
                    lake="{{ var.value.defender_lake }}/refused",
                    defender_conn_id=connection,
                    retries=3,
                    retry_delay=timedelta(seconds=1),
                )
    """,
    "throttled": """
        from datetime import timedelta
        from airflow.sdk import DAG
        from airflow_provider_defender.operators import DefenderAlertsToParquetOperator

        with DAG("throttled", schedule=None, catchup=False):
            DefenderAlertsToParquetOperator(
                task_id="land",
                lake="{{ var.value.defender_lake }}/throttled",
                retries=1,
                retry_delay=timedelta(hours=5),
            )
    """,
}
HAS_PARTITIONS = hasattr(airflow_sdk, "CronPartitionTimetable")
if HAS_PARTITIONS:
    DAGS["partitioned"] = """
        from airflow.sdk import DAG, CronPartitionTimetable
        from airflow_provider_defender.operators import DefenderAlertsToParquetOperator

        days = CronPartitionTimetable("0 0 * * *", timezone="Europe/Berlin")
        with DAG("partitioned", schedule=days, catchup=False):
            DefenderAlertsToParquetOperator(task_id="land", lake="{{ var.value.defender_lake }}/partitioned")
    """


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    now = datetime.now(timezone.utc)
    tenant = Tenant(7, alerts=200, history=timedelta(days=6), start=now, running=True)
    with Simulator(tenant=tenant, calls_per_minute=None, calls_per_hour=None) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def second_simulator() -> Iterator[Simulator]:
    tenant = Tenant(8, alerts=20, history=timedelta(days=1), start=datetime.now(timezone.utc))
    with Simulator(tenant=tenant) as simulator:
        yield simulator


def connections(simulator: Simulator, second_simulator: Simulator) -> dict[str, str]:
    good = simulator.connections()["defender_default"]
    no_role = simulator.apps["no role"]
    variants = {
        "defender_default": good,
        "second": second_simulator.connections()["defender_default"],
        "broken": {**good, "password": "not-the-secret-of-this-application"},
        "wrong_secret": {**good, "password": "not-the-secret-of-this-application"},
        "no_role": {**good, "login": no_role.client_id, "password": no_role.client_secret},
        "unreachable": {**good, "host": "127.0.0.1", "port": 1},
    }
    return {f"AIRFLOW_CONN_{name.upper()}": json.dumps(connection) for name, connection in variants.items()}


@pytest.fixture(scope="module")
def airflow(
    simulator: Simulator, second_simulator: Simulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalAirflow]:
    folder = tmp_path_factory.mktemp("airflow")
    dags = folder / "dags"
    dags.mkdir()
    shipped = (ROOT / "dags" / "defender_alerts.py").read_text()
    (dags / "defender_alerts.py").write_text(shipped.replace('"*/15 * * * *"', '"@daily"'))
    for name, text in DAGS.items():
        (dags / f"{name}.py").write_text(textwrap.dedent(text))
    environment = connections(simulator, second_simulator) | {
        "AIRFLOW_VAR_DEFENDER_LAKE": (folder / "lake").as_uri(),
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
    }
    with LocalAirflow(folder / "home", dags, environment) as airflow:
        yield airflow


@pytest.fixture(scope="module")
def lake_root(airflow: LocalAirflow) -> Path:
    return airflow.home.parent / "lake"


def until(ready: Callable[[], T | None], seconds: float = 120) -> T:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if result := ready():
            return result
        time.sleep(0.5)
    raise AssertionError(f"nothing within {seconds} seconds")


def run(airflow: LocalAirflow, dag_id: str, **conf: Any) -> str:
    """Trigger a run and wait for its end; its id."""
    airflow.unpause(dag_id)
    run_id = airflow.trigger(dag_id, **conf)
    until(lambda: state(airflow, dag_id, run_id) in ("success", "failed"))
    return run_id


def state(airflow: LocalAirflow, dag_id: str, run_id: str) -> str:
    answer = airflow.request("GET", f"/dags/{dag_id}/dagRuns/{run_id}")
    return str(answer.json()["state"]) if answer.ok else f"unknown: {answer.text}"  # SQLite may be locked


def tasks(airflow: LocalAirflow, dag_id: str, run_id: str) -> list[dict[str, Any]]:
    found = airflow.request("GET", f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances").json()["task_instances"]
    return sorted(found, key=lambda task: (task["task_id"], task["map_index"]))


def log_of(airflow: LocalAirflow, dag_id: str) -> str:
    return "\n".join(path.read_text() for path in airflow.home.glob(f"logs/dag_id={dag_id}/**/*.log"))


def test_no_dag_has_import_errors(airflow: LocalAirflow) -> None:
    for name in ("defender_alerts", "consumer", "many_tenants", "waiting", "throttled"):
        until(lambda name=name: airflow.request("GET", f"/dags/{name}").ok)  # type: ignore[misc]
    assert airflow.request("GET", "/importErrors").json()["import_errors"] == []


def test_schedule_backfill_and_consumer(airflow: LocalAirflow, simulator: Simulator, lake_root: Path) -> None:
    airflow.unpause("consumer")
    airflow.unpause("defender_alerts")
    [scheduled] = airflow.wait_for_runs("defender_alerts", "scheduled", 1)
    first = airflow.result("defender_alerts", scheduled["dag_run_id"], "land_alerts")
    assert first["window"]["origin"] == "watermark"
    assert first["versions"] > 0

    # An asset-scheduled DAG runs on the commit, and sees what landed.
    [consumed] = airflow.wait_for_runs("consumer", "asset_triggered", 1)
    [extra] = airflow.result("consumer", consumed["dag_run_id"], "look")
    assert extra["rows"] == first["rows"]
    assert extra["watermark_after"] == first["watermark_after"]

    today = datetime.now(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
    airflow.backfill(
        "defender_alerts", (today - timedelta(days=5)).isoformat(), (today - timedelta(days=2)).isoformat()
    )
    filled = [
        airflow.result("defender_alerts", run["dag_run_id"], "land_alerts")
        for run in airflow.wait_for_runs("defender_alerts", "backfill", 4)
    ]
    assert {summary["window"]["origin"] for summary in filled} == {"backfill data interval"}
    assert all(summary["watermark_after"] == first["watermark_after"] for summary in filled)

    lake = LakeFolder(lake_root)
    landed = lake.landed()
    start, end = (datetime_to_ticks(today - timedelta(days=days)) for days in (5, 1))
    watermark = parse_ticks(first["watermark_after"])
    assert watermark is not None
    expected = [
        version
        for version in simulator.graph.portal.alerts
        if start <= version.fields["createdDateTime"] < end and (version.update_ticks or 0) <= watermark
    ]
    assert len(expected) > 100
    assert [version.alert_id for version in expected if version.alert_id not in landed] == []
    assert [row for row, count in lake.versions().items() if count > 1] == []


@pytest.mark.skipif(not HAS_PARTITIONS, reason="this Airflow (before 3.2) has no run partitions")
def test_partitions_are_as_long_as_their_days(airflow: LocalAirflow) -> None:
    until(lambda: airflow.request("GET", "/dags/partitioned").ok)
    airflow.unpause("partitioned")
    airflow.backfill("partitioned", "2025-10-25T00:00:00Z", "2025-10-27T00:00:00Z")
    windows = [
        airflow.result("partitioned", run["dag_run_id"], "land")["window"]
        for run in airflow.wait_for_runs("partitioned", "backfill", 3)
    ]
    assert {window["origin"] for window in windows} == {"backfill partition"}
    # The night in which clocks are set back is in the second.
    assert sorted((window["since"][5:13], window["until"][5:13]) for window in windows) == [
        ("10-24T22", "10-25T22"),
        ("10-25T22", "10-26T23"),
        ("10-26T23", "10-27T23"),
    ]


def test_one_run_lands_an_explicit_window(airflow: LocalAirflow) -> None:
    day = datetime.now(timezone.utc) - timedelta(days=1)
    conf = {"since": f"{day:%Y-%m-%dT%H}:00:00Z", "until": f"{day:%Y-%m-%dT%H}:30:00Z"}
    run_id = run(airflow, "defender_alerts", conf=conf)
    summary = airflow.result("defender_alerts", run_id, "land_alerts")
    assert summary["window"]["origin"] == "explicit since/until"
    assert summary["window"]["since"].startswith(conf["since"][:13])


def test_the_watermark_is_shown_on_the_assets_page(airflow: LocalAirflow) -> None:
    found = airflow.request("GET", "/assets", params={"uri_pattern": "defender_default/alerts"}).json()
    asset_id = found["assets"][0]["id"]
    shown = airflow.request("GET", f"/assets/{asset_id}/state-store")
    if shown.status_code == 404 and "route not found" in shown.text:
        pytest.skip("this Airflow (before 3.3) keeps no asset state")
    stored = json.dumps(shown.json())
    runs = airflow.runs("defender_alerts", "scheduled")
    watermark = airflow.result("defender_alerts", runs[0]["dag_run_id"], "land_alerts")["watermark_after"]
    assert watermark in stored


def test_mapped_tenants_fail_alone(
    airflow: LocalAirflow, simulator: Simulator, second_simulator: Simulator, lake_root: Path
) -> None:
    run_id = run(airflow, "many_tenants")
    assert [task["state"] for task in tasks(airflow, "many_tenants", run_id)] == [
        "failed",
        "success",
        "success",
    ]
    rows = LakeFolder(lake_root / "many").rows()["landing"].combine_chunks()
    assert set(rows.field("tenant").to_pylist()) == {simulator.tenant_id, second_simulator.tenant_id}
    events = airflow.request("GET", "/assets/events", params={"source_dag_id": "many_tenants"}).json()
    names = {event["name"] or event["uri"] for event in events["asset_events"]}
    assert names  # one tenant's failure stops no other's event


def test_a_mapped_operator_without_its_asset_lands_and_warns(airflow: LocalAirflow, lake_root: Path) -> None:
    run_id = run(airflow, "undeclared")
    assert state(airflow, "undeclared", run_id) == "success"
    assert LakeFolder(lake_root / "undeclared").files()
    assert "partial(inlets=" in log_of(airflow, "undeclared")


def test_the_sensor_waits_and_the_operator_follows(airflow: LocalAirflow, lake_root: Path) -> None:
    run_id = run(airflow, "waiting")
    assert [task["state"] for task in tasks(airflow, "waiting", run_id)] == ["success", "success"]
    assert LakeFolder(lake_root / "waiting").files()


@pytest.mark.parametrize(
    ("connection", "advice"),
    [
        ("wrong_secret", "AADSTS7000215"),
        ("no_role", "Alert.Read.All"),
        ("unreachable", "127.0.0.1:1"),
    ],
)
def test_what_no_retry_heals_fails_at_once(
    airflow: LocalAirflow, simulator: Simulator, connection: str, advice: str
) -> None:
    dag_id = f"refused_{connection}"
    run_id = run(airflow, dag_id)
    [task] = tasks(airflow, dag_id, run_id)
    assert (task["state"], task["try_number"]) == ("failed", 1)
    log = log_of(airflow, dag_id)
    assert advice in log
    assert "not-the-secret-of-this-application" not in log


def test_no_secret_or_token_stands_in_any_log(airflow: LocalAirflow, simulator: Simulator) -> None:
    logs = airflow.task_logs() + "".join(path.read_text() for path in airflow.home.glob("*.log"))
    assert simulator.client_secret not in logs
    assert simulator.apps["no role"].client_secret not in logs
    assert '"alg":"RS256"' not in logs
    assert "eyJ0" not in logs


def test_a_long_retry_after_gives_the_slot_back_and_is_kept(
    airflow: LocalAirflow, simulator: Simulator
) -> None:
    from airflow import sdk

    if not hasattr(sdk, "RetryPolicy"):
        pytest.skip("this Airflow (before 3.3) has no retry policies; the task's retry_delay counts")
    simulator.faults.throttle(33)
    run_id = run(airflow, "throttled")
    [task] = tasks(airflow, "throttled", run_id)
    assert (task["state"], task["try_number"]) == ("success", 2)


def test_the_connection_forms_show_named_fields(airflow: LocalAirflow) -> None:
    meta = airflow._session.get(
        f"http://127.0.0.1:{airflow._port}/ui/connections/hook_meta", timeout=30
    ).json()
    forms = {form["connection_type"]: form for form in meta}
    assert forms["defender"]["hook_name"] == "Microsoft Defender"
    fields = forms["defender"]["extra_fields"] or {}
    if not fields:
        pytest.skip("this Airflow (before 3.2) reads no connection fields from provider info")
    assert {"tenant_id", "cloud", "credential", "private_key", "ca_bundle"} <= set(fields)
    assert forms["defender"]["standard_fields"]["login"]["title"] == "Client ID"
    assert forms["entra_id"]["standard_fields"]["host"]["title"] == "Login host"


def test_test_connection_says_for_whom(airflow: LocalAirflow, simulator: Simulator) -> None:
    connection = simulator.connections()["defender_default"]
    body = {**connection, "connection_id": "tried", "extra": json.dumps(connection["extra"])}
    answer = airflow.request("POST", "/connections/test", json=body).json()
    assert answer["status"] is True
    assert simulator.tenant_id in answer["message"]
    assert "Alert.Read.All" in answer["message"]
    assert simulator.client_secret not in json.dumps(answer)


def test_airflow_lists_the_provider(airflow: LocalAirflow) -> None:
    assert "airflow-provider-defender" in airflow.command("providers", "list", "--output", "json")
    details = airflow.command("providers", "get", "airflow-provider-defender", "--full", "--output", "json")
    assert "DefenderEndpointHook" in details
    assert "EntraIdHook" in details
