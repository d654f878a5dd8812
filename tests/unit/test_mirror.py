"""The tests mirror the package: from a module one gets to its test without searching, and back.

The tests of `a/_b.py` are `tests/unit/a/test_b.py`, and for a part of them `test_b_<part>.py`. What departs
from that stands here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PACKAGE = TESTS.parents[1] / "airflow_provider_defender"

TESTED_BY: Mapping[str, str] = {
    # Leaves and declarations.
    "_example_dags": "test_main.py",
    "assets": "test_package.py",
    "categories": "hooks/_endpoint/test_filters.py",
    "comparison/*": "comparison/test_compare.py",
    "exceptions": "stores/test_opening.py",
    "provider_info": "test_package.py",
    "timetables": "operators/test_window.py",
    # Parts of a machine that is tested as a whole, by what goes in and comes out.
    "ecs/attack": "ecs/tables/test_endpoint_alerts.py",
    "ecs/categories": "ecs/tables/streaming/test_actions.py",
    "ecs/columns/*": "ecs/columns/test_functions.py",
    "ecs/document": "ecs/test_mapping.py",
    "ecs/mapper": "ecs/engine/test_records.py",
    "ecs/registry": "ecs/test_mapping.py",
    "ecs/engine/*": "ecs/engine/test_records.py",
    "ecs/stream/*": "ecs/stream/test_event_hub.py",
    "ecs/tables/_cloud_entities": "ecs/tables/test_defender_for_cloud.py",
    "ecs/tables/_endpoint_items": "ecs/tables/test_endpoint_alerts.py",
    "ecs/tables/_items": "ecs/tables/test_endpoint_alerts.py",
    "ecs/tables/alerts": "ecs/tables/test_endpoint_alerts.py",
    "ecs/tables/datasets": "ecs/test_mapping.py",
    "ecs/tables/graph/*": "ecs/tables/graph/test_alerts.py",
    "ecs/tables/streaming/*": "ecs/tables/test_consistency.py",
    "hooks/_connection/arguments": "hooks/test_defender_endpoint_alerts.py",
    "hooks/_connection/button": "hooks/test_entra_id.py",
    "hooks/_connection/fields": "hooks/_entra/test_settings.py",
    "hooks/_connection/log": "hooks/test_entra_id.py",
    "hooks/_connection/network": "hooks/_entra/test_settings.py",
    "hooks/_connection/shown": "hooks/_entra/test_settings.py",
    "hooks/_defender": "hooks/test_graph_security.py",
    "hooks/_endpoint/api": "hooks/_rest/test_errors.py",
    "hooks/_endpoint/columns": "hooks/test_defender_endpoint_alerts.py",
    "hooks/_entra/credentials": "hooks/_entra/test_settings.py",
    "hooks/_entra/*": "hooks/test_entra_id.py",
    "hooks/_graph/*": "hooks/test_graph_security.py",
    "hooks/_http/failures": "hooks/_http/test_transport.py",
    "hooks/_http/rate_limiter": "hooks/_http/test_waiting.py",
    "hooks/_kafka/options": "hooks/_kafka/test_settings.py",
    "hooks/_kafka/password": "hooks/_kafka/test_settings.py",
    "hooks/_kafka/repair": "hooks/_kafka/test_damage.py",
    "hooks/_kafka/servers": "hooks/_kafka/test_settings.py",
    "hooks/_kafka/client": "hooks/test_event_hub.py",
    "hooks/_kafka/errors": "hooks/test_event_hub.py",
    "hooks/_kafka/*": "hooks/_kafka/test_reader.py",
    "hooks/_rest/address": "hooks/_rest/test_hook.py",
    "hooks/_rest/arrow": "hooks/test_defender_endpoint_alerts.py",
    "hooks/_rest/filters": "hooks/_endpoint/test_filters.py",
    "hooks/_rest/marks": "hooks/_rest/test_keyset.py",
    "hooks/_rest/odata": "hooks/_endpoint/test_filters.py",
    "hooks/_rest/records": "hooks/test_defender_endpoint_alerts.py",
    "hooks/_rest/settings": "hooks/_entra/test_settings.py",
    "hooks/_rest/*": "hooks/test_defender_endpoint.py",
    "lake/errors": "stores/test_opening.py",
    "lake/log/layout": "lake/log/test_commits.py",
    "lake/log/log": "lake/log/test_commits.py",
    "lake/log/*": "lake/log/test_transaction.py",
    "lake/maintenance/*": "lake/maintenance/test_compaction.py",
    "lake/tables/*": "lake/tables/test_delta.py",
    "lake/storage/address": "stores/test_opening.py",
    "lake/storage/bounded": "lake/storage/test_object_store.py",
    "lake/storage/*": "lake/storage/test_local.py",
    "lake/verification/*": "lake/verification/test_verify.py",
    "operators/_lake_parameters": "operators/test_maintenance.py",
    "operators/_lake_task": "operators/test_maintenance.py",
    "operators/_retry_policy": "operators/test_retry.py",
    "operators/_timetables": "operators/test_window.py",
    "operators/landing": "operators/test_alerts.py",
    "sensors/_waiting": "sensors/test_alerts.py",
    "sources/endpoint_alerts": "operators/test_alerts.py",
    "sources/graph_incidents": "operators/test_incidents.py",
    "sources/rest_figures": "operators/test_alerts.py",
    "sources/*": "sources/test_rest.py",
    # The simulator: what its services answer, and what the demo shows.
    "simulator/_services": "simulator/test_simulator.py",
    "simulator/events": "simulator/hub/test_stream.py",
    "simulator/attack/*": "simulator/attack/test_story.py",
    "simulator/defender/control": "simulator/server/test_control.py",
    "simulator/defender/faults": "simulator/server/test_faults.py",
    "simulator/defender/oddities": "simulator/defender/test_tenant.py",
    "simulator/defender/*": "simulator/defender/test_tenant.py",
    "simulator/demo/*": "simulator/demo/test_events.py",
    "simulator/entra/faults": "simulator/entra/test_identity.py",
    "simulator/entra/*": "simulator/entra/test_credentials.py",
    "simulator/graph/book": "simulator/graph/test_portal.py",
    "simulator/graph/control": "simulator/graph/test_portal.py",
    "simulator/graph/oddities": "simulator/graph/test_portal.py",
    "simulator/graph/scenario": "simulator/graph/test_portal.py",
    "simulator/graph/versions": "simulator/graph/test_portal.py",
    "simulator/graph/faults": "simulator/graph/test_service.py",
    "simulator/graph/types": "simulator/graph/test_service.py",
    "simulator/graph/*": "simulator/graph/test_products.py",
    "simulator/graph/evidence/*": "simulator/graph/evidence/test_samples.py",
    "simulator/hub/*": "simulator/hub/test_stream.py",
    "simulator/hub/values/*": "simulator/hub/test_stream.py",
    "simulator/server/*": "simulator/server/test_service.py",
}
"""Modules without a test file of their own, and the test that runs them. `/*`: the others of this package."""

OF_SEVERAL: Mapping[str, str] = {
    "docs/test_examples.py": "the documentation",
    "docs/test_hook_examples.py": "the documentation",
    "docs/test_pages.py": "the documentation",
    "docs/test_queries.py": "the documentation",
    "ecs/columns/test_functions.py": "the functions on columns of all parts",
    "ecs/engine/test_placeholders.py": "placeholders in all sources, from the columns to the rows",
    "ecs/engine/test_robustness.py": "P7: all mappings of single records, with hostile ones",
    "ecs/stream/test_short_columns.py": "short and long columns of all tables of the stream",
    "ecs/tables/graph/test_coverage.py": "all types of evidence of Microsoft Graph, property by property",
    "ecs/tables/graph/test_hostile.py": "all types of evidence of Microsoft Graph, with odd values",
    "ecs/tables/graph/test_rows.py": "all types of evidence of Microsoft Graph",
    "ecs/tables/test_consistency.py": "all mappings, by Microsoft's columns and by ECS",
    "ecs/tables/test_golden.py": "all mappings, by reviewed examples",
    "ecs/tables/test_odd_columns.py": "all computed functions of all mappings",
    "ecs/tables/test_other_datasets.py": "events of tables without a mapping, and Azure Monitor's",
    "ecs/tables/test_seed.py": "the samples that the project began with, of several tables",
    "ecs/test_guids.py": "one spelling of a tenant in all sources",
    "ecs/test_row_rules.py": "all mappings, by rules that hold for every row",
    "hooks/test_imports.py": "what importing the package loads",
    "lake/log/test_crashes.py": "the commit protocol, ended at each step",
    "lake/log/test_power.py": "the commit protocol, at a loss of power",
    "lake/maintenance/test_crashes.py": "compaction and retention, ended at each step",
    "lake/offsets/test_crashes.py": "the commit protocol for hubs, ended at each step",
    "lake/offsets/test_model.py": "the commit protocol for hubs, as a model",
    "lake/test_views.py": "lake/views.sql",
    "lake/versions/test_model.py": "the commit protocol for versions, as a model",
    "simulator/test_layers.py": "the imports of the simulator's packages",
    "simulator/test_page.py": "the documentation's page on the simulator",
    "sources/test_toy_source.py": "what a new source takes, from the hook to the operator",
    "test_imports.py": "the imports of all modules",
    "test_mirror.py": "the tests",
    "test_package.py": "what Airflow sees of the package",
    "test_repository.py": "what stands around the package",
}
"""Tests that belong to no single module, and what they are of."""


def modules() -> list[str]:
    """The package's modules, without those that only gather others."""
    paths = (path.relative_to(PACKAGE).with_suffix("") for path in PACKAGE.rglob("*.py"))
    return sorted(path.as_posix() for path in paths if path.name != "__init__")


