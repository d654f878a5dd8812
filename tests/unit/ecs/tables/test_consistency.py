"""Every mapping of the event hub against Microsoft's columns and ECS, without looking at single values."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from airflow_provider_defender import ecs
from airflow_provider_defender.ecs.fields import ECS_FIELDS, EVENT_FIELDS, field_type, leaf_fields
from airflow_provider_defender.ecs.tables.defender_for_cloud import DEFENDER_FOR_CLOUD
from airflow_provider_defender.ecs.tables.streaming import AZURE_MONITOR, STREAMING_TABLES, UNKNOWN_TABLE
from tests.helpers.row_rules import EXPECTED_TYPES
from tests.unit.ecs.helpers.alert_records import DATA
from tests.unit.ecs.helpers.event_rows import TIME, rows
from tests.unit.ecs.test_fields import FITTING

with (DATA / "ecs-9.4.0.csv").open(newline="") as lines:
    ECS = {line["field"]: line for line in csv.DictReader(lines)}

DOCUMENTED: dict[str, dict[str, str]] = json.loads((DATA / "streaming_columns.json").read_text())
"""Table → Kusto type → columns, from Microsoft's advanced hunting reference."""

ARROW_TYPES = {
    "string": pa.string(),
    "dynamic": pa.string(),
    "datetime": pa.timestamp("us", tz="UTC"),
    "long": pa.int64(),
    "int": pa.int64(),
    "real": pa.float64(),
    "bool": pa.bool_(),
}
AS_TEXT = {
    ("CloudStorageAggregatedEvents", "AccountTenantId"),
    ("CloudStorageAggregatedEvents", "AccountType"),
}
"""Documented as numbers, texts on the wire."""

WIRE_ONLY = {
    "AlertEvidence": "MachineGroup",
    "AlertInfo": "MachineGroup",
    "BehaviorInfo": "DeviceName Severity",
    "CloudAuditEvents": "Account AuditSource AwsResourceName AzureResourceId GcpFullResourceName",
    "CloudProcessEvents": "ReportId",
    "CloudStorageAggregatedEvents": "Md5Hashes",
    "EmailAttachmentInfo": "FileExtension",
    "EmailEvents": "Cc Context EmailSize ExchangeTransportRule ForwardingInformation IsFirstContact "
    "RecipientDomain ThreatClassification To",
    "EmailPostDeliveryEvents": "EmailDirection SenderFromAddress",
    "EmailUrlInfo": "UrlChainId UrlChainPosition",
    "IdentityDirectoryEvents": "IsAdminOperation",
    "IdentityInfo": "IdentityId SourceProvider",
    "IdentityLogonEvents": "LastSeenForUser UncommonForUser",
    "IdentityQueryEvents": "IsAdminOperation",
    "MessageEvents": "MessageSubtype MessageType Subject ThreadName ThreadType",
}
NO_MACHINE_GROUP = {"DeviceInfo"}
"""Tables of devices whose documentation has it."""

KINDS = {"alert", "asset", "event", "metric", "state"}
OUTCOMES = {"failure", "success", "unknown", None}

MAPPINGS = {
    mapping.dataset.removeprefix("events/"): mapping
    for mapping in (*STREAMING_TABLES, UNKNOWN_TABLE, AZURE_MONITOR, *DEFENDER_FOR_CLOUD)
}
TABLES = [mapping.dataset.removeprefix("events/") for mapping in STREAMING_TABLES]


def test_all_documented_streaming_tables_are_there() -> None:
    assert sorted(TABLES) == sorted(DOCUMENTED)
    assert len(TABLES) == 31


@pytest.mark.parametrize("table", DOCUMENTED)
def test_documented_columns_have_their_types(table: str) -> None:
    container = {field.name.lower(): field.type for field in MAPPINGS[table].container_type}
    expected = {
        name.lower(): pa.string() if (table, name) in AS_TEXT else ARROW_TYPES[kind]
        for kind, names in DOCUMENTED[table].items()
        for name in names.split()
    }
    assert {name: container.get(name) for name in expected} == expected


@pytest.mark.parametrize("table", DOCUMENTED)
def test_other_columns_are_those_of_the_wire(table: str) -> None:
    documented = {name.lower() for names in DOCUMENTED[table].values() for name in names.split()}
    names = [field.name for field in MAPPINGS[table].container_type]
    assert len({name.lower() for name in names}) == len(names), "one column per case-insensitive name"
    wire = set(WIRE_ONLY.get(table, "").split())
    if table.startswith("Device") and table not in NO_MACHINE_GROUP:
        wire.add("MachineGroup")
    assert {name for name in names if name.lower() not in documented} == {*wire, "envelope", "unmapped"}


