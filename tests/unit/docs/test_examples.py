"""The examples of the documentation, run on a lake that the operator has landed."""

from __future__ import annotations

import ast
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.dataset as ds
import pytest
from airflow.models import DagBag
from airflow.sdk import Connection

from airflow_provider_defender.ecs import registry
from airflow_provider_defender.hooks._endpoint.api import ENDPOINT_API
from airflow_provider_defender.hooks._entra.settings import entra_settings
from airflow_provider_defender.hooks._kafka.settings import event_hub_settings
from airflow_provider_defender.hooks._rest.settings import rest_settings
from airflow_provider_defender.lake import committed_files, follow_delta
from airflow_provider_defender.operators._open_tables import _properties as iceberg_properties
from airflow_provider_defender.simulator import Portal, RecordVersion, Simulator, Version
from tests.helpers.airflow import LakeFolder
from tests.helpers.breadth import first_in_make_test
from tests.helpers.event_hubs import EventLake, MemoryHub

from .lakes import Made, land_events, query
from .pages import PAGES, ROOT, Block, blocks, commands

READABLE = re.compile(r"[\w @]+")
"""A column's name as people read it: no expression, no path."""
NAMESPACE = "contoso-defender.servicebus.windows.net"
SQL_BLOCKS = [block for block in blocks() if block.run == "duckdb"]
READING_PAGES = ("docs/lake.md", "docs/open_tables.md", "docs/iceberg.md")
LAKE_BLOCKS = [block for block in blocks() if block.run == "python" and block.page in READING_PAGES]
DAG_BLOCKS = [
    block for block in blocks() if block.language == "python" and not block.run and "DAG(" in block.text
]


def name_of(value: Any) -> str:
    return f"{value.page}: {value.text.splitlines()[0]}" if isinstance(value, Block) else str(value)


def sql_block(begin: str) -> str:
    [block] = [block for block in SQL_BLOCKS if begin in block.text]
    return block.text


@pytest.mark.parametrize("block", LAKE_BLOCKS, ids=name_of)
@pytest.mark.usefixtures("landed")
def test_examples_of_reading_give_rows(block: Block, capsys: pytest.CaptureFixture[str]) -> None:
    if block.page == "docs/open_tables.md" and "follow_delta" not in block.text:
        follow_delta("lake")
    if block.page == "docs/iceberg.md" and "follow_iceberg" not in block.text:
        exec(next(each.text for each in LAKE_BLOCKS if "follow_iceberg" in each.text), {})
        capsys.readouterr()
    exec(compile(block.text, block.page, "exec"), {})
    assert int(capsys.readouterr().out.split()[0]) > 0


@pytest.mark.parametrize("hour", first_in_make_test([8, 10, 14]))
@pytest.mark.usefixtures("landed")
def test_examples_of_sql_give_rows_with_named_columns_at_any_hour(
    made: Made,
    hub: MemoryHub,
    event_lake: EventLake,
    views: duckdb.DuckDBPyConnection,
    hour: int,
) -> None:
    """DuckDB guesses the type of `hour` by the folders there are: the examples say it."""
    land_events(made, hub, event_lake, hour)
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
        alert.alert_id: (alert.update_time, max(1, len(alert.body["evidence"])))
        for alert in chain[Version | RecordVersion](
            simulator.tenant.alerts, Portal.of(simulator.tenant).alerts
        )
        if alert.body["id"] is not None
    }
    assert {alert: rest for alert, *rest in latest} == {alert: [*rest] for alert, rest in shown.items()}
    assert len(latest) == len(shown)
    assert any(len(versions) > 1 for versions in landed.landed().values())


def found_in(value: Any, names: tuple[str, ...]) -> bool:
    """Whether an item of evidence has one of these properties, at any depth; logged-on users do not count."""
    if isinstance(value, dict):
        inner = [each for name, each in value.items() if name != "loggedOnUsers"]
        return any(value.get(name) for name in names) or found_in(inner, names)
    return isinstance(value, list) and any(found_in(each, names) for each in value)


