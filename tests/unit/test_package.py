"""What Airflow sees of the package, what importing it costs, and what the wheel holds."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_defender.assets import defender_asset
from airflow_provider_defender.provider_info import get_provider_info

ROOT = Path(__file__).parents[2]
HEAVY = ("pyarrow", "msal", "requests", "confluent_kafka")


def run_python(code: str) -> Any:
    """Run code in a fresh interpreter; what its last line printed, as JSON."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


# Provider info ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["provider_info.schema.json", "provider.yaml.schema.json"])
def test_provider_info_fits_airflows_schemas(name: str) -> None:
    import airflow
    import jsonschema

    schema = json.loads((Path(airflow.__path__[0]) / name).read_text())
    info = get_provider_info()
    if name == "provider.yaml.schema.json":  # of connection types it describes more than the runtime schema
        schema = {**schema["properties"]["connection-types"], "definitions": schema.get("definitions", {})}
        info = info["connection-types"]
        if "conn-fields" not in json.dumps(schema):
            pytest.skip("this Airflow (before 3.2) describes no connection fields")
    jsonschema.validate(info, schema)


def _dotted(info: dict[str, Any]) -> Iterator[str]:
    for kind in ("operators", "sensors", "hooks"):
        for entry in info[kind]:
            yield from entry["python-modules"]
    for connection in info["connection-types"]:
        yield connection["hook-class-name"]


@pytest.mark.parametrize("path", list(_dotted(get_provider_info())))
def test_everything_that_provider_info_names_exists(path: str) -> None:
    try:
        importlib.import_module(path)
    except ModuleNotFoundError:
        module, _, name = path.rpartition(".")
        assert hasattr(importlib.import_module(module), name)


def test_hooks_and_provider_info_name_the_same_connection_types() -> None:
    for connection in get_provider_info()["connection-types"]:
        module, _, name = connection["hook-class-name"].rpartition(".")
        hook = getattr(importlib.import_module(module), name)
        assert hook.conn_type == connection["connection-type"]
        assert hook.hook_name == connection["hook-name"]


def test_every_connection_field_is_described_by_its_hook() -> None:
    from airflow_provider_defender.hooks import DefenderEndpointHook, EntraIdHook, EventHubHook

    described = "".join(hook.__doc__ or "" for hook in (EntraIdHook, DefenderEndpointHook, EventHubHook))
    for connection in get_provider_info()["connection-types"]:
        for field in connection["conn-fields"]:
            assert f"`{field}`" in described


def test_secret_fields_are_masked_by_airflow() -> None:
    """Airflow masks extras by their names; a form's `format: password` hides them on the screen only."""
    keywords = ("secret", "password", "passphrase", "private_key", "token")
    for connection in get_provider_info()["connection-types"]:
        for name, field in connection["conn-fields"].items():
            if field["schema"].get("format") == "password":
                assert any(keyword in name for keyword in keywords)


def test_provider_discovery_imports_nothing_of_airflow() -> None:
    code = (
        "import json, sys\n"
        "from airflow_provider_defender.provider_info import get_provider_info\n"
        "get_provider_info()\n"
        "print(json.dumps([name for name in sys.modules if name.partition('.')[0] == 'airflow']))"
    )
    assert run_python(code) == []


@pytest.fixture(scope="module")
def listed() -> tuple[dict[str, Any], dict[str, str]]:
    """What Airflow's manager of providers knows of this one, and the names of all hooks."""
    code = (
        "import json\n"
        "from airflow.providers_manager import ProvidersManager\n"
        "manager = ProvidersManager()\n"
        "hooks = {name: hook.hook_name for name, hook in manager.hooks.items() if hook}\n"
        "print(json.dumps([manager.providers['airflow-provider-defender'].data, hooks]))"
    )
    info, hooks = run_python(code)
    return info, hooks


def test_airflow_lists_the_provider_and_its_connection_types(
    listed: tuple[dict[str, Any], dict[str, str]],
) -> None:
    _, hooks = listed
    assert hooks["defender"] == "Microsoft Defender"
    assert hooks["entra_id"] == "Microsoft Entra ID"
    assert hooks["event_hub"] == "Azure Event Hubs"


# Imports ------------------------------------------------------------------------------------------

_DAG_CODE = [
    f"runpy.run_path({str(ROOT / 'dags' / 'defender_alerts.py')!r})",
    f"runpy.run_path({str(ROOT / 'dags' / 'defender_events.py')!r})",
    f"runpy.run_path({str(ROOT / 'dags' / 'defender_incidents.py')!r})",
    f"runpy.run_path({str(ROOT / 'dags' / 'defender_lake.py')!r})",
    "import airflow_provider_defender.operators",
    "import airflow_provider_defender.sensors",
]
_IMPORT_EACH = """
import json, multiprocessing, runpy, sys
import airflow.sdk
from airflow.sdk import DAG, BaseOperator, BaseSensorOperator, Param
before = set(sys.modules)
def imported(code):
    exec(code)
    return sorted(set(sys.modules) - before)
with multiprocessing.get_context("fork").Pool(1, maxtasksperchild=1) as pool:
    print(json.dumps({{code: pool.apply(imported, (code,)) for code in {codes!r}}}))
"""


