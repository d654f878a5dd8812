"""What the documentation says about the code: tables, names, references and links."""

from __future__ import annotations

import json
import re
from types import ModuleType
from typing import Any

import pytest

from airflow_provider_defender import exceptions, lake, operators, sensors
from airflow_provider_defender.compat import AirflowFailException
from airflow_provider_defender.operators import DefenderAlertsToParquetOperator
from airflow_provider_defender.provider_info import get_provider_info
from airflow_provider_defender.simulator import Simulator
from tests.helpers.airflow import LakeFolder, land

from .pages import PAGES, ROOT

REPOSITORY = "https://github.com/airflow-provider-defender/airflow-provider-defender"


@pytest.mark.parametrize("kind", get_provider_info()["connection-types"], ids=lambda kind: kind["hook-name"])
def test_the_tables_of_fields_say_what_the_form_says(kind: dict[str, Any]) -> None:
    import code_tables

    table = code_tables.connection_fields(kind["connection-type"])
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if "<br>" in line]
    by_name = {name.strip("`"): (label, *row[1:]) for row in rows for label, name in [row[0].split("<br>")]}
    standard = kind["ui-field-behaviour"]["relabeling"]
    assert list(by_name) == [*standard, *kind["conn-fields"]]
    assert {name: by_name[name][0] for name in standard} == standard
    for name, field in kind["conn-fields"].items():
        label, default, meaning = by_name[name]
        assert label == field["label"]
        assert meaning.replace("`", "").replace("*", "").startswith(field["description"])
        if "default" in field["schema"]:
            assert default.strip("`").lower() == str(field["schema"]["default"]).lower()
        assert f"**{field['schema']['section']}**" in table


def test_every_option_is_in_the_table_with_its_default() -> None:
    import code_tables

    table = code_tables.operator_options()
    operator = DefenderAlertsToParquetOperator(task_id="land", lake="file:///lake")
    rows = {row.split("`")[1]: row for row in table.splitlines()[2:]}
    assert {name for name in vars(operator) if name in rows} == set(rows)
    assert "timedelta(minutes=15)" in rows["overlap"]
    assert "required" in rows["lake"]
    templated = {name for name, row in rows.items() if "(templated)" in row}
    assert templated == set(operator.template_fields)


@pytest.mark.parametrize("package", [operators, sensors])
def test_every_option_has_a_meaning(package: ModuleType) -> None:
    import code_tables

    for name in package.__all__:
        table = code_tables.option_defaults(getattr(package, name))
        rows = [line.replace("\\|", "").split("|") for line in table.splitlines()[2:]]
        assert [row[1] for row in rows if not row[3].strip()] == []


@pytest.mark.parametrize("name", [*operators.__all__, *sensors.__all__])
def test_operators_and_sensors_say_what_they_do_and_raise(name: str) -> None:
    import code_tables

    assert code_tables.about(name)
    assert "**Raises:**" in code_tables.outcome(name)


@pytest.mark.parametrize(
    "name", ["clouds", "entra-advice", "api-refusals", "landing-columns", "simulator-help", "store-errors"]
)
def test_tables_have_content(name: str) -> None:
    import code_tables

    assert len(code_tables.TABLES[name]().splitlines()) > 5


@pytest.mark.parametrize("source", ["endpoint_alerts", "graph_alerts", "graph_incidents"])
def test_the_mapping_tables_have_every_field(source: str) -> None:
    import code_tables

    from airflow_provider_defender.ecs.document import mapping_table

    rows = mapping_table(source)
    filled = code_tables.mapped_fields(source).splitlines()[2:]
    unfilled = [name for name in code_tables.unfilled_fields(source).split(", ") if name]
    assert len(filled) + len(unfilled) == len(rows)


def test_the_table_of_evidence_says_what_each_type_fills() -> None:
    import code_tables

    from airflow_provider_defender.ecs.tables.graph.evidence import EVIDENCE

    found = code_tables.fields_by_evidence("graph_alerts")
    assert found.keys() == EVIDENCE.keys()
    assert [name for name, fields in found.items() if not fields] == []
    assert "host.mac" in found["nicEvidence"]
    assert not [name for fields in found.values() for name in fields if name.startswith("microsoft.")]
    assert "| `nicEvidence` |" in code_tables.evidence_fields("graph_alerts")
    [mac] = [line for line in code_tables.mapped_fields("graph_alerts").splitlines() if "host.mac" in line]
    assert "nic" in mac
    assert "registry.path" in code_tables.fields_by_evidence("endpoint_alerts")["RegistryKey"]
    assert code_tables.fields_by_evidence("graph_incidents") == {}


FAMILIES = {"DefenderError", "FailNow", "TryAgain", "StopAndLook"}


