"""The examples of the documentation, run on a lake that the operator has landed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from importlib import resources
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.dataset as ds
import pytest
from airflow.models import DagBag
from airflow.sdk import Connection

from airflow_provider_defender.ecs import registry
from airflow_provider_defender.hooks import _settings
from airflow_provider_defender.hooks._kafka_settings import event_hub_settings
from airflow_provider_defender.lake import committed_files
from airflow_provider_defender.simulator import Simulator, Tenant
from airflow_provider_defender.simulator.events import EventStream
from tests.unit.airflow_fixtures import START, LakeFolder, land
from tests.unit.event_fixtures import EventLake, MemoryHub, drain

from .pages import PAGES, ROOT, Block, blocks, commands

READABLE = re.compile(r"[\w @]+")
"""A column's name as people read it: no expression, no path."""
NAMESPACE = "contoso-defender.servicebus.windows.net"
SQL_BLOCKS = [block for block in blocks() if block.run == "duckdb"]
LAKE_BLOCKS = [block for block in blocks() if block.run == "python" and block.page == "docs/lake.md"]
DAG_BLOCKS = [
    block for block in blocks() if block.language == "python" and not block.run and "DAG(" in block.text
]


def name_of(value: Any) -> str:
    return f"{value.page}: {value.text.splitlines()[0]}" if isinstance(value, Block) else str(value)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return Made(tmp_path_factory.mktemp("made") / "lake")


class Made:
    """A tenant and its lake of two commits, with changed alerts, odd values and a reject: landed once."""

    def __init__(self, path: Path) -> None:
        self.lake = LakeFolder(path)
        self.tenant: Tenant | None = None

    def shown_by(self, simulator: Simulator) -> None:
        """Let the simulator show the tenant as it is after both commits."""
        if self.tenant is not None:
            simulator.tenant = self.tenant
            return
        simulator.tenant = tenant = Tenant(
            7, alerts=100, history=timedelta(days=5), start=START, late_share=0.0
        )
        land(self.lake, initial_lookback=timedelta(days=5))
        tenant.update_many([alert.alert_id for alert in tenant.alerts[:9]], status="Resolved")
        tenant.add_alert(severity="High", evidence=2, somethingNew=1, firstEventTime="yesterday")
        tenant.add_raw(b'{"id":null,"severity":"High"}')
        tenant.advance(timedelta(minutes=1))
        assert land(self.lake)["rejects"] == 1
        self.tenant = tenant


@pytest.fixture
def landed(simulator: Simulator, lake: LakeFolder, made: Made, monkeypatch: pytest.MonkeyPatch) -> LakeFolder:
    """A copy of the lake, in the current folder."""
    made.shown_by(simulator)
    shutil.copytree(made.lake.path, lake.path)
    monkeypatch.chdir(lake.path.parent)
    return lake


def land_events(tenant: Tenant, hub: MemoryHub, lake: EventLake, hour: int) -> None:
    """Two drains of a tenant's hub at this hour, with all tables, duplicates and odd messages."""
    hub.now = hub.now.replace(hour=hour, minute=20)
    stream = EventStream(7, tenant=tenant, start=hub.now, repeats=0.2, odd=0.05)
    for number, value in enumerate(stream.messages(150)):
        hub.send(value, number % 2)
        if number == 99:
            drain(lake)
    assert drain(lake)["rejects"]


@pytest.fixture
def views() -> duckdb.DuckDBPyConnection:
    """DuckDB with the views that the package ships."""
    connection = duckdb.connect()
    connection.execute(resources.files("airflow_provider_defender.lake").joinpath("views.sql").read_text())
    return connection