@pytest.mark.parametrize("table", MAPPINGS)
def test_fields_are_of_ecs_in_its_types_and_lists_where_it_says_array(table: str) -> None:
    for name in MAPPINGS[table].fields:
        assert name in ECS, name
        arrow_type = field_type(name)
        is_list = pa.types.is_list(arrow_type)
        assert is_list == (ECS[name]["normalize"] == "array"), name
        assert ECS[name]["type"] in FITTING[arrow_type.value_type if is_list else arrow_type], name


def test_every_further_field_is_filled_by_a_mapping_and_no_field_of_alerts() -> None:
    filled = {name for mapping in MAPPINGS.values() for name in mapping.fields}
    assert filled >= EVENT_FIELDS.keys()
    assert not EVENT_FIELDS.keys() & ECS_FIELDS.keys()


@pytest.mark.parametrize("table", MAPPINGS)
def test_schema_has_every_field_and_the_container(table: str) -> None:
    mapping = MAPPINGS[table]
    schema = mapping.own_schema()
    leaves = leaf_fields(schema)
    assert set(mapping.fields) <= leaves.keys()
    assert {name for name in leaves if name.startswith(f"{mapping.container}.")}
    roots = [name.lower() for name in schema.names]
    assert len(set(roots)) == len(roots)


def _names(shape: ecs.Shape, prefix: str = "") -> Iterator[str]:
    for name, kind in shape.properties.items():
        yield prefix + name
        if isinstance(kind, ecs.Shape):
            yield from _names(kind, f"{prefix}{name}.")


@pytest.mark.parametrize("table", MAPPINGS)
def test_every_input_is_a_property(table: str) -> None:
    mapping = MAPPINGS[table]
    known = {*_names(mapping.shape), *(_names(mapping.envelope, "envelope.") if mapping.envelope else ())}
    for name, shape in mapping.inside.items():
        assert name in known
        known.update(_names(shape, f"{name}."))
    inputs = {name.removesuffix("#ticks") for entry in mapping.computed for name in entry.inputs}
    assert {*inputs, *mapping.copies.values(), *mapping.times, *mapping.aliases.values()} <= known


@pytest.mark.parametrize("table", MAPPINGS)
def test_every_computed_field_has_a_note(table: str) -> None:
    assert all(entry.note.endswith(".") or "…" in entry.note for entry in MAPPINGS[table].computed)


@pytest.mark.parametrize("table", MAPPINGS)
def test_constants_name_module_and_dataset(table: str) -> None:
    constants = MAPPINGS[table].constants
    assert constants["event.dataset"] == constants["data_stream.dataset"]
    assert constants["event.dataset"].startswith(f"{constants['event.module']}.")
    assert constants.get("event.kind", "event") in KINDS


def test_datasets_of_all_tables_are_different() -> None:
    assert len({mapping.constants["event.dataset"] for mapping in MAPPINGS.values()}) == len(MAPPINGS)
    assert MAPPINGS["DeviceProcessEvents"].constants["event.dataset"] == (
        "microsoft_defender_xdr.device_process_events"
    )


_ACTION_NAMES = """
    AccountDisabled AntivirusDetection AntivirusScanCompleted AppControlExecutableBlocked
    AsrOfficeChildProcessAudited AsrOfficeChildProcessBlocked AuditPolicyModification
    BrowserLaunchedToOpenUrl ClickAllowed ClickBlocked ClickBlockedByTenantPolicy
    ClrUnbackedModuleLoaded ConnectionAttempt ConnectionFailed ConnectionFound ConnectionRequest
    ConnectionSuccess CreateRemoteThreadApiCall DnsConnectionInspected DnsQueryResponse DriverLoad
    ExploitGuardNetworkProtectionBlocked FileAccessed FileCreated FileDeleted FileDownloaded
    FileModified FileRenamed FileUploaded FirewallInboundConnectionBlocked GetAsyncKeyStateApiCall
    ImageLoaded InboundConnectionAccepted LdapSearch ListeningConnectionCreated LogonAttempted
    LogonFailed LogonSuccess MailItemsAccessed NamedPipeEvent NetworkSignatureInspected
    NtAllocateVirtualMemoryApiCall OpenProcessApiCall PasswordChangeAttempt PowerShellCommand
    ProcessCreated ProcessCreatedUsingWmiQuery ReadProcessMemoryApiCall RegistryKeyCreated
    RegistryKeyDeleted RegistryKeyRenamed RegistryValueDeleted RegistryValueSet ScheduledTaskCreated
    ScheduledTaskDeleted SecurityGroupCreated SecurityGroupDeleted SensitiveFileRead
    ServiceInstalled SmartScreenUrlWarning UrlErrorPage UsbDriveMounted UserAccountAddedToLocalGroup
    UserAccountCreated UserAccountDeleted UserLoggedIn UserLoggedOut UserLoginFailed
    WriteToLsassProcessMemory
"""
ACTIONS = _ACTION_NAMES.split()
ACTIONS += ["Add member to role.", "Delete user.", "Group Membership changed", "Account created", "DNS query"]
ACTIONS += ["SMB file copy", "PowerShell execution", "CallStarted", "CallEnded", "Update application.", ""]
ENTITIES: list[str | None] = [
    "Process",
    "File",
    "RegistryKey",
    "RegistryValue",
    "Ip",
    "Url",
    "User",
    "Machine",
    "MailMessage",
]
ENTITIES += ["CloudApplication", "SecurityGroup", "Mailbox", None]