def test_every_error_is_in_the_table_with_what_to_do_and_whether_airflow_retries_it() -> None:
    import code_tables

    rows = [
        [cell.strip(" `") for cell in line.split("|")[1:-1]]
        for line in code_tables.task_errors().splitlines()[2:]
    ]
    assert {row[0] for row in rows} == set(exceptions.__all__) - FAMILIES
    for name, happened, cure, retries, family in rows:
        error = getattr(exceptions, name)
        assert happened.endswith("."), name
        assert cure, f"the docstring of {name} does not say what to do"
        assert issubclass(error, getattr(exceptions, family))
        assert retries == ("no" if issubclass(error, AirflowFailException) else "yes")
    assert set(code_tables._MORE) <= set(exceptions.__all__)


def test_the_tree_of_errors_names_every_error_and_which_of_them_fail_at_once() -> None:
    for name in set(exceptions.__all__) - {"DefenderError"}:
        [line] = [line for line in (exceptions.__doc__ or "").splitlines() if re.search(rf"─ {name}\b", line)]
        at_once = issubclass(getattr(exceptions, name), AirflowFailException)
        marked = "no retry" in line or "AirflowFailException" in line
        assert marked == at_once or issubclass(getattr(exceptions, name), exceptions.FailNow), name


def test_every_error_of_the_lake_is_in_its_table() -> None:
    import code_tables

    named = {line.split("`")[1] for line in code_tables.lake_errors().splitlines()[2:]}
    assert named == set(lake.errors.__all__) - {"LakeError"}


def test_the_summary_shown_is_the_operators(simulator: Simulator, lake: LakeFolder) -> None:
    simulator.tenant.add_alert()
    shown = json.loads((ROOT / "docs" / "summary.json").read_text())
    summary = land(lake)
    assert list(shown) == list(summary)
    assert list(shown["seconds"]) == list(summary["seconds"])


def test_the_tests_that_are_named_exist() -> None:
    named = {name for page in PAGES for name in re.findall(r"`(tests/[\w/.:]+)`", page.read_text())}
    assert len(named) > 15
    for name in sorted(named):
        path, _, function = name.partition("::")
        assert (ROOT / path).exists(), name
        assert not function or f"def {function}(" in (ROOT / path).read_text(), name


def test_functions_that_the_architecture_names_exist() -> None:
    """By their names only: files of tests move more often than what they show."""
    pages = "".join(page.read_text() for page in (ROOT / "docs" / "architecture").glob("*.md"))
    named = set(re.findall(r"`(test_\w+)`", pages))
    code = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert len(named) > 15
    assert [name for name in sorted(named) if f"def {name}(" not in code] == []


def test_links_of_the_readme_are_absolute_and_lead_somewhere() -> None:
    """The package index shows the README, too, where relative links are dead."""
    text = (ROOT / "README.md").read_text()
    defined = dict(re.findall(r"^\[([^\]]+)\]: ([^\s#]+)", text, flags=re.MULTILINE))
    assert set(re.findall(r"\]\[([^\]]+)\]", text)) == set(defined)
    links = [*re.findall(r"\]\(([^)#]+)", text), *defined.values()]
    ours = re.compile(re.escape(REPOSITORY) + r"/(?:blob|raw)/main/(.+)")
    paths = [match[1] for link in links if (match := ours.fullmatch(link))]
    assert [link for link in links if not link.startswith("https://")] == []
    assert len(paths) > 10
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_pages_at_the_root_are_part_of_the_documentation_or_linked_from_there() -> None:
    """One source of truth: what the documentation shows of them it includes."""
    docs = "".join(page.read_text() for page in (ROOT / "docs").glob("*.md"))
    for name in ("CHANGELOG", "CONTRIBUTING", "SECURITY"):
        assert f"{{include}} ../{name}.md" in docs, name
    assert "CODE_OF_CONDUCT.md" in (ROOT / "CONTRIBUTING.md").read_text()


def test_links_between_pages_at_the_root_and_the_documentation_lead_somewhere() -> None:
    for page in (ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"):
        for link in re.findall(r"\]\(([^)#]+)", page.read_text()):
            path = link.removeprefix(f"{REPOSITORY}/blob/main/")
            assert path.startswith("https://") or (ROOT / path).is_file(), (page.name, link)


def test_the_projects_links_are_the_same_everywhere() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    urls = dict(re.findall(r'^(\w+) = "(https://[^"]+)"$', project, flags=re.MULTILINE))
    assert urls["Source"] == REPOSITORY
    assert all(url.startswith(REPOSITORY) for url in urls.values())
    for name in ("Documentation", "Changelog"):
        assert (ROOT / urls[name].partition("/blob/main/")[2]).is_file()
    assert f'"{REPOSITORY}"' in (ROOT / "docs" / "conf.py").read_text()


def test_pictures_exist_and_are_small() -> None:
    named = {name for page in PAGES for name in re.findall(r"_static/([\w]+\.png)", page.read_text())}
    assert {path.name for path in (ROOT / "docs" / "_static").glob("*.png")} == named
    assert all((ROOT / "docs" / "_static" / name).stat().st_size < 100_000 for name in named)


def test_pages_name_no_place_of_a_machine() -> None:
    for page in PAGES:
        text = page.read_text()
        assert "/work/" not in text, page
        assert not re.search(r"pypi|files\.pythonhosted", text), page