@pytest.fixture(scope="module")
def loaded() -> dict[str, list[str]]:
    """For each piece of code the modules that it loads, in a process where only Airflow's SDK is."""
    found: dict[str, list[str]] = run_python(_IMPORT_EACH.format(codes=_DAG_CODE))
    return found


@pytest.mark.parametrize("code", _DAG_CODE)
def test_parsing_a_dag_loads_nothing_heavy(loaded: dict[str, list[str]], code: str) -> None:
    """P12; `make bench` measures the seconds."""
    new = loaded[code]
    roots = {name.partition(".")[0] for name in new}
    assert new
    assert roots.isdisjoint(HEAVY)
    if not _needs_core_timetables():
        assert roots.isdisjoint(("fsspec", "sqlalchemy", "msgspec"))
        assert len(new) < 60


def _needs_core_timetables() -> bool:
    import airflow.sdk

    return not hasattr(airflow.sdk, "CronDataIntervalTimetable")  # before 3.2


@pytest.mark.parametrize("package", ["ecs", "lake"])
def test_the_pure_packages_import_neither_airflow_nor_each_other(package: str) -> None:
    code = (
        "import json, sys\n"
        f"import airflow_provider_defender.{package} as package\n"
        "[getattr(package, name) for name in package.__all__]\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    modules = run_python(code)
    other = {"ecs": "lake", "lake": "ecs"}[package]
    assert not [name for name in modules if name.partition(".")[0] == "airflow"]
    for forbidden in (other, "hooks", "operators"):
        assert f"airflow_provider_defender.{forbidden}" not in modules


def test_the_asset_is_what_airflow_would_make_of_its_uri() -> None:
    from airflow.sdk import Asset

    uri = "defender://defender_default/alerts"
    assert defender_asset("defender_default", "alerts") == Asset(name=uri, uri=uri, group="defender")


@pytest.mark.parametrize("package", ["ecs", "hooks", "lake", "operators", "sensors", "simulator"])
def test_all_names_of_a_package_are_there_and_no_other_public_ones(package: str) -> None:
    module = importlib.import_module(f"airflow_provider_defender.{package}")
    for name in module.__all__:
        assert hasattr(module, name)
    assert sorted(module.__all__) == sorted(set(module.__all__))


# The wheel ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wheel_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    [path] = folder.glob("*.whl")
    return path


@pytest.fixture
def wheel(wheel_file: Path) -> Iterator[zipfile.ZipFile]:
    with zipfile.ZipFile(wheel_file) as wheel:
        yield wheel


def test_the_wheel_carries_the_dags_as_they_are(wheel: zipfile.ZipFile) -> None:
    for dag in (ROOT / "dags").glob("*.py"):
        assert wheel.read(f"airflow_provider_defender/example_dags/{dag.name}") == dag.read_bytes()


def test_an_installed_wheel_copies_the_dags_and_prints_the_views(wheel_file: Path, tmp_path: Path) -> None:
    installed = tmp_path / "site"
    install = [
        "pip",
        "install",
        "--quiet",
        "--offline",
        "--no-deps",
        "--target",
        str(installed),
        str(wheel_file),
    ]
    subprocess.run([sys.executable, "-m", "uv", *install], check=True, capture_output=True)

    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", "airflow_provider_defender", *arguments]
        done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=installed)
        return done.stdout

    run("copy-dags", str(tmp_path / "dags"))
    copies = {path.name: path.read_bytes() for path in (tmp_path / "dags").iterdir()}
    assert copies == {path.name: path.read_bytes() for path in (ROOT / "dags").glob("*.py")}
    assert "macro latest_alerts" in run("sql")


def test_the_wheel_names_our_own_pages(wheel: zipfile.ZipFile) -> None:
    """The package index and Airflow's list of providers link to these."""
    [metadata] = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    lines = wheel.read(metadata).decode().splitlines()
    urls = dict(
        line.removeprefix("Project-URL: ").split(", ") for line in lines if line.startswith("Project-URL")
    )
    assert {"Documentation", "Source", "Issues", "Changelog"} <= set(urls)
    assert all("airflow-provider-defender" in url for url in urls.values())


@pytest.mark.skipif(version("apache-airflow").startswith("3.1."), reason="Airflow 3.1 shows no such link")
def test_airflow_links_to_our_own_documentation(listed: tuple[dict[str, Any], dict[str, str]]) -> None:
    assert listed[0]["documentation-url"].startswith("https://github.com/airflow-provider-defender/")


def test_the_wheel_carries_types_data_and_licences(wheel: zipfile.ZipFile) -> None:
    names = wheel.namelist()
    assert "airflow_provider_defender/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if name.startswith(("tests/", "docs/", "benchmarks/"))]
    files = (ROOT / "airflow_provider_defender").rglob("*")
    packaged = {str(path.relative_to(ROOT)) for path in files if path.suffix in (".json", ".sql")}
    assert packaged <= set(names)