def _varied(table: str) -> list[dict[str, Any]]:
    columns = MAPPINGS[table].shape.properties
    base: dict[str, Any] = {"ActivityTimestamp": TIME} if table == "CallActivityEvents" else {}
    records = []
    for name in ("ActionType", "ActivityType", "OperationName"):
        records += [{**base, name: action} for action in ACTIONS if name in columns]
    for entity in ENTITIES if "EntityType" in columns else [None]:
        for category in ("Malware", '["Malware"]', "Execution", '["Ransomware","Execution"]'):
            for service in ("Microsoft Defender for Endpoint", "Microsoft Defender for Cloud Apps", None):
                records.append(
                    {
                        "EntityType": entity,
                        "Category": category,
                        "Categories": category,
                        "ServiceSource": service,
                    }
                )
    known = {name.lower() for name in columns}
    return [{key: value for key, value in record.items() if key.lower() in known} for record in records]


@pytest.mark.parametrize("table", TABLES)
def test_categories_types_kind_and_outcome_are_valid(table: str) -> None:
    for row in rows(table, [{**record, "number": place} for place, record in enumerate(_varied(table))]):
        categories, types = row["event.category"], row["event.type"]
        assert categories
        assert types
        assert len(set(types)) == len(types)
        assert len(set(categories)) == len(categories)
        for category in categories:
            assert set(types) <= set(EXPECTED_TYPES[category].split()), (
                row.get("event.action"),
                categories,
                types,
            )
        assert row["event.kind"] in KINDS
        assert row.get("event.outcome") in OUTCOMES


VALUES = {
    "string": "text",
    "identifier": 5,
    "long": 7,
    "double": 1.5,
    "boolean": True,
    "time": TIME,
    "dynamic": {"a": 1},
}
ODD = [
    "",
    None,
    "[",
    '["\\ud800", {"\\ud800": "\\ud800"}, 1, null, [[]]]',
    '{"a": 1e999}',
    "9" * 5000,
    "x" * 70_000,
]
ODD += [
    "0x" + "f" * 40,
    "\\" * 99 + '"',
    '"' * 33,
    "T1 (T1059" * 999,
    "://[",
    "a@",
    "-",
    "N/A",
    "\x00\x1f",
    "٣",
]


@pytest.mark.parametrize("table", TABLES)
def test_every_column_lands_in_its_place_and_odd_texts_stop_nothing(table: str) -> None:
    kinds = {name: kind for name, kind in MAPPINGS[table].shape.properties.items() if isinstance(kind, str)}
    plain = {name: VALUES[kind] for name, kind in kinds.items()}
    odd = [{name: text for name, kind in kinds.items() if kind != "time"} for text in ODD]
    plain_times = {name: TIME for name, kind in kinds.items() if kind == "time"}
    landed, *others = rows(table, [plain, *({**plain_times, **record} for record in odd)])
    container = MAPPINGS[table].container
    expected = {name: '{"a": 1}' if kinds[name] == "dynamic" else value for name, value in plain.items()}
    expected.update(
        dict.fromkeys((name for name in kinds if kinds[name] == "time"), "2026-01-09T09:57:11.482133Z")
    )
    expected.update({name: "5" for name in kinds if kinds[name] == "identifier"})
    assert {name: landed[f"{container}.{name}"] for name in kinds} == expected
    assert len(others) == len(ODD)
