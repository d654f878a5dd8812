"""What the mappings of Defender for Endpoint's tables make of records."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.ecs.helpers.event_rows import DEVICE, INITIATOR, TENANT, TICKS, device_row, part, row

STARTED = "2026-01-09T09:57:11.4802112Z"
PROCESS: dict[str, Any] = {
    "ActionType": "ProcessCreated",
    "AccountDomain": "contoso",
    "AccountName": "svc",
    "AccountSid": "S-1-5-18",
    "AccountUpn": "svc@contoso.com",
    "FileName": "rundll32.exe",
    "FolderPath": "C:\\Windows\\SysWOW64\\rundll32.exe",
    "InitiatingProcessSignatureStatus": "Valid",
    "MD5": "4" * 32,
    "ProcessCommandLine": 'rundll32.exe "c:\\my files\\a.dll",Run  /x',
    "ProcessCreationTime": STARTED,
    "ProcessId": 3276,
    "ProcessVersionInfoOriginalFileName": "RUNDLL32.EXE",
    "SHA1": "5" * 40,
    "SHA256": "6" * 64,
}


def test_created_process_is_process_and_the_initiating_one_its_parent() -> None:
    fields = device_row("DeviceProcessEvents", **PROCESS)
    assert part(fields, "process") == {
        "process.args": ["rundll32.exe", "c:\\my files\\a.dll,Run", "/x"],
        "process.args_count": 3,
        "process.command_line": PROCESS["ProcessCommandLine"],
        "process.entity_id": "d1-3276-17679526314802112",
        "process.executable": "C:\\Windows\\SysWOW64\\rundll32.exe",
        "process.hash.md5": "4" * 32,
        "process.hash.sha1": "5" * 40,
        "process.hash.sha256": "6" * 64,
        "process.name": "rundll32.exe",
        "process.parent.args": ["cmd.exe", "/c", "start"],
        "process.parent.args_count": 3,
        "process.parent.code_signature.exists": True,
        "process.parent.code_signature.status": "Valid",
        "process.parent.code_signature.trusted": True,
        "process.parent.code_signature.valid": True,
        "process.parent.command_line": '"cmd.exe" /c start',
        "process.parent.entity_id": "d1-8420-17679526304802112",
        "process.parent.executable": "c:\\windows\\system32\\cmd.exe",
        "process.parent.hash.md5": "1" * 32,
        "process.parent.hash.sha1": "2" * 40,
        "process.parent.hash.sha256": "3" * 64,
        "process.parent.name": "cmd.exe",
        "process.parent.pe.company": "Microsoft Corporation",
        "process.parent.pid": 8420,
        "process.parent.start": "2026-01-09T09:57:10.480211Z",
        "process.parent.user.id": "S-1-5-21-1-2-3-1105",
        "process.parent.user.name": "jdoe",
        "process.pe.original_file_name": "RUNDLL32.EXE",
        "process.pid": 3276,
        "process.start": "2026-01-09T09:57:11.480211Z",
        "process.user.id": "S-1-5-18",
        "process.user.name": "svc",
    }
    assert part(fields, "user") == {
        "user.domain": "contoso",
        "user.email": "svc@contoso.com",
        "user.id": "S-1-5-18",
        "user.name": "svc",
    }
    assert fields["related.hash"] == ["4" * 32, "5" * 40, "6" * 64, "1" * 32, "2" * 40, "3" * 64]
    assert fields["related.user"] == [
        "svc",
        "svc@contoso.com",
        "S-1-5-18",
        "jdoe",
        "jdoe@contoso.com",
        "S-1-5-21-1-2-3-1105",
        "11118379-2a59-1111-ac3c-a51eb4a3c627",
    ]


def test_what_every_row_of_a_device_has() -> None:
    fields = device_row("DeviceProcessEvents", **PROCESS, MachineGroup="Workstations")
    assert fields["@timestamp"] == "2026-01-09T09:57:11.482133Z"
    assert fields["organization.id"] == fields["landing.tenant"] == TENANT
    assert fields["microsoft.defender_xdr.MachineGroup"] == "Workstations"
    assert "microsoft.defender_xdr.unmapped" not in fields
    assert part(fields, "host") == {
        "host.hostname": "WS1.contoso.com",
        "host.id": "d1",
        "host.name": "ws1.contoso.com",
    }
    assert fields["related.hosts"] == ["ws1.contoso.com"]
    assert part(fields, "data_stream", "observer") == {
        "data_stream.dataset": "microsoft_defender_xdr.device_process_events",
        "data_stream.namespace": "default",
        "data_stream.type": "logs",
        "observer.product": "Defender for Endpoint",
        "observer.vendor": "Microsoft",
    }
    event = part(fields, "event")
    assert len(event.pop("event.hash")) == 32
    assert json.loads(event.pop("event.original"))["properties"]["ProcessId"] == 3276
    assert event == {
        "event.action": "start",
        "event.category": ["process"],
        "event.dataset": "microsoft_defender_xdr.device_process_events",
        "event.id": f"d1-41277-{TICKS}",
        "event.kind": "event",
        "event.module": "microsoft_defender_xdr",
        "event.provider": "defender_endpoint",
        "event.timezone": "UTC",
        "event.type": ["start"],
    }


def test_both_spellings_of_the_logon_id_are_one_column() -> None:
    for name in ("LogonId", "LogonID"):
        fields = device_row("DeviceProcessEvents", **PROCESS, **{name: 999})
        assert fields["microsoft.defender_xdr.LogonId"] == 999


def test_a_path_without_the_name_gets_it() -> None:
    fields = device_row(
        "DeviceProcessEvents",
        **{**PROCESS, "FolderPath": "C:\\Windows", "InitiatingProcessFolderPath": "/usr/bin/cmd.exe"},
    )
    assert fields["process.executable"] == "C:\\Windows\\rundll32.exe"
    assert fields["process.parent.executable"] == "/usr/bin/cmd.exe"


def test_remote_sessions_are_related() -> None:
    fields = device_row(
        "DeviceProcessEvents",
        **PROCESS,
        InitiatingProcessRemoteSessionIP="198.51.100.4",
        ProcessRemoteSessionIP="not an address",
        InitiatingProcessRemoteSessionDeviceName="ADMIN1",
    )
    assert fields["related.ip"] == ["198.51.100.4"]
    assert fields["related.hosts"] == ["ws1.contoso.com", "admin1"]


@pytest.mark.parametrize(
    ("status", "exists", "trusted"),
    [("Valid", True, True), ("Invalid", True, False), ("Unsigned", False, False), ("Unknown", None, None)],
)
def test_signature_of_the_parent(status: str, exists: bool | None, trusted: bool | None) -> None:
    fields = device_row("DeviceProcessEvents", **{**PROCESS, "InitiatingProcessSignatureStatus": status})
    assert fields.get("process.parent.code_signature.exists") is exists
    assert fields.get("process.parent.code_signature.trusted") is trusted


OUTGOING: dict[str, Any] = {
    "ActionType": "ConnectionSuccess",
    "LocalIP": "10.0.0.5",
    "LocalPort": 50123,
    "Protocol": "Tcp",
    "RemoteIP": "203.0.113.7",
    "RemotePort": 8443,
    "RemoteUrl": "https://Evil.example.com:8443/a/load.PHP?x=1",
}


def test_outgoing_connection() -> None:
    fields = device_row("DeviceNetworkEvents", **OUTGOING)
    assert part(fields, "source", "destination", "network") == {
        "source.address": "10.0.0.5",
        "source.ip": "10.0.0.5",
        "source.port": 50123,
        "destination.address": "203.0.113.7",
        "destination.ip": "203.0.113.7",
        "destination.port": 8443,
        "destination.domain": "evil.example.com",
        "network.direction": "egress",
        "network.transport": "tcp",
        "network.type": "ipv4",
    }
    assert part(fields, "url") == {
        "url.full": OUTGOING["RemoteUrl"],
        "url.original": OUTGOING["RemoteUrl"],
        "url.scheme": "https",
        "url.domain": "evil.example.com",
        "url.port": 8443,
        "url.path": "/a/load.PHP",
        "url.extension": "php",
        "url.query": "x=1",
    }
    assert fields["event.type"] == ["connection", "start"]
    assert fields["event.outcome"] == "success"
    assert fields["related.ip"] == ["10.0.0.5", "203.0.113.7"]
    assert fields["related.hosts"] == ["ws1.contoso.com", "evil.example.com"]
    assert fields["process.name"] == "cmd.exe"
    assert fields["process.parent.name"] == "explorer.exe"
    assert fields["process.parent.entity_id"] == "d1-4012-17679492000000000"
    assert fields["user.name"] == "jdoe"


@pytest.mark.parametrize(
    "changes",
    [
        {"ActionType": "InboundConnectionAccepted"},
        {"AdditionalFields": '{"direction":"In"}'},
        {"AdditionalFields": {"direction": "In"}},
    ],
)
def test_incoming_connection_has_the_remote_end_as_source_with_its_own_port(changes: dict[str, Any]) -> None:
    fields = device_row("DeviceNetworkEvents", **{**OUTGOING, **changes})
    assert fields["network.direction"] == "ingress"
    assert (fields["source.ip"], fields["source.port"]) == ("203.0.113.7", 8443)
    assert (fields["destination.ip"], fields["destination.port"]) == ("10.0.0.5", 50123)
    assert fields["source.domain"] == "evil.example.com"
    assert "destination.domain" not in fields


def test_what_additional_fields_say_counts_more_than_the_action() -> None:
    fields = device_row("DeviceNetworkEvents", **{**OUTGOING, "AdditionalFields": '{"direction":"Out"}'})
    assert fields["network.direction"] == "egress"
    fields = device_row("DeviceNetworkEvents", **{**OUTGOING, "ActionType": "ConnectionFound"})
    assert fields["network.direction"] == "unknown"
    assert fields["source.ip"] == "10.0.0.5"


def test_failed_connection_to_a_bare_domain() -> None:
    fields = device_row(
        "DeviceNetworkEvents", **{**OUTGOING, "ActionType": "ConnectionFailed", "RemoteUrl": "a.example"}
    )
    assert fields["event.type"] == ["connection", "denied"]
    assert fields["event.outcome"] == "failure"
    assert part(fields, "url") == {"url.original": "a.example", "url.domain": "a.example"}


def test_addresses_of_version_6_have_one_spelling() -> None:
    fields = device_row(
        "DeviceNetworkEvents", **{**OUTGOING, "RemoteIP": "2001:db8:0:0::7", "LocalIP": "fe80::1%eth0"}
    )
    assert fields["network.type"] == "ipv6"
    assert fields["destination.ip"] == "2001:db8::7"
    assert fields["source.ip"] == fields["source.address"] == "fe80::1"
    assert fields["microsoft.defender_xdr.LocalIP"] == "fe80::1%eth0"
    fields = device_row("DeviceNetworkEvents", **{**OUTGOING, "LocalIP": "Lokal "})
    assert "source.ip" not in fields
    assert fields["source.address"] == "Lokal"


def test_inspected_dns() -> None:
    answers = {
        "direction": "Out",
        "query": "Evil.example.com",
        "qclass_name": "C_INTERNET",
        "qtype_name": "A",
        "rcode_name": "NOERROR",
        "answers": '["alias.example.com","203.0.113.9","203.0.113.9"]',
        "AA": "false",
        "RD": "true",
        "RA": "true",
    }
    fields = device_row(
        "DeviceNetworkEvents",
        **{
            **OUTGOING,
            "ActionType": "DnsConnectionInspected",
            "Protocol": "Udp",
            "RemoteUrl": None,
            "AdditionalFields": json.dumps(answers),
        },
    )
    assert part(fields, "dns") == {
        "dns.question.name": "Evil.example.com",
        "dns.question.class": "IN",
        "dns.question.type": "A",
        "dns.response_code": "NOERROR",
        "dns.resolved_ip": ["203.0.113.9"],
        "dns.type": "answer",
        "dns.header_flags": ["RD", "RA"],
    }
    assert (fields["network.transport"], fields["network.protocol"]) == ("udp", "dns")
    assert fields["event.type"] == ["info", "protocol"]
    assert "event.outcome" not in fields
    assert fields["related.ip"] == ["10.0.0.5", "203.0.113.7", "203.0.113.9"]
    assert fields["related.hosts"] == ["ws1.contoso.com", "evil.example.com", "alias.example.com"]
    assert "http.version" not in fields


def test_inspected_http() -> None:
    seen = {
        "direction": "Out",
        "host": "a.example",
        "method": "GET",
        "referrer": "http://b.example/",
        "status_code": "404",
        "uri": "/x?y",
        "user_agent": "curl/8",
        "version": "1.1",
    }
    fields = device_row(
        "DeviceNetworkEvents",
        **{
            **OUTGOING,
            "ActionType": "HttpConnectionInspected",
            "RemoteUrl": "",
            "AdditionalFields": json.dumps(seen),
        },
    )
    assert part(fields, "http", "tls", "user_agent") == {
        "http.request.method": "GET",
        "http.request.referrer": "http://b.example/",
        "http.response.status_code": 404,
        "http.version": "1.1",
        "user_agent.original": "curl/8",
    }
    assert fields["url.full"] == "http://a.example/x?y"
    assert fields["destination.domain"] == "a.example"
    assert fields["network.protocol"] == "http"


def test_inspected_tls() -> None:
    seen = {"cipher": "TLS_AES", "established": "true", "server_name": "a.example", "version": "TLSv12"}
    fields = device_row(
        "DeviceNetworkEvents",
        **{
            **OUTGOING,
            "ActionType": "SslConnectionInspected",
            "RemoteUrl": None,
            "AdditionalFields": json.dumps(seen),
        },
    )
    assert part(fields, "http", "tls") == {
        "tls.cipher": "TLS_AES",
        "tls.client.server_name": "a.example",
        "tls.established": True,
        "tls.version": "1.2",
        "tls.version_protocol": "tls",
    }
    assert fields["destination.domain"] == "a.example"
    assert "url.full" not in fields


@pytest.mark.parametrize(
    ("action", "seen"),
    [
        ("HttpConnectionInspected", {"host": "WWW.contoso.com:8080", "uri": "/login"}),
        ("SslConnectionInspected", {"server_name": "www.contoso.com"}),
    ],
)
def test_what_was_inspected_of_an_incoming_connection_names_the_destination(
    action: str, seen: dict[str, str]
) -> None:
    changes = {"ActionType": action, "AdditionalFields": json.dumps({"direction": "In", **seen})}
    fields = device_row("DeviceNetworkEvents", **{**OUTGOING, **changes, "RemoteUrl": None})
    assert fields["source.ip"] == "203.0.113.7"
    assert fields["destination.domain"] == "www.contoso.com"
    assert fields.get("url.domain") == ("www.contoso.com" if "host" in seen else None)
    assert "source.domain" not in fields
    assert fields["related.hosts"] == ["ws1.contoso.com", "www.contoso.com"]

    fields = device_row("DeviceNetworkEvents", **{**OUTGOING, **changes})
    assert fields["source.domain"] == fields["url.domain"] == "evil.example.com"
    assert fields["destination.domain"] == "www.contoso.com"
    assert fields["related.hosts"] == ["ws1.contoso.com", "evil.example.com", "www.contoso.com"]


def test_network_signature() -> None:
    fields = device_row(
        "DeviceNetworkEvents",
        **{
            **OUTGOING,
            "ActionType": "NetworkSignatureInspected",
            "AdditionalFields": '{"SignatureName":"SMB2"}',
        },
    )
    assert fields["rule.name"] == "SMB2"
    assert fields["event.type"] == ["info"]


@pytest.mark.parametrize(
    ("action", "outcome"),
    [("LogonSuccess", "success"), ("LogonFailed", "failure"), ("LogonAttempted", "unknown")],
)
def test_logon(action: str, outcome: str) -> None:
    fields = device_row(
        "DeviceLogonEvents",
        ActionType=action,
        AccountDomain="contoso",
        AccountName="svc",
        AccountSid="S-1-5-18",
        FailureReason="InvalidUserNameOrPassword",
        Protocol="NTLM",
        RemoteDeviceName="ADMIN1",
        RemoteIP="198.51.100.4",
        RemotePort=49152,
    )
    assert fields["event.category"] == ["authentication"]
    assert fields["event.type"] == ["start"]
    assert fields["event.outcome"] == outcome
    assert fields["event.reason"] == "InvalidUserNameOrPassword"
    assert part(fields, "source", "destination", "network") == {
        "network.protocol": "ntlm",
        "source.address": "198.51.100.4",
        "source.domain": "admin1",
        "source.ip": "198.51.100.4",
        "source.port": 49152,
    }
    assert part(fields, "user") == {"user.domain": "contoso", "user.id": "S-1-5-18", "user.name": "svc"}
    assert fields["process.user.name"] == "jdoe"
    assert fields["related.hosts"] == ["ws1.contoso.com", "admin1"]
    assert fields["related.ip"] == ["198.51.100.4"]
    assert fields["related.user"][:3] == ["svc", "S-1-5-18", "jdoe"]


def test_registry_value_is_set() -> None:
    fields = device_row(
        "DeviceRegistryEvents",
        ActionType="RegistryValueSet",
        RegistryKey="HKEY_LOCAL_MACHINE\\SOFTWARE\\Run",
        RegistryValueData="c:\\x.exe",
        RegistryValueName="Updater",
        RegistryValueType="String",
        PreviousRegistryValueData="old",
    )
    assert part(fields, "registry") == {
        "registry.data.strings": ["c:\\x.exe"],
        "registry.data.type": "REG_SZ",
        "registry.hive": "HKLM",
        "registry.key": "SOFTWARE\\Run",
        "registry.path": "HKLM\\SOFTWARE\\Run\\Updater",
        "registry.value": "Updater",
    }
    assert (fields["event.action"], fields["event.type"]) == ("modification", ["change"])
    assert fields["process.name"] == "cmd.exe"


def test_deleted_registry_value_is_found_under_its_previous_names() -> None:
    fields = device_row(
        "DeviceRegistryEvents",
        ActionType="RegistryValueDeleted",
        RegistryKey="",
        PreviousRegistryKey="HKEY_USERS\\S-1-5-18\\Console",
        PreviousRegistryValueName="Font",
    )
    assert part(fields, "registry") == {
        "registry.hive": "HKU",
        "registry.key": "S-1-5-18\\Console",
        "registry.path": "HKU\\S-1-5-18\\Console\\Font",
        "registry.value": "Font",
    }
    assert fields["event.type"] == ["deletion"]


FILE: dict[str, Any] = {
    "FileName": "Report.DOCX",
    "FolderPath": "C:\\Users\\jdoe\\Report.DOCX",
    "FileSize": 1024,
    "SHA1": "5" * 40,
}


@pytest.mark.parametrize(
    ("action_type", "action", "event_type"),
    [
        ("FileCreated", "creation", "creation"),
        ("FileModified", "modification", "change"),
        ("FileRenamed", "rename", "change"),
        ("FileDeleted", "deletion", "deletion"),
        ("Some Other", "some-other", "info"),
    ],
)
def test_file(action_type: str, action: str, event_type: str) -> None:
    fields = device_row(
        "DeviceFileEvents", **FILE, ActionType=action_type, FileOriginUrl="https://a.example/r"
    )
    assert part(fields, "file") == {
        "file.directory": "C:\\Users\\jdoe",
        "file.drive_letter": "C",
        "file.extension": "docx",
        "file.hash.sha1": "5" * 40,
        "file.name": "Report.DOCX",
        "file.origin_url": "https://a.example/r",
        "file.path": "C:\\Users\\jdoe\\Report.DOCX",
        "file.size": 1024,
    }
    assert (fields["event.action"], fields["event.category"], fields["event.type"]) == (
        action,
        ["file"],
        [event_type],
    )
    assert fields["user.name"] == "jdoe"


def test_file_by_a_remote_request_has_its_account_and_no_part_of_another() -> None:
    fields = device_row(
        "DeviceFileEvents",
        **FILE,
        ActionType="FileCreated",
        FileOriginIP="203.0.113.9",
        RequestAccountName="remote",
        RequestProtocol="Smb",
        RequestSourceIP="198.51.100.4",
        RequestSourcePort=49152,
    )
    assert part(fields, "user") == {"user.name": "remote"}
    assert part(fields, "source", "network") == {
        "network.protocol": "smb",
        "source.address": "198.51.100.4",
        "source.ip": "198.51.100.4",
        "source.port": 49152,
    }
    assert fields["related.ip"] == ["198.51.100.4", "203.0.113.9"]
    local = device_row("DeviceFileEvents", **FILE, ActionType="FileCreated", RequestProtocol="Local")
    assert "network.protocol" not in local


def test_loaded_image_is_a_library_and_starts() -> None:
    fields = device_row("DeviceImageLoadEvents", **FILE, ActionType="ImageLoaded")
    assert (fields["event.action"], fields["event.category"], fields["event.type"]) == (
        "load",
        ["library"],
        ["start"],
    )
    assert part(fields, "dll") == {
        "dll.hash.sha1": "5" * 40,
        "dll.name": "Report.DOCX",
        "dll.path": "C:\\Users\\jdoe\\Report.DOCX",
    }
    assert fields["process.name"] == "cmd.exe"


def test_process_of_another_event_is_process() -> None:
    fields = device_row("DeviceEvents", **{**PROCESS, "ActionType": "ProcessCreatedUsingWmiQuery"})
    assert fields["process.name"] == "rundll32.exe"
    assert fields["process.entity_id"] == "d1-3276-17679526314802112"
    assert fields["process.parent.name"] == "cmd.exe"
    assert fields["process.parent.hash.sha256"] == "3" * 64
    assert fields["process.parent.pe.company"] == "Microsoft Corporation"
    assert "process.pe.company" not in fields
    assert (fields["process.user.name"], fields["process.user.id"]) == ("svc", "S-1-5-18")
    assert fields["process.parent.user.name"] == "jdoe"
    assert fields["process.parent.user.id"] == "S-1-5-21-1-2-3-1105"
    assert fields["file.name"] == "rundll32.exe"
    assert (fields["event.category"], fields["event.type"]) == (["process"], ["start"])
    assert part(fields, "user") == {"user.domain": "contoso", "user.id": "S-1-5-18", "user.name": "svc"}


def test_process_that_calls_an_api_is_process_and_its_target_stays_as_file() -> None:
    fields = device_row("DeviceEvents", **{**PROCESS, "ActionType": "CreateRemoteThreadApiCall"})
    assert fields["process.name"] == "cmd.exe"
    assert fields["process.pid"] == 8420
    assert fields["process.parent.name"] == "explorer.exe"
    assert fields["process.parent.pid"] == 4012
    assert "process.parent.command_line" not in fields
    assert fields["file.name"] == "rundll32.exe"
    assert fields["microsoft.defender_xdr.ProcessId"] == 3276
    assert (fields["event.category"], fields["event.type"]) == (["api", "process"], ["change"])


def test_event_without_a_process_of_its_own_has_the_initiating_one() -> None:
    fields = device_row("DeviceEvents", **FILE, ActionType="AntivirusDetection")
    assert fields["process.name"] == "cmd.exe"
    assert fields["file.name"] == "Report.DOCX"
    assert (fields["event.category"], fields["event.type"]) == (["malware"], ["info"])


@pytest.mark.parametrize(
    ("action", "categories", "types"),
    [
        ("AsrOfficeChildProcessBlocked", ["intrusion_detection"], ["denied"]),
        ("AsrOfficeChildProcessAudited", ["intrusion_detection"], ["allowed"]),
        ("DriverLoad", ["driver"], ["start"]),
        ("ExploitGuardNetworkProtectionBlocked", ["intrusion_detection", "network"], ["denied"]),
        ("OpenProcessApiCall", ["api", "process"], ["access"]),
        ("ScheduledTaskCreated", ["configuration"], ["creation"]),
        ("SecurityGroupCreated", ["iam"], ["creation", "group"]),
        ("UserAccountDeleted", ["iam"], ["deletion", "user"]),
        ("UsbDriveMounted", ["host"], ["change"]),
    ],
)
def test_categories_of_other_events(action: str, categories: list[str], types: list[str]) -> None:
    fields = device_row("DeviceEvents", ActionType=action)
    assert (fields["event.category"], fields["event.type"]) == (categories, types)


def test_dns_response_of_a_process() -> None:
    result = [{"DnsQueryType": "A", "Result": "::ffff:203.0.113.9"}, {"Result": "type: 5 a.example"}]
    fields = device_row(
        "DeviceEvents",
        ActionType="DnsQueryResponse",
        AdditionalFields=json.dumps({"DnsQueryString": "b.example", "DnsQueryResult": result}),
    )
    assert part(fields, "dns") == {
        "dns.question.name": "b.example",
        "dns.resolved_ip": ["203.0.113.9"],
        "dns.type": "answer",
    }
    assert fields["related.ip"] == ["203.0.113.9"]
    assert fields["related.hosts"] == ["ws1.contoso.com", "b.example"]


def test_event_with_a_registry_key_and_a_remote_device() -> None:
    fields = device_row(
        "DeviceEvents",
        ActionType="FirewallInboundConnectionBlocked",
        LocalIP="10.0.0.5",
        LocalPort=445,
        RegistryKey="HKEY_CURRENT_USER\\Console",
        RegistryValueData="x",
        RegistryValueName="Font",
        RemoteDeviceName="ADMIN1",
        RemoteIP="198.51.100.4",
        RemotePort=49152,
    )
    assert part(fields, "source", "destination", "network") == {
        "destination.address": "10.0.0.5",
        "destination.ip": "10.0.0.5",
        "destination.port": 445,
        "network.direction": "ingress",
        "network.type": "ipv4",
        "source.address": "198.51.100.4",
        "source.domain": "admin1",
        "source.ip": "198.51.100.4",
        "source.port": 49152,
    }
    assert fields["registry.path"] == "HKCU\\Console\\Font"
    assert fields["registry.data.strings"] == ["x"]


@pytest.mark.parametrize(
    ("action", "direction", "source"),
    [
        ("FirewallOutboundConnectionBlocked", "egress", "10.0.0.5"),
        ("FirewallInboundConnectionBlocked", "ingress", "198.51.100.4"),
        ("RemoteDesktopConnection", "unknown", "10.0.0.5"),
    ],
)
def test_direction_of_another_event_by_its_action(action: str, direction: str, source: str) -> None:
    fields = device_row("DeviceEvents", ActionType=action, LocalIP="10.0.0.5", RemoteIP="198.51.100.4")
    assert (fields["network.direction"], fields["source.ip"]) == (direction, source)


def test_certificate_of_a_file() -> None:
    fields = row(
        "DeviceFileCertificateInfo",
        **DEVICE,
        CertificateCountersignatureTime="2020-05-05T05:05:05Z",
        CertificateCreationTime="2020-01-01T00:00:00Z",
        CertificateExpirationTime="2030-01-01T00:00:00Z",
        CertificateSerialNumber="33000002",
        IsSigned=True,
        IsTrusted=0,
        Issuer="Example CA",
        IssuerHash="7" * 40,
        SHA1="5" * 40,
        Signer="Example Ltd",
        SignerHash="8" * 40,
    )
    assert part(fields, "file") == {
        "file.code_signature.exists": True,
        "file.code_signature.subject_name": "Example Ltd",
        "file.code_signature.timestamp": "2020-05-05T05:05:05Z",
        "file.code_signature.trusted": False,
        "file.hash.sha1": "5" * 40,
        "file.x509.issuer.common_name": ["Example CA"],
        "file.x509.not_after": "2030-01-01T00:00:00Z",
        "file.x509.not_before": "2020-01-01T00:00:00Z",
        "file.x509.serial_number": "33000002",
        "file.x509.subject.common_name": ["Example Ltd"],
    }
    assert fields["related.hash"] == ["5" * 40, "8" * 40, "7" * 40]


def test_device() -> None:
    fields = row(
        "DeviceInfo",
        **DEVICE,
        AadDeviceId="aad-1",
        AwsResourceName="",
        AzureVmId="vm-1",
        AzureVmSubscriptionId="sub-1",
        ClientVersion="10.8295",
        CloudPlatforms="Azure",
        DeviceType="Server",
        LoggedOnUsers='[{"UserName":"jdoe","DomainName":"contoso","Sid":"S-1-5-21"},{"UserName":"svc"}]',
        Model="Virtual Machine",
        OSArchitecture="64-bit",
        OSDistribution="Ubuntu",
        OSPlatform="Linux",
        OSVersion="22.4",
        PublicIP="203.0.113.50",
        Vendor="Microsoft",
    )
    assert part(fields, "host") == {
        "host.architecture": "64-bit",
        "host.hostname": "WS1.contoso.com",
        "host.id": "d1",
        "host.ip": ["203.0.113.50"],
        "host.name": "ws1.contoso.com",
        "host.os.name": "Linux",
        "host.os.platform": "Ubuntu",
        "host.os.type": "linux",
        "host.os.version": "22.4",
        "host.type": "Server",
    }
    assert part(fields, "cloud", "device") == {
        "cloud.account.id": "sub-1",
        "cloud.instance.id": "vm-1",
        "cloud.provider": "azure",
        "device.id": "aad-1",
        "device.manufacturer": "Microsoft",
        "device.model.name": "Virtual Machine",
    }
    assert fields["observer.version"] == "10.8295"
    assert fields["related.user"] == ["jdoe", "S-1-5-21", "svc"]


@pytest.mark.parametrize(
    ("column", "provider"),
    [("AwsResourceName", "aws"), ("AzureResourceId", "azure"), ("GcpFullResourceName", "gcp")],
)
def test_cloud_of_a_device_by_its_resource(column: str, provider: str) -> None:
    assert row("DeviceInfo", **DEVICE, **{column: "x"})["cloud.provider"] == provider


def test_network_adapter() -> None:
    fields = row(
        "DeviceNetworkInfo",
        **DEVICE,
        DefaultGateways='["10.0.0.1"]',
        DnsAddresses='["10.0.0.53","10.0.0.53"]',
        IPAddresses='[{"IPAddress":"10.0.0.5","SubnetPrefix":24},{"IPAddress":"fe80::1"},{"IPAddress":"x"}]',
        IPv4Dhcp="10.0.0.2",
        MacAddress="00:0d:3a:12:34:56",
    )
    assert fields["host.ip"] == ["10.0.0.5", "fe80::1"]
    assert fields["host.mac"] == ["00-0D-3A-12-34-56"]
    assert fields["related.ip"] == ["10.0.0.5", "fe80::1", "10.0.0.53", "10.0.0.1", "10.0.0.2"]
    assert fields["event.category"] == ["host", "network"]


def test_initiator_is_the_user_where_the_row_has_no_account() -> None:
    fields = device_row("DeviceEvents", ActionType="PowerShellCommand")
    assert part(fields, "user") == {
        "user.domain": "contoso",
        "user.email": "jdoe@contoso.com",
        "user.id": INITIATOR["InitiatingProcessAccountSid"],
        "user.name": "jdoe",
    }


INITIATING_TABLES = [
    "DeviceEvents",
    "DeviceFileEvents",
    "DeviceImageLoadEvents",
    "DeviceLogonEvents",
    "DeviceNetworkEvents",
    "DeviceRegistryEvents",
]


@pytest.mark.parametrize("table", INITIATING_TABLES)
def test_initiating_process_is_process(table: str) -> None:
    fields = device_row(table, ActionType="NamedPipeEvent")
    process = part(fields, "process")
    assert process.pop("process.args") == ["cmd.exe", "/c", "start"]
    assert process.pop("process.args_count") == 3
    assert process == {
        "process.pe.company": "Microsoft Corporation",
        "process.user.id": "S-1-5-21-1-2-3-1105",
        "process.user.name": "jdoe",
        "process.command_line": '"cmd.exe" /c start',
        "process.entity_id": "d1-8420-17679526304802112",
        "process.executable": "c:\\windows\\system32\\cmd.exe",
        "process.hash.md5": "1" * 32,
        "process.hash.sha1": "2" * 40,
        "process.hash.sha256": "3" * 64,
        "process.name": "cmd.exe",
        "process.parent.entity_id": "d1-4012-17679492000000000",
        "process.parent.name": "explorer.exe",
        "process.parent.pid": 4012,
        "process.parent.start": "2026-01-09T09:00:00Z",
        "process.pid": 8420,
        "process.start": "2026-01-09T09:57:10.480211Z",
    }
    if table != "DeviceLogonEvents":
        assert part(fields, "user") == {
            "user.domain": "contoso",
            "user.email": "jdoe@contoso.com",
            "user.id": "S-1-5-21-1-2-3-1105",
            "user.name": "jdoe",
        }
    assert fields["related.hash"] == ["1" * 32, "2" * 40, "3" * 64]
    assert fields["related.user"] == [
        "jdoe",
        "jdoe@contoso.com",
        "S-1-5-21-1-2-3-1105",
        INITIATOR["InitiatingProcessAccountObjectId"],
    ]
    assert fields["event.id"] == f"d1-41277-{TICKS}"
    assert fields["related.hosts"] == ["ws1.contoso.com"]


@pytest.mark.parametrize("table", INITIATING_TABLES)
def test_remote_session_of_the_initiating_process_is_related(table: str) -> None:
    session = {
        "InitiatingProcessRemoteSessionDeviceName": "ADMIN1",
        "InitiatingProcessRemoteSessionIP": "198.51.100.4",
    }
    fields = device_row(table, ActionType="x", **session)
    assert fields["related.hosts"] == ["ws1.contoso.com", "admin1"]
    assert fields["related.ip"] == ["198.51.100.4"]
    assert not part(fields, "source", "destination")


def test_blocked_process_that_got_no_pid_is_still_process() -> None:
    fields = device_row(
        "DeviceEvents", **{**PROCESS, "ActionType": "AsrOfficeChildProcessBlocked", "ProcessId": None}
    )
    assert fields["process.name"] == "rundll32.exe"
    assert "process.pid" not in fields
    assert fields["process.parent.pid"] == 8420


def test_accounts_with_different_sids_lend_each_other_nothing() -> None:
    fields = device_row("DeviceProcessEvents", **{**PROCESS, "AccountName": None, "AccountUpn": None})
    assert part(fields, "user") == {"user.domain": "contoso", "user.id": "S-1-5-18"}
    assert "process.user.name" not in fields
    assert fields["process.parent.user.name"] == "jdoe"


def test_an_account_without_a_sid_has_the_id_in_entra() -> None:
    fields = device_row(
        "DeviceImageLoadEvents",
        **FILE,
        InitiatingProcessAccountSid=None,
        InitiatingProcessAccountUpn="no address",
    )
    assert fields["user.id"] == fields["process.user.id"] == INITIATOR["InitiatingProcessAccountObjectId"]
    assert "user.email" not in fields


@pytest.mark.parametrize(
    "unknown",
    [
        {"InitiatingProcessId": 0},
        {"InitiatingProcessId": None},
        {"InitiatingProcessCreationTime": None},
        {"InitiatingProcessCreationTime": "1601-01-01T00:00:00Z"},
        {"InitiatingProcessCreationTime": "0001-01-01T00:00:00Z"},
    ],
)
@pytest.mark.parametrize("table", INITIATING_TABLES)
def test_a_process_without_pid_or_start_has_no_identity(table: str, unknown: dict[str, Any]) -> None:
    fields = device_row(table, ActionType="Any", **unknown)
    assert "process.entity_id" not in fields
    assert fields["process.parent.entity_id"] == "d1-4012-17679492000000000"
    assert fields.get("process.pid") == (None if "InitiatingProcessId" in unknown else 8420)
    assert ("process.start" in fields) == ("InitiatingProcessId" in unknown)


@pytest.mark.parametrize(
    "additional", ["{", "[]", '"CurrentWorkingDirectory"', {"InitiatingProcessCurrentWorkingDirectory": 1}]
)
def test_no_working_directory_of_what_is_none(additional: Any) -> None:
    fields = device_row("DeviceLogonEvents", AdditionalFields=additional)
    assert "process.working_directory" not in fields


@pytest.mark.parametrize(
    ("resource", "cloud"),
    [
        (
            {"GcpFullResourceName": "//compute.googleapis.com/projects/p1/zones/europe-west3-b/instances/42"},
            {
                "cloud.availability_zone": "europe-west3-b",
                "cloud.instance.id": "42",
                "cloud.project.id": "p1",
                "cloud.provider": "gcp",
                "cloud.region": "europe-west3",
            },
        ),
        (
            {"GcpFullResourceName": "projects/p1/zones/europe-west3-b/instances/web"},
            {
                "cloud.availability_zone": "europe-west3-b",
                "cloud.instance.name": "web",
                "cloud.project.id": "p1",
                "cloud.provider": "gcp",
                "cloud.region": "europe-west3",
            },
        ),
        ({"GcpFullResourceName": "x"}, {"cloud.provider": "gcp"}),
        ({"AwsResourceName": "x"}, {"cloud.provider": "aws"}),
        ({"AzureResourceId": "x", "CloudPlatforms": "AWS"}, {"cloud.provider": "aws"}),
    ],
)
def test_machines_in_clouds(resource: dict[str, str], cloud: dict[str, str]) -> None:
    assert part(row("DeviceInfo", **DEVICE, **resource), "cloud") == cloud


@pytest.mark.parametrize(
    ("info", "full"),
    [
        (
            {"OSPlatform": "Linux", "OSDistribution": "Ubuntu", "OSVersionInfo": "Ubuntu 22.04"},
            "Ubuntu 22.04",
        ),
        ({"OSPlatform": "macOS", "OSDistribution": "Unknown", "OSVersionInfo": "Sonoma"}, "macOS Sonoma"),
        ({"OSPlatform": "macOS"}, None),
        ({"OSVersionInfo": "Sonoma"}, None),
    ],
)
def test_full_name_of_a_system(info: dict[str, str], full: str | None) -> None:
    assert row("DeviceInfo", **DEVICE, **info).get("host.os.full") == full


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("Contoso = Fabrikam", {"common_name": ["Contoso = Fabrikam"]}),
        ("CN=a, broken", {"common_name": ["CN=a, broken"]}),
        ('CN="", O=a', {"distinguished_name": 'CN="", O=a', "organization": ["a"]}),
    ],
)
def test_names_of_certificates(text: str, fields: dict[str, Any]) -> None:
    found = row("DeviceFileCertificateInfo", **DEVICE, Issuer=text)
    assert part(found, "file.x509.issuer") == {
        f"file.x509.issuer.{name}": value for name, value in fields.items()
    }


@pytest.mark.parametrize(
    ("action", "value_type", "data", "expected"),
    [
        ("RegistryValueSet", "Qword", "0xFF", ("REG_QWORD", ["255"])),
        ("RegistryValueSet", "Dword", "12", ("REG_DWORD", ["12"])),
        ("RegistryValueSet", "String", "0xFF", ("REG_SZ", ["0xFF"])),
        ("RegistryValueSet", "None", None, ("REG_NONE", None)),
        ("RegistryValueDeleted", "None", None, (None, None)),
        ("RegistryValueDeleted", "String", None, (None, None)),
        ("RegistryKeyDeleted", "None", None, (None, None)),
    ],
)
def test_type_and_data_of_registry_values(
    action: str, value_type: str, data: str | None, expected: tuple[str | None, list[str] | None]
) -> None:
    fields = device_row(
        "DeviceRegistryEvents",
        ActionType=action,
        RegistryKey="HKEY_USERS\\a",
        RegistryValueName="b",
        RegistryValueType=value_type,
        RegistryValueData=data,
    )
    assert (fields.get("registry.data.type"), fields.get("registry.data.strings")) == expected