def test_files() -> list[str]:
    return sorted(path.relative_to(TESTS).as_posix() for path in TESTS.rglob("test_*.py"))


test_files.__test__ = False  # type: ignore[attr-defined]


def mirrored(module: str) -> str:
    """The test file's name at the module's place."""
    folder, _, name = module.rpartition("/")
    return f"{folder}/test_{name.strip('_')}.py".lstrip("/")


def subjects(test: str) -> Iterator[str]:
    """The test files of whole modules to which this file can belong: `test_a_b.py` to `test_a.py`, too."""
    name = test.removesuffix(".py")
    folder, _, _ = name.rpartition("test_")
    while len(name) > len(folder) + len("test"):
        yield f"{name}.py"
        name = name.rpartition("_")[0]


@pytest.mark.parametrize(
    ("module", "test"),
    [
        ("clock", "test_clock.py"),
        ("_plural", "test_plural.py"),
        ("__main__", "test_main.py"),
        ("hooks/_kafka/reader", "hooks/_kafka/test_reader.py"),
    ],
)
def test_the_place_of_a_test_follows_from_the_module(module: str, test: str) -> None:
    assert mirrored(module) == test


def test_a_test_of_a_part_names_its_module_first() -> None:
    assert list(subjects("lake/test_parquet_memory.py")) == [
        "lake/test_parquet_memory.py",
        "lake/test_parquet.py",
    ]


def untested() -> list[str]:
    there = set(test_files())
    return [module for module in modules() if mirrored(module) not in there]


def entry(module: str) -> str | None:
    """The key of `TESTED_BY` that says which test runs a module."""
    whole = f"{module.rpartition('/')[0]}/*"
    return next((key for key in (module, whole) if key in TESTED_BY), None)


def test_every_module_has_a_test_or_names_the_one_that_runs_it() -> None:
    assert [module for module in untested() if entry(module) is None] == []


def test_every_test_belongs_to_a_module_or_says_to_what() -> None:
    places = {mirrored(module) for module in modules()}
    strangers = [each for each in test_files() if not places & set(subjects(each))]
    assert strangers == sorted(OF_SEVERAL)


def test_no_exception_is_left_over() -> None:
    assert {entry(module) for module in untested()} == set(TESTED_BY)
    assert set(TESTED_BY.values()) - set(test_files()) == set()
