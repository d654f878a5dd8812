"""The catalogue of action types: every row of the data against ECS, and how action types are found in it."""

from __future__ import annotations

import re
from collections import Counter

import pyarrow as pa
import pytest

from airflow_provider_defender.ecs.categories import EXPECTED_TYPES
from airflow_provider_defender.ecs.tables.streaming import STREAMING_TABLES
from airflow_provider_defender.ecs.tables.streaming.actions import (
    Entry,
    WordRule,
    catalogue,
    event_fields,
    find_entry,
    has_actions,
    look_up,
    operation_types,
    result_outcome,
)
from tests.golden import cases

ENTRIES, RULES = catalogue()
DEFAULTS = {entry.table: entry for entry in ENTRIES if entry.action_type == "*"}
KINDS = {"alert", "asset", "event"}
OUTCOMES = {"failure", "success", "unknown"}
NOT_BY_ACTION = {"AlertEvidence", "AlertInfo", "BehaviorEntities", "BehaviorInfo"}
"""Tables whose category is that of the evidence, or of the product that has found it."""


def name(entry: Entry) -> str:
    return f"{entry.table}-{entry.action_type}"


@pytest.mark.parametrize("entry", ENTRIES, ids=name)
def test_a_row_is_valid_in_ecs(entry: Entry) -> None:
    assert entry.kind in KINDS
    assert {entry.outcome} <= OUTCOMES | {""}
    categories, types = entry.categories.split(), entry.types.split()
    assert categories == sorted(set(categories))
    assert types == sorted(set(types))
    assert categories, "a row has a category"
    assert types or any(rule.table == entry.table and rule.field == "type" for rule in RULES)
    for category in categories:
        assert set(types) <= EXPECTED_TYPES[category]
    assert entry.action == entry.action.lower()
    assert not entry.reason or entry.reason.endswith(".")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.table}-{rule.field}-{rule.texts}")
def test_a_rule_by_words_is_valid(rule: WordRule) -> None:
    assert rule.table in DEFAULTS
    assert rule.rule in {"end", "start", "stem", "word"}
    allowed = {
        "category": set(EXPECTED_TYPES),
        "type": set().union(*EXPECTED_TYPES.values()),
        "subject": {"group", "user"},
        "outcome": OUTCOMES,
    }
    assert rule.value in allowed[rule.field]
    assert rule.texts == rule.texts.lower()


def test_every_table_has_one_default_and_no_action_type_twice() -> None:
    tables = {mapping.dataset.removeprefix("events/") for mapping in STREAMING_TABLES}
    assert DEFAULTS.keys() == tables - NOT_BY_ACTION
    counted = Counter((entry.table, re.sub("[^a-z0-9*]", "", entry.action_type.lower())) for entry in ENTRIES)
    assert [each for each, times in counted.items() if times > 1] == []


def test_rows_are_in_the_order_of_table_and_action_type() -> None:
    exact = [(entry.table, entry.action_type.lower()) for entry in ENTRIES if "*" not in entry.action_type]
    assert exact == sorted(exact)


def test_no_pattern_is_hidden_by_one_before_it() -> None:
    for place, entry in enumerate(ENTRIES):
        if "*" in entry.action_type:
            text = entry.action_type.replace("*", "Zz").lower()
            earlier = [
                other.action_type
                for other in ENTRIES[:place]
                if other.table == entry.table and "*" in other.action_type
            ]
            forms = [re.escape(form.lower()).replace(r"\*", ".*") for form in earlier]
            assert [form for form in forms if re.fullmatch(form, text)] == [], name(entry)


@pytest.mark.parametrize("entry", ENTRIES, ids=name)
def test_a_row_is_found_by_its_action_type(entry: Entry) -> None:
    if entry.action_type == "*":
        return
    text = entry.action_type.replace("*", "Zz")
    for spelling in (text, text.upper(), f"{text}."):
        found = look_up(entry.table, spelling)
        assert found.is_known
        assert (found.kind, " ".join(found.categories)) == (entry.kind, entry.categories)
        assert not entry.types or " ".join(found.types) == entry.types
        assert (found.outcome or "") == entry.outcome
        assert found.name == (entry.action or "-".join(text.lower().split()))


@pytest.mark.parametrize("table", DEFAULTS)
@pytest.mark.parametrize("action_type", ["Zzyzx", "", None, "…", ".", "*"])
def test_what_is_not_in_the_catalogue_gets_the_default_and_is_unknown(
    table: str, action_type: str | None
) -> None:
    default, found = DEFAULTS[table], look_up(table, action_type)
    assert not found.is_known
    assert (found.kind, " ".join(found.categories)) == (default.kind, default.categories)
    assert " ".join(found.types) == default.types


