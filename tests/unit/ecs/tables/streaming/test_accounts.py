"""Accounts in one text, and who acted on whom in the activities of applications."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_defender.ecs.tables.streaming._accounts import NOBODY, Account, parse_account
from tests.unit.ecs.helpers.event_rows import part, row

JANE = "3f2c8a10-51de-4b7a-9c1d-6b2f0e7a1c01"
BOB = "8d1b7c22-0a9e-4c55-8f3e-2f6a9b4d5e02"
CLIENT = "aaaaaaaa-0000-0000-0000-000000000001"


@pytest.mark.parametrize(
    ("text", "account"),
    [
        (None, NOBODY),
        ("", NOBODY),
        ("Not Available", NOBODY),
        ("00000000-0000-0000-0000-000000000000", NOBODY),
        (JANE.upper(), Account(id=JANE)),
        ("S-1-5-21-1-2-3-1105", Account(id="S-1-5-21-1-2-3-1105")),
        ("S-1-5-18", Account(id="S-1-5-18")),
        ("S-1-5-x", Account(name="S-1-5-x")),
        (f"ServicePrincipal_{JANE}", Account(id=JANE, is_application=True)),
        (f"User_{JANE}", Account(id=JANE)),
        ("CONTOSO\\jane", Account(name="jane", domain="CONTOSO")),
        ("NT AUTHORITY\\SYSTEM (w3wp)", Account(name="SYSTEM", domain="NT AUTHORITY")),
        ("SHAREPOINT\\system", Account(name="system", domain="SHAREPOINT")),
        (
            "jane@contoso.example",
            Account(name="jane", domain="contoso.example", email="jane@contoso.example"),
        ),
        ("app@sharepoint", Account(name="app@sharepoint", is_application=True)),
        ("system:node:aks-1", Account(name="system:node:aks-1")),
        (
            "arn:aws:iam::123456789012:user/ops/jane",
            Account("arn:aws:iam::123456789012:user/ops/jane", "jane"),
        ),
        ("arn:aws:iam::123456789012:root", Account("arn:aws:iam::123456789012:root", "root")),
        ("Azure MFA StrongAuthenticationService", Account(name="Azure MFA StrongAuthenticationService")),
    ],
)
def test_account_in_one_text(text: str | None, account: Account) -> None:
    assert parse_account(text) == account


def accounts(raw: dict[str, Any], **columns: Any) -> dict[str, Any]:
    """The account fields of an activity."""
    found = part(
        row("CloudAppEvents", ActionType="MailItemsAccessed", RawEventData=raw, **columns), "user", "group"
    )
    return {name: value for name, value in found.items() if name != "user_agent.original"}


JANE_IS_TARGET = {
    "user.target.domain": "contoso.example",
    "user.target.email": "jane@contoso.example",
    "user.target.name": "jane",
}


@pytest.mark.parametrize(
    "columns",
    [
        {"AccountType": "Application", "AccountObjectId": CLIENT},
        {"AccountType": "application", "AccountId": CLIENT},
        {"AccountType": "ServicePrincipal", "AccountObjectId": CLIENT},
        {"AccountType": "Regular", "AccountObjectId": CLIENT.upper()},
        {"AccountObjectId": CLIENT},
    ],
)
def test_application_acts_on_the_user_that_the_record_names(columns: dict[str, Any]) -> None:
    raw = {"UserId": "jane@contoso.example", "ClientAppId": CLIENT, "MailboxOwnerUPN": "jane@contoso.example"}
    assert accounts(raw, AccountDisplayName="Backup app", **columns) == {
        "user.full_name": "Backup app",
        "user.id": CLIENT,
        "user.name": "Backup app",
        **JANE_IS_TARGET,
    }


@pytest.mark.parametrize("key", ["AppId", "ApplicationId", "ClientAppId"])
def test_account_is_the_client_application(key: str) -> None:
    found = accounts({"UserId": "jane@contoso.example", key: CLIENT}, AccountObjectId=CLIENT)
    assert found == {"user.id": CLIENT, **JANE_IS_TARGET}


def test_application_in_the_context_of_the_access() -> None:
    raw = {"UserId": "jane@contoso.example", "AppAccessContext": {"ClientAppId": CLIENT}}
    assert accounts(raw, AccountObjectId=CLIENT)["user.target.name"] == "jane"


def test_display_name_of_the_user_is_not_the_applications() -> None:
    raw = {"UserId": "jane@contoso.example"}
    found = accounts(
        raw, AccountType="Application", AccountObjectId=CLIENT, AccountDisplayName="jane@contoso.example"
    )
    assert found == {"user.id": CLIENT, **JANE_IS_TARGET}


@pytest.mark.parametrize("kind", ["Regular", "Admin", "System", "DcAdmin", None])
def test_user_of_a_client_application_acts(kind: str | None) -> None:
    raw = {"UserId": "jane@contoso.example", "ClientAppId": CLIENT, "MailboxOwnerUPN": "Jane@contoso.example"}
    assert accounts(raw, AccountType=kind, AccountObjectId=JANE) == {
        "user.domain": "contoso.example",
        "user.email": "jane@contoso.example",
        "user.id": JANE,
        "user.name": "jane",
    }


def test_owner_of_the_mailbox_is_the_target_of_a_delegate() -> None:
    raw = {
        "UserId": "bob@contoso.example",
        "MailboxOwnerUPN": "jane@contoso.example",
        "MailboxOwnerSid": "S-1-5-21-1-2-3-4",
    }
    found = accounts(raw, AccountObjectId=BOB)
    assert (found["user.id"], found["user.name"]) == (BOB, "bob")
    assert (found["user.target.id"], found["user.target.name"]) == ("S-1-5-21-1-2-3-4", "jane")


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        (BOB, {"user.id": BOB}),
        ("S-1-5-21-1-2-3-4", {"user.id": "S-1-5-21-1-2-3-4"}),
        (f"ServicePrincipal_{BOB}", {"user.id": BOB}),
        ("Not Available", {}),
        ("NT AUTHORITY\\SYSTEM (w3wp)", {"user.name": "SYSTEM", "user.domain": "NT AUTHORITY"}),
    ],
)
def test_user_id_that_is_no_address(user: str, expected: dict[str, str]) -> None:
    assert accounts({"UserId": user}) == expected


def test_two_accounts_are_not_mixed() -> None:
    found = accounts({"UserId": "bob@contoso.example"}, AccountId="jane@contoso.example")
    assert (found["user.id"], found["user.name"]) == ("jane@contoso.example", "jane")


@pytest.mark.parametrize(("old", "new"), [('["Finance"]', "[]"), ("", "Finance"), ("", '"Finance"')])
def test_group_of_a_changed_membership(old: str, new: str) -> None:
    raw = {
        "UserId": "alice@contoso.example",
        "Target": [{"ID": f"User_{BOB}", "Type": 2}, {"ID": "bob@contoso.example", "Type": 5}],
        "ModifiedProperties": [{"Name": "Group.DisplayName", "OldValue": old, "NewValue": new}],
    }
    found = accounts(raw, AccountObjectId=JANE)
    assert (found["group.name"], found["user.target.id"]) == ("Finance", BOB)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("User", {"user.target.full_name": "Bob Miller", "user.target.id": BOB}),
        ("Group", {"group.name": "Bob Miller", "group.id": BOB}),
        ("File", {}),
    ],
)
def test_object_that_is_an_account(kind: str, expected: dict[str, str]) -> None:
    found = accounts({}, AccountObjectId=JANE, ObjectType=kind, ObjectName="Bob Miller", ObjectId=BOB)
    assert {name: value for name, value in found.items() if name != "user.id"} == expected


@pytest.mark.parametrize(
    "raw", [{"Target": "x", "Members": "[1]", "ModifiedProperties": [{"Name": 1}]}, "x", []]
)
def test_rubbish_in_raw_event_data_gives_nothing(raw: Any) -> None:
    assert accounts(raw, AccountObjectId=JANE) == {"user.id": JANE}


def test_several_mails_are_not_one() -> None:
    mails = [{"InternetMessageId": "<a@x.example>", "Subject": "A"}, {"InternetMessageId": "<b@x.example>"}]
    assert not part(row("CloudAppEvents", RawEventData={"AffectedItems": mails}), "email")
    fields = row("CloudAppEvents", RawEventData={"AffectedItems": mails[:1]})
    assert part(fields, "email") == {"email.message_id": "<a@x.example>", "email.subject": "A"}
