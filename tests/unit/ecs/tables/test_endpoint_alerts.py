"""What the mapping of endpoint alerts makes of each kind of item, beyond the seed."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from airflow_provider_defender.ecs.categories import EXPECTED_TYPES
from tests.unit.ecs.helpers.alert_records import (
    ALERT,
    FILE_ITEM,
    IP_ITEM,
    NO_ITEM,
    PROCESS_ITEM,
    REGISTRY_ITEM,
    URL_ITEM,
    USER_ITEM,
    alert,
    flat,
    map_alerts,
    row,
    rows,
)


def of_item(item: Any, **changes: Any) -> dict[str, Any]:
    return flat(row(alert(evidence=[item], **changes)))


def test_process_item() -> None:
    fields = of_item(PROCESS_ITEM)
    machine = ALERT["machineId"]
    expected = {
        "process.pid": 3276,
        "process.name": "rundll32.exe",
        "process.executable": "C:\\Windows\\SysWOW64\\rundll32.exe",
        "process.command_line": PROCESS_ITEM["processCommandLine"],
        "process.args": ["rundll32.exe", "c:\\temp\\suspicious.dll,RepeatAfterMe"],
        "process.args_count": 2,
        "process.start": "2021-01-26T20:31:32.958159Z",
        "process.entity_id": f"{machine}-3276-16116930929581596",
        "process.hash.sha1": PROCESS_ITEM["sha1"],
        "process.hash.sha256": PROCESS_ITEM["sha256"],
        "process.user.id": "S-1-5-18",
        "process.user.name": "runner",
        "process.parent.pid": 8420,
        "process.parent.name": "explorer.exe",
        "process.parent.executable": "C:\\Windows\\explorer.exe",
        "process.parent.start": "2021-01-26T20:31:32.900416Z",
        "process.parent.entity_id": f"{machine}-8420-16116930929004163",
    }
    assert {name: value for name, value in fields.items() if name.startswith("process.")} == expected
    assert fields["file.name"] == "rundll32.exe"
    assert fields["file.path"] == "C:\\Windows\\SysWOW64\\rundll32.exe"
    assert fields["file.directory"] == "C:\\Windows\\SysWOW64"
    assert fields["file.extension"] == "exe"
    assert fields["related.hash"] == [PROCESS_ITEM["sha1"], PROCESS_ITEM["sha256"]]
    assert fields["event.category"] == ["host", "process"]
    assert fields["event.type"] == ["start"]


def test_file_item_is_no_process() -> None:
    fields = of_item(FILE_ITEM)
    assert not [name for name in fields if name.startswith("process.")]
    assert fields["file.path"] == "c:\\temp\\suspicious.DLL"
    assert fields["file.extension"] == "dll"
    assert fields["event.category"] == ["host", "file"]
    assert fields["event.type"] == ["info"]


def test_registry_item() -> None:
    fields = of_item(REGISTRY_ITEM)
    assert {name: value for name, value in fields.items() if name.startswith("registry.")} == {
        "registry.hive": "HKLM",
        "registry.key": "SOFTWARE\\Run",
        "registry.value": "Updater",
        "registry.path": "HKLM\\SOFTWARE\\Run\\Updater",
        "registry.data.type": "REG_EXPAND_SZ",
        "registry.data.strings": ["%TEMP%\\updater.exe"],
    }
    assert fields["event.category"] == ["host", "registry"]
    assert fields["event.type"] == ["access"]


def test_registry_key_with_its_hive_in_front() -> None:
    item = {**REGISTRY_ITEM, "registryHive": None, "registryKey": "HKEY_CURRENT_USER\\Console"}
    fields = of_item({**item, "registryValueName": None, "registryValueType": "REG_SZ"})
    assert fields["registry.hive"] == "HKCU"
    assert fields["registry.key"] == "Console"
    assert fields["registry.path"] == "HKCU\\Console"
    assert fields["registry.data.type"] == "REG_SZ"


def test_address_item_gives_related_address_but_no_source_or_destination() -> None:
    fields = of_item(IP_ITEM)
    assert fields["related.ip"] == ["203.0.113.7"]
    assert fields["event.category"] == ["host", "network"]
    assert not [name for name in fields if name.startswith(("source.", "destination.", "host.ip"))]


def test_address_that_is_none_stays_in_its_own_column_only() -> None:
    fields = of_item({**IP_ITEM, "ipAddress": "not an address"})
    assert "related.ip" not in fields
    assert fields["microsoft.defender_endpoint.evidence.ipAddress"] == "not an address"


def test_url_item() -> None:
    fields = of_item(URL_ITEM)
    assert {name: value for name, value in fields.items() if name.startswith("url.")} == {
        "url.full": URL_ITEM["url"],
        "url.original": URL_ITEM["url"],
        "url.scheme": "https",
        "url.domain": "evil.example.com",
        "url.port": 8443,
        "url.path": "/a/load.PHP",
        "url.extension": "php",
        "url.query": "x=1",
        "url.fragment": "top",
        "url.username": "bob",
        "url.password": "secret",
    }
    assert fields["related.hosts"] == [ALERT["computerDnsName"], "evil.example.com"]
    assert "related.ip" not in fields


def test_url_with_an_ipv6_address_for_host() -> None:
    fields = of_item({**URL_ITEM, "url": "http://[2001:db8::9]:8080/x"})
    assert (fields["url.domain"], fields["related.ip"]) == ("[2001:db8::9]", ["2001:db8::9"])
    assert fields["related.hosts"] == of_item({**URL_ITEM, "url": "http://203.0.113.9/x"})["related.hosts"]


def test_url_with_an_address_for_host() -> None:
    fields = of_item({**URL_ITEM, "url": "http://203.0.113.9/x"}, domains=["a.example", "a.example"])
    assert fields["related.ip"] == ["203.0.113.9"]
    assert fields["related.hosts"] == [ALERT["computerDnsName"], "a.example"]


def test_user_of_the_alert_comes_before_the_account_of_the_item() -> None:
    fields = of_item({**USER_ITEM, "userPrincipalName": "name@microsoft.com"})
    assert (fields["user.name"], fields["user.domain"]) == ("temp123", "DOMAIN")
    assert "user.id" not in fields
    assert "user.email" not in fields


@pytest.mark.parametrize(
    ("related", "account", "same"),
    [
        (("temp123", "DOMAIN"), {}, True),  # by the user principal name
        (("NAME", "domain.example"), {}, True),
        (("name", None), {}, True),
        (("DOMAIN\\name", None), {}, True),
        (("name@domain.example", None), {}, True),
        (("name", "OTHER"), {}, False),
        (("someone", "DOMAIN"), {}, False),
        (("someone", "DOMAIN"), {"accountName": None}, False),
        (("temp123", "DOMAIN"), {"accountName": None, "domainName": None}, True),
        (("temp123", "DOMAIN"), {"accountName": None, "userPrincipalName": None}, False),
        (("name", "DOMAIN"), {"accountName": "DOMAIN\\name", "domainName": None}, True),
        (("name", "OTHER"), {"accountName": "DOMAIN\\name", "domainName": None}, False),
    ],
)
def test_id_and_address_are_those_of_the_one_account(
    related: tuple[str, str | None], account: dict[str, Any], same: bool
) -> None:
    user = dict(zip(("userName", "domainName"), related, strict=True))
    fields = of_item({**USER_ITEM, **account}, relatedUser=user)
    assert fields.get("user.id") == (USER_ITEM["userSid"] if same else None)
    assert fields["user.name"] == related[0].rpartition("\\")[2].partition("@")[0]
    if not same:
        assert "user.email" not in fields
        assert fields.get("user.domain") == related[1]
    assert USER_ITEM["userSid"] in fields["related.user"]


def test_one_odd_account_changes_nothing_for_the_others() -> None:
    items = [USER_ITEM, {**USER_ITEM, "accountName": "DOMAIN\\name"}, PROCESS_ITEM, NO_ITEM, FILE_ITEM]
    for changes in ({}, {"relatedUser": None}, {"relatedUser": {"userName": "name", "domainName": "DOMAIN"}}):
        together = [flat(each) for each in rows(alert(evidence=items, **changes))]
        for item, fields in zip(items, together, strict=True):
            alone = of_item(item, **changes)
            names = [name for name in {*alone, *fields} if name.startswith(("user.", "process.", "related."))]
            assert {name: fields.get(name) for name in names} == {name: alone.get(name) for name in names}


def test_account_of_the_item_where_the_alert_has_no_user() -> None:
    fields = of_item({**USER_ITEM, "domainName": "OTHER"}, relatedUser=None, loggedOnUsers=[])
    assert (fields["user.name"], fields["user.domain"]) == ("name", "OTHER")
    assert fields["user.email"] == "temp123@microsoft.com"
    assert fields["related.user"] == [
        "name",
        "temp123@microsoft.com",
        USER_ITEM["userSid"],
        USER_ITEM["aadUserId"],
    ]


def test_domain_of_another_account_is_not_mixed_in() -> None:
    fields = of_item(USER_ITEM, relatedUser={"userName": "someone", "domainName": None})
    assert "user.domain" not in fields


def test_related_users_have_those_logged_on_but_no_analysts() -> None:
    users = [{"accountName": f"user{number}", "domainName": "D"} for number in range(7)]
    fields = of_item(IP_ITEM, loggedOnUsers=[*users, *users], assignedTo="analyst@contoso.com")
    assert fields["related.user"] == ["temp123", *(user["accountName"] for user in users)]


def test_host() -> None:
    fields = of_item(IP_ITEM, computerDnsName="WS1.Corp.Example")
    assert fields["host.hostname"] == "WS1.Corp.Example"
    assert fields["host.name"] == "ws1.corp.example"
    assert fields["related.hosts"] == ["ws1.corp.example"]
    assert fields["host.id"] == fields["cloud.instance.id"] == ALERT["machineId"]


@pytest.mark.parametrize(
    ("severity", "number", "score"),
    [
        ("UnSpecified", 0, None),
        ("Informational", 1, 21.0),
        ("Low", 2, 21.0),
        ("MEDIUM", 3, 47.0),
        ("high", 4, 73.0),
        ("Critical", 5, 99.0),
        ("Catastrophic", None, None),
        (None, None, None),
    ],
)
def test_severity(severity: Any, number: Any, score: Any) -> None:
    event = row(alert(severity=severity))["event"]
    assert (event.get("severity"), event.get("risk_score")) == (number, score)


@pytest.mark.parametrize(
    ("category", "tactic"),
    [
        ("DefenseEvasion", ("TA0005", "Defense Evasion")),
        ("Command And Control", ("TA0011", "Command and Control")),
        ("initialaccess", ("TA0001", "Initial Access")),
        ("SuspiciousActivity", None),
        ("Malware", None),
    ],
)
def test_tactic_by_name(category: str, tactic: Any) -> None:
    threat = row(alert(category=category))["threat"]
    assert threat["technique"]["name"] == [category]
    assert threat.get("tactic") == (tactic and {"id": [tactic[0]], "name": [tactic[1]]})


@pytest.mark.parametrize(
    "category", ["Malware, Stealth,DefenseImpairment", '["Stealth", "Defense Impairment", "Stealth"]']
)
def test_tactics_of_several_categories(category: str) -> None:
    tactic = row(alert(category=category))["threat"]["tactic"]
    assert tactic == {"id": ["TA0005", "TA0112"], "name": ["Stealth", "Defense Impairment"]}


def test_techniques_and_sub_techniques() -> None:
    technique = row(alert(mitreTechniques=["T1059.001", "T1059.003", "T1003", "T1059.001"]))["threat"][
        "technique"
    ]
    assert technique["id"] == ["T1059", "T1003"]
    assert technique["subtechnique"]["id"] == ["T1059.001", "T1059.003"]
    assert "id" not in row(alert(mitreTechniques=[]))["threat"]["technique"]


@pytest.mark.parametrize(
    ("texts", "ids", "sub_ids"),
    [
        (["PowerShell (T1059.001)"], ["T1059"], ["T1059.001"]),
        ([" T1078 ", "t1059"], ["T1078", "T1059"], None),
        ('["T1003.001","Valid Accounts (T1078)"]', ["T1003", "T1078"], ["T1003.001"]),
        ("T1003, t1078.004", ["T1003", "T1078"], ["T1078.004"]),
        (["https://attack.mitre.org/techniques/T1059/001"], ["T1059"], None),
        (
            ["PowerShell", "T99", "XT1059", "T10591", "", "T1059x", "\u0661T\u0661\u0660\u0665\u0669"],
            None,
            None,
        ),
        ([["T1059"], {"id": "T1078"}, 1059, "T1003"], ["T1003"], None),
    ],
)
def test_a_technique_is_an_id_wherever_it_stands(texts: Any, ids: Any, sub_ids: Any) -> None:
    technique = row(alert(mitreTechniques=texts))["threat"]["technique"]
    assert technique.get("id") == ids
    assert technique.get("subtechnique", {}).get("id") == sub_ids


@pytest.mark.parametrize(
    ("category", "tactic"),
    [
        ("Stealth", ("TA0005", "Stealth")),
        ("DefenseImpairment", ("TA0112", "Defense Impairment")),
        ("defense-impairment", ("TA0112", "Defense Impairment")),
        ("DEFENSE_EVASION", ("TA0005", "Defense Evasion")),
        ("CommandAndControl", ("TA0011", "Command and Control")),
    ],
)
def test_tactics_of_all_versions(category: str, tactic: tuple[str, str]) -> None:
    mapped = map_alerts(alert(category=category))
    (found,) = mapped.tables["alerts"].to_pylist()
    assert (found["threat"]["tactic"]["id"], found["threat"]["tactic"]["name"]) == ([tactic[0]], [tactic[1]])
    assert mapped.unmapped_fields == {}


def test_categories_that_nobody_documents_are_counted() -> None:
    categories = ["Malware", "NewTactic", "NewTactic", None, "", "None", "x" * 5000]
    mapped = map_alerts(*(alert(category=category) for category in categories))
    assert mapped.unmapped_fields == {"category=NewTactic": 2, f"category={'x' * 247}": 1}


def test_threat_family_is_software() -> None:
    assert row(alert(threatFamilyName="Meterpreter"))["threat"]["software"] == {"name": "Meterpreter"}


@pytest.mark.parametrize(
    ("start", "end", "duration"),
    [
        ("2021-01-26T20:31:32.9562661Z", "2021-01-26T20:31:33.0577322Z", 101466100),
        ("2021-01-26T20:31:32Z", "2021-01-26T20:31:32.0000001Z", 100),
        ("2021-01-26T20:31:32Z", "2021-01-26T20:31:32Z", 0),
        ("2021-01-26T20:31:33Z", "2021-01-26T20:31:32Z", None),
        ("2021-01-26T20:31:33Z", None, None),
        ("0001-01-01T00:00:00Z", "2021-01-26T20:31:32.0000001Z", None),
    ],
)
def test_duration_from_all_seven_digits(start: Any, end: Any, duration: Any) -> None:
    assert row(alert(firstEventTime=start, lastEventTime=end))["event"].get("duration") == duration


ENTITIES = ["User", "Process", "File", "Registry", "Ip", "Url", "SecurityGroup", "MailBox", None]


@pytest.mark.parametrize("category", ["Execution", "Malware", "Ransomware", None])
@pytest.mark.parametrize("status", ["New", "InProgress", "Resolved", "Unheard", None])
def test_every_type_is_expected_with_every_category(category: Any, status: Any) -> None:
    items = [{**NO_ITEM, "entityType": entity} for entity in ENTITIES]
    for mapped_row in rows(alert(evidence=items, category=category, status=status)):
        event = mapped_row["event"]
        assert event["category"][0] == "host"
        assert event["type"]
        for pair in itertools.product(event["category"], event["type"]):
            assert pair[1] in EXPECTED_TYPES[pair[0]], pair
        assert ("malware" in event["category"]) == (category in ("Malware", "Ransomware"))


@pytest.mark.parametrize(
    ("entity", "status", "types"),
    [
        ("User", "New", ["access", "start"]),
        ("User", "Resolved", ["access", "end"]),
        ("Process", "New", ["start"]),
        ("Process", "InProgress", ["info"]),
        ("Ip", "Resolved", ["end"]),
        ("File", "New", ["info"]),
        ("SecurityGroup", "New", ["info"]),
        ("Registry", "New", ["access"]),
    ],
)
def test_type_by_item_and_status(entity: str, status: str, types: list[str]) -> None:
    event = row(alert(evidence=[{**NO_ITEM, "entityType": entity}], status=status))["event"]
    assert event["type"] == types


def test_nothing_is_invented_for_an_alert_of_nulls() -> None:
    fields = flat(row({**dict.fromkeys(ALERT), "id": "x", "lastUpdateTime": "2021-01-26T20:33:59.2Z"}))
    assert fields["@timestamp"] == "2021-01-26T20:33:59.200000Z"
    derived = {
        "tags",
        "event.category",
        "event.type",
        "event.id",
        "event.original",
        "@timestamp",
        "ecs.version",
    }
    constant = (
        "data_stream.",
        "observer.",
        "event.",
        "landing.",
        "microsoft.",
        "cloud.provider",
        "input.",
        "tags",
    )
    assert not [
        name
        for name in fields
        if name not in derived and not name.startswith(constant) and name != "threat.framework"
    ]


def test_time_falls_back_to_first_activity_then_update() -> None:
    assert row(alert(alertCreationTime=None))["@timestamp"] == "2021-01-26T20:31:32.956266Z"
    assert row(alert(alertCreationTime="", firstEventTime="-"))["@timestamp"] == "2021-01-26T20:33:59.200000Z"