@pytest.mark.parametrize(
    ("table", "action_type", "expected"),
    [
        ("DeviceEvents", "AntivirusMalwareBlocked", "alert malware info -"),
        ("DeviceEvents", "AntivirusMalwareActionFailed", "alert malware info failure"),
        ("DeviceEvents", "AntivirusReport", "alert malware info -"),
        ("DeviceEvents", "AppLockerBlockExecutable", "event intrusion_detection denied -"),
        ("DeviceEvents", "PnpDeviceBlocked", "event intrusion_detection denied -"),
        ("DeviceEvents", "PrintJobBlocked", "event intrusion_detection denied -"),
        ("DeviceEvents", "ExploitGuardAcgEnforced", "event intrusion_detection denied -"),
        ("DeviceEvents", "FirewallServiceStopped", "event configuration change -"),
        ("DeviceEvents", "FirewallInboundConnectionBlocked", "event network connection,denied -"),
        ("DeviceEvents", "ScriptContent", "event process info -"),
        ("DeviceEvents", "NamedPipeEvent", "event file access -"),
        ("DeviceEvents", "AsrSomethingNewBlocked", "event intrusion_detection denied -"),
        ("DeviceEvents", "WriteSomethingNewApiCall", "event api,process change -"),
        ("DeviceNetworkEvents", "NtlmAuthenticationInspected", "event authentication,network info -"),
        ("DeviceNetworkEvents", "ConnectionAttempt", "event network connection,start unknown"),
        ("DeviceNetworkEvents", "RdpConnectionInspected", "event network info,protocol -"),
        ("CloudProcessEvents", "ProcessCreated", "event process start -"),
        ("IdentityDirectoryEvents", "Group created", "event iam creation,group -"),
        ("IdentityDirectoryEvents", "Account disabled", "event iam change,user -"),
        ("CloudAppEvents", "Add member to group.", "event iam change,group -"),
        ("CloudAppEvents", "New-InboxRule", "event configuration creation -"),
        ("CloudAppEvents", "Consent to application.", "event iam change -"),
    ],
)
def test_what_an_action_type_means(table: str, action_type: str, expected: str) -> None:
    found = look_up(table, action_type)
    parts = (found.kind, ",".join(found.categories), ",".join(found.types), found.outcome or "-")
    assert " ".join(parts) == expected


@pytest.mark.parametrize(
    ("operation", "event_type"),
    [
        ("Microsoft.Compute/virtualMachines/write", "change"),
        ("Microsoft.Compute/virtualMachines/delete", "deletion"),
        ("MICROSOFT.COMPUTE/VIRTUALMACHINES/READ", "access"),
        ("DescribeInstances", "access"),
        ("RunInstances", "creation"),
        ("Zzyzx", "info"),
    ],
)
def test_an_operation_counts_where_the_action_type_says_nothing(operation: str, event_type: str) -> None:
    assert look_up("CloudAuditEvents", "Other", operation).types == [event_type]
    assert look_up("CloudAuditEvents", None, operation).types == [event_type]
    assert look_up("CloudAuditEvents", "Delete", operation).types == ["deletion"]


@pytest.mark.parametrize(
    ("operations", "types"),
    [
        ('["GetBlob","ListBlobs"]', ["access"]),
        ('["DeleteBlob","GetBlob","PutBlob"]', ["access", "creation", "deletion"]),
        ('["Zzyzx", 1, null]', ["access"]),
        ("[]", ["access"]),
        ("rubbish", ["access"]),
        (None, ["access"]),
    ],
)
def test_aggregated_operations_have_the_types_of_all(operations: str | None, types: list[str]) -> None:
    given = pa.array([operations], pa.string())
    assert operation_types("CloudStorageAggregatedEvents")(given).to_pylist() == [types]


@pytest.mark.parametrize(
    ("action_type", "expected"),
    [
        ("Add member to role.", "add-member-to-role"),
        ("SMB  file copy", "smb-file-copy"),
        ("Update application – Certificates and secrets management ", None),
        (".", None),
    ],
)
def test_an_action_has_no_dot_at_its_end(action_type: str, expected: str | None) -> None:
    found = look_up("CloudAppEvents", action_type).name
    assert found == (expected or (None if action_type == "." else "-".join(action_type.lower().split())))


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ("Success", "success"),
        ("Quarantined successfully", "success"),
        ("AdminPolicyTransportRule", "success"),
        ("Failure", "failure"),
        ("Error", "failure"),
        ("Unsuccessful", "failure"),
        ("Pending", "unknown"),
        (None, "unknown"),
    ],
)
@pytest.mark.parametrize("table", ["EmailPostDeliveryEvents", "MessagePostDeliveryEvents"])
def test_outcome_of_a_result(table: str, result: str | None, expected: str) -> None:
    assert result_outcome(table)(pa.array([result], pa.string())).to_pylist() == [expected]


CASES = [
    cases.read(path)["record"]["records"]
    for path in cases.paths(filters=["action_types"])
    if path.is_relative_to(cases.FOLDER / "event_hub")
]
GOLDEN = {
    (record["category"].removeprefix("AdvancedHunting-"), text)
    for records in CASES
    for record in records
    for name, text in record["properties"].items()
    if name in {"ActionType", "ActivityType", "DeliveryAction"}
}


@pytest.mark.parametrize("table", [table for table in DEFAULTS if has_actions(table)])
def test_every_row_of_the_catalogue_is_in_a_golden_case(table: str) -> None:
    shown = {find_entry(table, text) for where, text in GOLDEN if where == table}
    assert [entry for entry in ENTRIES if entry.table == table and entry not in shown] == []


def test_only_what_differs_by_action_type_is_computed() -> None:
    assert event_fields("DeviceFileEvents").fields == ("event.action", "event.category", "event.type")
    assert event_fields("DeviceLogonEvents").fields[-1] == "event.outcome"
    assert "event.kind" in event_fields("DeviceEvents").fields
    assert "event.outcome" not in event_fields("CloudAppEvents", without=("event.outcome",)).fields
