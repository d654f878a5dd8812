"""Who acts in device events, who is acted upon, and what is none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.ecs.helpers.event_rows import DEVICE, device_row, part, row

SID = "S-1-5-21-1-2-3-1105"
OBJECT_ID = "11118379-2a59-1111-ac3c-a51eb4a3c627"
JDOE = {"user.name": "jdoe", "user.domain": "contoso", "user.id": SID, "user.email": "jdoe@contoso.com"}
OTHER = {"AccountName": "svc", "AccountDomain": "ws1", "AccountSid": "S-1-5-21-9-9-9-1001"}
TARGET = {
    "user.target.name": "svc",
    "user.target.domain": "ws1",
    "user.target.id": "S-1-5-21-9-9-9-1001",
}
GROUP = {"GroupName": "Ops", "GroupDomainName": "x", "GroupSid": "S-1-2"}
PROCESS = {"ProcessId": 812, "FileName": "lsass.exe", "ProcessCommandLine": "lsass.exe"}


@pytest.mark.parametrize(
    "action",
    [
        "UserAccountCreated",
        "UserAccountDeleted",
        "UserAccountModified",
        "PasswordChangeAttempt",
        "UserAccountAddedToLocalGroup",
        "UserAccountRemovedFromLocalGroup",
        "LogonRightsSettingEnabled",
        "AccountCheckedForBlankPassword",
        "OpenProcessApiCall",
        "ReadProcessMemoryApiCall",
        "CreateRemoteThreadApiCall",
        "WriteToLsassProcessMemory",
        "ProcessPrimaryTokenModified",
        "ScheduledTaskCreated",
        "ScheduledTaskDeleted",
        "AsrLsassCredentialTheftBlocked",
    ],
)
def test_initiating_account_acts_on_the_other_one(action: str) -> None:
    process = PROCESS if "Process" in action or action.endswith("ApiCall") or "Lsass" in action else {}
    fields = device_row("DeviceEvents", ActionType=action, **OTHER, **process)
    assert part(fields, "user") == {**JDOE, **TARGET}
    assert (fields["process.name"], fields["process.user.name"]) == ("cmd.exe", "jdoe")
    assert fields["related.user"] == [
        "svc",
        "S-1-5-21-9-9-9-1001",
        "jdoe",
        "jdoe@contoso.com",
        SID,
        OBJECT_ID,
    ]
    assert not part(fields, "group")


def test_same_account_is_no_target_unless_the_action_is_about_accounts() -> None:
    same = {"AccountName": "JDOE", "AccountDomain": "contoso", "AccountSid": SID}
    assert part(device_row("DeviceEvents", ActionType="OpenProcessApiCall", **same), "user") == JDOE
    fields = device_row("DeviceEvents", ActionType="UserAccountModified", **same)
    assert fields["user.target.id"] == fields["user.id"] == SID
    by_name = {"AccountName": "JDOE", "AccountSid": None, "InitiatingProcessAccountSid": None}
    fields = device_row("DeviceEvents", ActionType="ScheduledTaskCreated", **by_name)
    assert not part(fields, "user.target")
    assert fields["user.id"] == OBJECT_ID


def test_account_without_an_actor_is_the_object_or_the_actor_by_the_action() -> None:
    assert part(row("DeviceEvents", **DEVICE, ActionType="UserAccountDeleted", **OTHER), "user") == TARGET
    assert part(row("DeviceEvents", **DEVICE, ActionType="OpenProcessApiCall", **OTHER), "user") == TARGET
    fields = row("DeviceEvents", **DEVICE, ActionType="UsbDriveMounted", **OTHER)
    assert part(fields, "user") == {name.replace(".target", ""): value for name, value in TARGET.items()}


def test_same_account_gives_its_name_whichever_columns_have_it() -> None:
    only_sid = {"InitiatingProcessAccountName": None, "InitiatingProcessAccountDomain": None}
    account = {"AccountName": "jdoe", "AccountDomain": "contoso", "AccountSid": SID}
    fields = device_row("DeviceEvents", ActionType="SensitiveFileRead", **account, **only_sid)
    assert part(fields, "user") == {"user.name": "jdoe", "user.domain": "contoso", "user.id": SID}
    fields = device_row("DeviceEvents", ActionType="SensitiveFileRead", AccountSid=SID)
    assert part(fields, "user") == JDOE


def test_account_of_a_created_process_acts() -> None:
    process = {**PROCESS, "FileName": "a.exe", "ProcessCommandLine": 'a.exe "b c"'}
    fields = device_row("DeviceEvents", ActionType="ProcessCreatedUsingWmiQuery", **OTHER, **process)
    assert part(fields, "user") == {name.replace(".target", ""): value for name, value in TARGET.items()}
    assert (fields["process.user.name"], fields["process.parent.user.name"]) == ("svc", "jdoe")
    assert (fields["process.args"], fields["process.args_count"]) == (["a.exe", "b c"], 2)
    assert fields["process.parent.args"] == ["cmd.exe", "/c", "start"]


@pytest.mark.parametrize("action", ["SecurityGroupCreated", "SecurityGroupDeleted"])
@pytest.mark.parametrize(
    "additional", [None, {"GroupName": "Ops", "GroupDomainName": "x", "GroupSid": "S-1-2"}]
)
def test_group_is_no_user(action: str, additional: dict[str, str] | None) -> None:
    fields = device_row("DeviceEvents", ActionType=action, **OTHER, AdditionalFields=json.dumps(additional))
    group = ("Ops", "x", "S-1-2") if additional else ("svc", "ws1", "S-1-5-21-9-9-9-1001")
    assert (fields["group.name"], fields["group.domain"], fields["group.id"]) == group
    assert part(fields, "user") == JDOE
    assert "svc" not in fields["related.user"]


@pytest.mark.parametrize("table", ["DeviceEvents", "DeviceNetworkEvents"])
def test_numbers_of_zero_are_none(table: str) -> None:
    none = {"InitiatingProcessId": 0, "InitiatingProcessParentId": 0, "LocalPort": 0, "RemotePort": 0}
    ends = {"LocalIP": "10.0.0.5", "RemoteIP": "203.0.113.7"}
    own = {"ProcessId": 0} if table == "DeviceEvents" else {}
    fields = device_row(table, ActionType="ConnectionSuccess", **none, **ends, **own)
    absent = ("process.pid", "process.entity_id", "process.parent.pid", "process.parent.entity_id")
    assert not fields.keys() & {*absent, "source.port", "destination.port"}
    assert fields["process.name"] == "cmd.exe"


@pytest.mark.parametrize("table", ["DeviceEvents", "DeviceNetworkEvents"])
def test_name_that_is_a_path_is_split(table: str) -> None:
    path = "\\Device\\HarddiskVolume3\\Windows\\System32\\smss.exe"
    fields = device_row(table, ActionType="x", InitiatingProcessParentFileName=path)
    assert fields["process.parent.name"] == "smss.exe"
    assert fields["process.parent.executable"] == path


@pytest.mark.parametrize("table", ["DeviceEvents", "DeviceNetworkEvents"])
def test_working_directories_are_among_the_additional_fields(table: str) -> None:
    directories = {
        "InitiatingProcessCurrentWorkingDirectory": "/var",
        "ProcessCurrentWorkingDirectory": "/tmp",
    }
    fields = device_row(table, ActionType="x", AdditionalFields=json.dumps(directories))
    assert fields["process.working_directory"] == "/var"
    if table == "DeviceEvents":
        fields = device_row(table, ActionType="x", AdditionalFields=json.dumps(directories), **PROCESS)
        assert fields["process.working_directory"] == "/tmp"
        assert fields["process.parent.working_directory"] == "/var"


def device_of(action: str, **keys: Any) -> dict[str, Any]:
    return part(
        row("DeviceEvents", **DEVICE, ActionType=action, AdditionalFields=json.dumps(keys)),
        "device",
        "volume",
    )


@pytest.mark.parametrize(
    ("bus", "name"), [("7", "Usb"), (15, "FileBackedVirtual"), ("USB", "USB"), ("99", "99"), ("", None)]
)
def test_bus_of_a_drive(bus: Any, name: str | None) -> None:
    assert device_of("UsbDriveMounted", BusType=bus).get("volume.bus_type") == name


def test_size_of_a_drive() -> None:
    assert device_of("UsbDriveMounted", DiskSize="8000000000") == {"volume.size": 8_000_000_000}
    assert device_of("UsbDriveMounted", DiskSize="8 GB") == {}


def test_classes_of_wmi_and_products_of_files_are_no_devices() -> None:
    assert device_of("ProcessCreatedUsingWmiQuery", ClassName="Win32_Process", ProductName="x") == {}


@pytest.mark.parametrize(
    ("url", "uri", "full"),
    [
        (None, "https://a.example/x", "https://a.example/x"),
        ("a.example", "https://a.example/x", "https://a.example/x"),
        ("https://a.example/", "https://b.example/x", "https://a.example/"),
    ],
)
def test_url_among_the_additional_fields(url: str | None, uri: str, full: str) -> None:
    additional = json.dumps({"Uri": uri})
    fields = device_row(
        "DeviceEvents", ActionType="SmartScreenUrlWarning", RemoteUrl=url, AdditionalFields=additional
    )
    assert fields["url.full"] == full


@pytest.mark.parametrize(
    ("ports", "direction"),
    [((3389, 50000), "ingress"), ((50000, 3389), "egress"), ((None, None), "unknown")],
)
def test_direction_of_a_remote_desktop_connection(
    ports: tuple[int | None, int | None], direction: str
) -> None:
    local, remote = ports
    ends = {"LocalIP": "10.0.0.5", "LocalPort": local, "RemoteIP": "198.51.100.4", "RemotePort": remote}
    fields = device_row("DeviceEvents", ActionType="RemoteDesktopConnection", **ends)
    assert fields["network.direction"] == direction


def test_sessions_and_origins_are_related() -> None:
    fields = device_row(
        "DeviceEvents",
        ActionType="x",
        FileOriginIP="203.0.113.80",
        FileOriginUrl="https://Files.example/a",
        ProcessRemoteSessionDeviceName="ADMIN2",
        ProcessRemoteSessionIP="::ffff:198.51.100.5",
    )
    assert fields["related.hosts"] == ["ws1.contoso.com", "admin2", "files.example"]
    assert fields["related.ip"] == ["198.51.100.5", "203.0.113.80"]
