"""What the mappings of Defender for Office 365's tables make of records."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.ecs.helpers.event_rows import TIME, message, part, row, rows_of

MAIL: dict[str, Any] = {
    "Cc": ["boss@contoso.com", "Boss <x>", "The Boss <boss@contoso.com>", "Foo Bar < foo@contoso.com >"],
    "DeliveryAction": "Junked",
    "EmailDirection": "Intra-org",
    "InternetMessageId": "<1@mail.example>",
    "NetworkMessageId": "nm-1",
    "RecipientEmailAddress": "jdoe@contoso.com",
    "RecipientObjectId": "oid-1",
    "ReportId": "nm-1-1",
    "SenderFromAddress": "news@shop.example",
    "SenderFromDomain": "Shop.example",
    "SenderIPv4": "198.51.100.4",
    "SenderIPv6": "2001:db8::7",
    "SenderMailFromAddress": "bounce@mail.example",
    "SenderMailFromDomain": "mail.example",
    "Subject": "Your order",
    "ThreatTypes": "Phish",
}


def test_email() -> None:
    fields = row("EmailEvents", **MAIL)
    assert part(fields, "email", "source") == {
        "email.cc.address": ["boss@contoso.com", "foo@contoso.com"],
        "email.delivery_timestamp": "2026-01-09T09:57:11.482133Z",
        "email.direction": "intra-org",
        "email.from.address": ["news@shop.example"],
        "email.local_id": "nm-1",
        "email.message_id": "<1@mail.example>",
        "email.sender.address": "bounce@mail.example",
        "email.subject": "Your order",
        "email.to.address": ["jdoe@contoso.com"],
        "source.address": "198.51.100.4",
        "source.ip": "198.51.100.4",
    }
    assert part(fields, "related") == {
        "related.hosts": ["shop.example", "mail.example", "contoso.com"],
        "related.ip": ["198.51.100.4", "2001:db8::7"],
        "related.user": [
            "jdoe@contoso.com",
            "oid-1",
            "news@shop.example",
            "bounce@mail.example",
            "jdoe",
            "boss@contoso.com",
            "foo@contoso.com",
        ],
    }
    assert (fields["event.category"], fields["event.type"]) == (["email"], ["info"])
    assert fields["event.action"] == "junked"
    assert fields["event.id"] == "nm-1-1"
    assert fields["observer.product"] == "Defender for Office 365"


def test_recipient_is_acted_upon() -> None:
    assert part(row("EmailEvents", **MAIL), "user") == {
        "user.target.domain": "contoso.com",
        "user.target.email": "jdoe@contoso.com",
        "user.target.id": "oid-1",
        "user.target.name": "jdoe",
    }


@pytest.mark.parametrize(
    ("sent", "direction"),
    [("Inbound", "inbound"), ("Outbound", "outbound"), ("IntraOrg", "intra-org"), ("Unknown", None)],
)
def test_direction(sent: str, direction: str | None) -> None:
    assert row("EmailEvents", **{**MAIL, "EmailDirection": sent}).get("email.direction") == direction


def test_email_by_version_6_only() -> None:
    fields = row("EmailEvents", **{**MAIL, "SenderIPv4": ""})
    assert fields["source.ip"] == "2001:db8::7"


def test_report_id_of_older_records_is_a_number() -> None:
    assert row("EmailEvents", **{**MAIL, "ReportId": 41277})["event.id"] == "41277"


@pytest.mark.parametrize(
    ("name", "kind", "extension"),
    [
        ("image001", "png", "png"),
        ("photo.JPG", "Jpeg", "jpg"),
        ("letter", "Office;Word", None),
        (None, None, None),
    ],
)
def test_extension_by_the_type(name: str | None, kind: str | None, extension: str | None) -> None:
    fields = row("EmailAttachmentInfo", FileName=name, FileType=kind)
    assert fields.get("file.extension") == extension


@pytest.mark.parametrize(("given", "extension"), [("PDF", "pdf"), (".Zip", "zip"), (None, "docx")])
def test_attachment(given: str | None, extension: str) -> None:
    fields = row(
        "EmailAttachmentInfo",
        **{name: MAIL[name] for name in ("NetworkMessageId", "RecipientEmailAddress", "SenderFromAddress")},
        FileExtension=given,
        FileName="Invoice.DOCX",
        FileSize=2048,
        SHA256="6" * 64,
    )
    assert part(fields, "file") == {
        "file.extension": extension,
        "file.hash.sha256": "6" * 64,
        "file.name": "Invoice.DOCX",
        "file.size": 2048,
    }
    assert fields["event.category"] == ["email", "file"]
    assert fields["related.hash"] == ["6" * 64]
    assert fields["related.user"] == ["jdoe@contoso.com", "news@shop.example", "jdoe"]


@pytest.mark.parametrize(
    ("result", "outcome"),
    [("Success", "success"), ("Failure", "failure"), ("TimeoutError", "failure"), ("", "unknown")],
)
def test_action_after_delivery(result: str, outcome: str) -> None:
    fields = row(
        "EmailPostDeliveryEvents",
        ActionResult=result,
        ActionType="Manual remediation",
        InternetMessageId="<1@mail.example>",
        NetworkMessageId="nm-1",
        RecipientEmailAddress="jdoe@contoso.com",
        SenderFromAddress="news@shop.example",
    )
    assert fields["event.action"] == "manual-remediation"
    assert fields["event.outcome"] == outcome
    assert fields["email.message_id"] == "<1@mail.example>"
    assert fields["email.local_id"] == "nm-1"
    assert fields["related.user"] == ["jdoe@contoso.com", "news@shop.example", "jdoe"]


def test_url_in_an_email() -> None:
    fields = row("EmailUrlInfo", NetworkMessageId="nm-1", Url="http://203.0.113.9/x", UrlDomain="A.example")
    assert fields["email.local_id"] == "nm-1"
    assert fields["url.domain"] == "203.0.113.9"
    assert fields["related.ip"] == ["203.0.113.9"]
    assert fields["related.hosts"] == ["a.example"]


@pytest.mark.parametrize(
    ("action", "through", "types"),
    [
        ("ClickAllowed", False, ["access", "allowed"]),
        ("ClickBlocked", False, ["access", "denied"]),
        ("ClickBlockedByTenantPolicy", "0", ["access", "denied"]),
        ("ClickBlocked", 1, ["access", "allowed"]),
        ("UrlErrorPage", None, ["info"]),
    ],
)
def test_click(action: str, through: Any, types: list[str]) -> None:
    fields = row(
        "UrlClickEvents",
        AccountUpn="jdoe@contoso.com",
        ActionType=action,
        IPAddress="198.51.100.4",
        IsClickedThrough=through,
        NetworkMessageId="nm-1",
        Url="https://evil.example/a",
        Workload="Email",
    )
    assert (fields["event.category"], fields["event.type"]) == (["network"], types)
    assert "event.outcome" not in fields, "to allow and to deny is a type"
    assert fields["source.ip"] == "198.51.100.4"
    assert not part(fields, "host")
    assert part(fields, "user") == {
        "user.domain": "contoso.com",
        "user.email": "jdoe@contoso.com",
        "user.name": "jdoe",
    }
    assert fields["url.domain"] == "evil.example"
    assert fields["service.name"] == "Email"


def test_hosts_that_a_click_led_through() -> None:
    chain = ["https://safe.example/r?u=1", "http://198.51.100.9:8080/x", "no url at all", "\\\\srv\\share"]
    fields = row("UrlClickEvents", Url="https://safe.example/r?u=1", UrlChain=chain)
    assert fields["related.hosts"] == ["safe.example"]
    assert fields["related.ip"] == ["198.51.100.9"]


DETAILS = [
    {"RecipientSmtpAddress": "a@contoso.com", "RecipientObjectId": "oid-a", "RecipientType": "User"},
    {"RecipientSmtpAddress": "b@contoso.com", "RecipientDisplayName": "B"},
]


@pytest.mark.parametrize("subject", ["MessageSubject", "Subject"])
def test_message(subject: str) -> None:
    fields = row(
        "MessageEvents",
        DeliveryAction="Delivered",
        GroupId="g-1",
        GroupName="Finance",
        MessageId="m-1",
        RecipientDetails=DETAILS,
        SenderDisplayName="J Doe",
        SenderEmailAddress="jdoe@contoso.com",
        SenderObjectId="oid-1",
        TeamsMessageId="t-1",
        ThreadSubType="Standard",
        **{subject: "Hello"},
    )
    assert part(fields, "email", "group", "user") == {
        "email.from.address": ["jdoe@contoso.com"],
        "email.local_id": "t-1",
        "email.message_id": "m-1",
        "email.subject": "Hello",
        "email.to.address": ["a@contoso.com", "b@contoso.com"],
        "group.id": "g-1",
        "group.name": "Finance",
        "user.domain": "contoso.com",
        "user.email": "jdoe@contoso.com",
        "user.full_name": "J Doe",
        "user.id": "oid-1",
        "user.name": "jdoe",
    }
    assert fields["related.user"] == [
        "jdoe@contoso.com",
        "oid-1",
        "a@contoso.com",
        "oid-a",
        "b@contoso.com",
        "jdoe",
    ]
    assert fields["microsoft.defender_xdr.ThreadSubtype"] == "Standard"
    assert "microsoft.defender_xdr.unmapped" not in fields


def test_message_after_delivery_with_the_wires_spelling_of_threat_types() -> None:
    fields = row(
        "MessagePostDeliveryEvents",
        ActionResult="Success",
        ActionType="Malware ZAP",
        RecipientDetails='[{"RecipientSmtpAddress":"a@contoso.com"}]',
        SenderEmailAddress="jdoe@contoso.com",
        TeamsMessageId="t-1",
        ThreadTypes="Malware",
    )
    assert fields["microsoft.defender_xdr.ThreatTypes"] == "Malware"
    assert "microsoft.defender_xdr.unmapped" not in fields
    assert fields["event.action"] == "malware-zap"
    assert fields["event.outcome"] == "success"
    assert fields["related.user"] == ["jdoe@contoso.com", "a@contoso.com", "jdoe"]


def test_url_in_a_message() -> None:
    fields = row("MessageUrlInfo", TeamsMessageId="t-1", Url="https://a.example/x", UrlDomain="a.example")
    assert fields["related.hosts"] == ["a.example"]
    assert fields["url.path"] == "/x"


@pytest.mark.parametrize(
    ("activity", "types"), [("CallStarted", ["start"]), ("CallEnded", ["end"]), ("ScreenShared", ["info"])]
)
def test_call(activity: str, types: list[str]) -> None:
    data = message(
        "CallActivityEvents",
        {
            "ActivityId": "a-1",
            "ActivityInitiatorId": "oid-1",
            "ActivityInitiatorUpn": "jdoe@contoso.com",
            "ActivityTimestamp": TIME,
            "ActivityType": activity,
            "CallJoinUrl": "https://teams.example/l/1",
            "OriginatorUpn": "boss@contoso.com",
        },
    )
    (fields,) = rows_of("events/CallActivityEvents", data)
    assert fields["@timestamp"] == "2026-01-09T09:57:11.482133Z"
    assert (fields["event.category"], fields["event.type"]) == (["session"], types)
    assert fields["event.id"] == "a-1"
    assert fields["related.user"] == ["jdoe@contoso.com", "oid-1", "boss@contoso.com", "jdoe"]
    assert fields["url.domain"] == "teams.example"