@pytest.mark.usefixtures("landed")
def test_one_query_lists_the_alerts_of_all_products_once_with_what_their_evidence_names(
    simulator: Simulator, views: duckdb.DuckDBPyConnection
) -> None:
    """Every alert that has a user, a host or a file somewhere in its evidence has it in the column."""
    text = sql_block(")) as users").replace(" limit 100;", ";")
    rows = query(text.replace("select\n", "select\n  any_value(event.id) as id,", 1), views)
    listed = {
        row[0]: dict(zip([each[0] for each in views.description or ()], row, strict=True)) for row in rows
    }
    graph = {alert.alert_id: alert.body for alert in Portal.of(simulator.tenant).alerts}
    endpoint = {alert.alert_id: alert.body for alert in simulator.tenant.alerts if alert.body["id"]}
    assert len(rows) == len(listed)
    assert listed.keys() == graph.keys() | endpoint.keys()
    assert len({row["product"] for row in listed.values()}) > 6
    columns = {
        "users": ("userPrincipalName", "accountName", "userSid", "azureAdUserId"),
        "hosts": ("deviceDnsName", "hostName"),
        "files": ("fileName",),
    }
    missing = [
        (alert_id, column)
        for alert_id, body in graph.items()
        for column, names in columns.items()
        if found_in(body["evidence"], names) and not listed[alert_id][column]
    ]
    assert missing == []
    for alert_id, body in endpoint.items():
        assert alert_id in graph or listed[alert_id]["hosts"] or not body["computerDnsName"]


@pytest.mark.usefixtures("landed")
def test_incidents_are_shown_with_their_alerts(
    simulator: Simulator, views: duckdb.DuckDBPyConnection
) -> None:
    """With the titles of the alerts of all products, since Graph's alerts have landed, too."""
    portal = Portal.of(simulator.tenant)
    rows = query(sql_block("as alert\n  from latest_incidents"), views)
    members = {
        (incident.row_id, alert.row_id, alert.fields["title"])
        for incident in portal.incidents
        for alert in portal.members(incident)
    }
    assert {(row[0], row[3], row[4]) for row in rows} == members
    assert len(rows) == len(members)
    assert len({title for _, _, title in members}) > 10


@pytest.mark.usefixtures("landed")
def test_the_history_of_merged_incidents_is_that_of_all_of_them(
    simulator: Simulator, views: duckdb.DuckDBPyConnection
) -> None:
    portal = Portal.of(simulator.tenant)
    targets = {incident.row_id: incident.fields["redirectIncidentId"] for incident in portal.incidents}
    became = {incident: incident for incident in targets}
    for _ in targets:
        became = {incident: targets.get(last) or last for incident, last in became.items()}
    merged = {last for incident, last in became.items() if last != incident}
    rows = query(sql_block("left join merged_incidents"), views)
    assert {(row[1], row[0]) for row in rows} == {pair for pair in became.items() if pair[1] in merged}
    assert {row[1] for row in rows if row[3] == "redirected"} == {
        one for one, last in targets.items() if last
    }
    assert max(len([each for each in became if became[each] == last]) for last in merged) > 2
    assert len(rows) > len({row[1] for row in rows})  # more than one state of some


def test_reading_exactly_leaves_out_a_commit_under_way(landed: LakeFolder) -> None:
    exact = sql_block("temp table under_way")
    everything = landed.rows().num_rows
    assert query(exact, duckdb.connect()) == [(everything,)]
    *_, newest = (record for record in landed.records() if record["log"].startswith("endpoint_alerts"))
    hide_one_file_of(landed, newest)
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


IMAGINARY = {"airflow_provider_defender.hooks.TicketsHook"}
"""What examples import that the reader is to write."""


def imported_names(text: str) -> Iterator[tuple[str, str]]:
    """(module, name) of what a text imports from our package."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("airflow_provider_defender"):
            yield from ((str(node.module), alias.name) for alias in node.names)


def test_what_python_examples_import_of_ours_exists() -> None:
    texts = [block.text for block in blocks() if block.language == "python"]
    names = {each for text in texts for each in imported_names(text)}
    assert len(names) > 10
    missing = {
        f"{module}.{name}"
        for module, name in names
        if not hasattr(importlib.import_module(module), name) and find_spec(f"{module}.{name}") is None
    }
    assert missing == IMAGINARY


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
    monkeypatch.setattr(Path, "is_file", lambda self: True)
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
            kinds.add(type(entra_settings(connection)).__name__)
        elif connection.conn_id == "iceberg_default":
            monkeypatch.setenv("AIRFLOW_CONN_ICEBERG_DEFAULT", connection.as_json())
            assert iceberg_properties("iceberg_default")["warehouse"] == "lake"
        else:
            api = rest_settings(ENDPOINT_API, "defender", connection, by_id.__getitem__)
            kinds.add(type(api.entra.credential).__name__)
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
    assert {words[0] for words in given} == {"compare-sources", "copy-dags", "sql", "verify"}
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
            [sys.executable, "-m", *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