def query(text: str, connection: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
    """Run the statements and return the last one's rows."""
    rows: list[tuple[Any, ...]] = []
    for statement in duckdb.extract_statements(text):
        rows = connection.execute(statement).fetchall()
    return rows


def sql_block(begin: str) -> str:
    [block] = [block for block in SQL_BLOCKS if begin in block.text]
    return block.text


@pytest.mark.parametrize("block", LAKE_BLOCKS, ids=name_of)
@pytest.mark.usefixtures("landed")
def test_examples_of_reading_give_rows(block: Block, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(block.text, block.page, "exec"), {})
    assert int(capsys.readouterr().out.split()[0]) > 0


@pytest.mark.parametrize("hour", [8, 10, 14])
@pytest.mark.usefixtures("landed")
def test_examples_of_sql_give_rows_with_named_columns_at_any_hour(
    simulator: Simulator,
    hub: MemoryHub,
    event_lake: EventLake,
    views: duckdb.DuckDBPyConnection,
    hour: int,
) -> None:
    """DuckDB guesses the type of `hour` by the folders there are: the examples say it."""
    land_events(simulator.tenant, hub, event_lake, hour)
    empty, unreadable = [], []
    for block in SQL_BLOCKS:
        if not query(block.text, views):
            empty.append(block.text)
        names = [str(column[0]) for column in views.description or ()]
        if len(names) != len(set(names)) or not all(map(READABLE.fullmatch, names)):
            unreadable.append((block.page, names))
    assert (empty, unreadable) == ([], [])
    assert len(SQL_BLOCKS) > 20


def test_examples_of_sql_read_partitions_only_and_say_their_types() -> None:
    for block in [each for each in blocks() if each.language in ("sql", "text") and ".parquet" in each.text]:
        for glob, options in re.findall(r"'(lake/(?:alerts|events)/[^']*parquet)'([^;]*)", block.text):
            assert "/date=*/" in glob, block
            assert glob.startswith("lake/alerts/") or "/date=*/hour=*/" in glob, block
            if re.search(r"\bhour\b(?!=)", block.text):
                assert "hive_types = {'date': 'date', 'hour': 'int'}" in options, block
    for page in PAGES:
        assert "/*/*.parquet" not in re.sub(r"(date|hour)=\*/\*\.parquet", "", page.read_text()), page


def test_the_latest_state_is_what_the_tenant_shows(
    simulator: Simulator, landed: LakeFolder, views: duckdb.DuckDBPyConnection
) -> None:
    latest = query(
        "select event.id, landing.version, count(*) from latest_alerts('lake') group by all", views
    )
    shown = {
        (alert.alert_id, alert.update_time, max(1, len(alert.body["evidence"])))
        for alert in simulator.tenant.alerts
        if alert.body["id"] is not None
    }
    assert set(latest) == shown
    assert any(len(versions) > 1 for versions in landed.landed().values())


def test_reading_exactly_leaves_out_a_commit_under_way(landed: LakeFolder) -> None:
    exact = sql_block("temp table under_way")
    everything = landed.rows().num_rows
    assert query(exact, duckdb.connect()) == [(everything,)]
    hide_one_file_of(landed, landed.records()[-1])
    [(rows,)] = query(exact, duckdb.connect())
    assert rows == ds.dataset(committed_files(landed.path, "alerts")).count_rows() < landed.rows().num_rows


def hide_one_file_of(lake: LakeFolder, record: dict[str, Any]) -> None:
    """As if the run that made this commit were moving its files right now."""
    assert len(record["added"]) > 1
    path = Path(record["added"][0]["path"])
    staging = lake.path / "_defender" / record["log"] / "staging" / record["token"]
    staging.mkdir(parents=True)
    number = path.stem.rpartition("-")[2]
    shutil.move(lake.path / path, staging / f"{number}.staged")


@pytest.fixture
def mappings_as_before() -> Iterator[None]:
    before = dict(registry._MAPPINGS)
    yield
    registry._MAPPINGS.clear()
    registry._MAPPINGS.update(before)


@pytest.mark.usefixtures("mappings_as_before")
@pytest.mark.parametrize(
    "block", [each for each in blocks() if each.run == "python" and each not in LAKE_BLOCKS], ids=name_of
)
def test_python_examples_run(block: Block) -> None:
    exec(compile(block.text, block.page, "exec"), {})


@pytest.mark.parametrize("block", [each for each in blocks() if each.language == "python"], ids=name_of)
def test_python_examples_compile(block: Block) -> None:
    compile(block.text, block.page, "exec")


def test_dag_examples_are_imported_by_airflow(tmp_path: Path) -> None:
    for number, block in enumerate(DAG_BLOCKS):
        (tmp_path / f"example_{number}.py").write_text(block.text)
    bag = DagBag(str(tmp_path))
    assert bag.import_errors == {}
    assert len(bag.dags) == len(DAG_BLOCKS) > 4
    assert all(dag.tasks for dag in bag.dags.values())


# Commands -----------------------------------------------------------------------------------------


def connections() -> list[tuple[str, Connection]]:
    found = []
    for page, words in commands():
        if words[:3] == ["airflow", "connections", "add"]:
            values = json.loads(words[words.index("--conn-json") + 1])
            found.append((page, Connection.from_json(json.dumps(values), conn_id=words[3])))
    return found


def test_connection_examples_are_read_by_the_hooks(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_settings.Path, "is_file", lambda self: True)
    examples = connections()
    by_id = {connection.conn_id: connection for _, connection in examples}
    kinds = set()
    for _, connection in examples:
        extra = connection.extra_dejson
        if extra.get("ca_bundle"):
            connection.extra = json.dumps({**extra, "ca_bundle": simulator.ca_bundle})
        if connection.conn_type == "event_hub":
            settings = event_hub_settings(connection, by_id.__getitem__)
            assert (settings.servers, settings.hub) == (f"{NAMESPACE}:9093", "defender")
        elif connection.conn_type == "entra_id":
            kinds.add(type(_settings.entra_settings(connection)).__name__)
        else:
            kinds.add(
                type(_settings.defender_settings(connection, by_id.__getitem__).entra.credential).__name__
            )
    assert kinds == {"Certificate", "ClientSecret", "EntraSettings", "ManagedIdentity", "WorkloadIdentity"}


def test_airflow_takes_the_commands() -> None:
    from airflow.cli.cli_parser import get_parser

    parser = get_parser()
    given = [words for _, words in commands() if words[0] == "airflow"]
    assert {words[1] for words in given} >= {
        "backfill",
        "connections",
        "dags",
        "pools",
        "providers",
        "variables",
    }
    for words in given:
        parser.parse_args(words[1:])  # exits where it is wrong


def test_our_own_command_line_takes_the_commands() -> None:
    from airflow_provider_defender.__main__ import _parser

    module = ["python", "-m", "airflow_provider_defender"]
    given = [words[3:] for _, words in commands() if words[:3] == module]
    assert {words[0] for words in given} == {"copy-dags", "sql"}
    for words in given:
        _parser().parse_args(words[: words.index(">")] if ">" in words else words)  # exits where it is wrong


def test_make_has_the_targets() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = {words[1] for _, words in commands() if words[0] == "make" and len(words) > 1}
    assert {"demo", "test"} <= targets
    assert [target for target in targets if f"\n{target}:" not in makefile] == []


# A user's own test --------------------------------------------------------------------------------


@pytest.mark.system
def test_the_example_of_a_users_test(tmp_path: Path) -> None:
    [block] = [block for block in blocks() if block.run == "pytest"]
    (tmp_path / "test_example.py").write_text(block.text)
    shutil.copytree(ROOT / "dags", tmp_path / "dags")
    home = tmp_path / "home"
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path / "dags"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
    }
    home.mkdir()
    for arguments in (
        ["airflow", "db", "migrate"],
        ["pytest", "-q", "-p", "no:cacheprovider", "test_example.py"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
