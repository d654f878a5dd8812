"""What the other products tell of the attack: mail, clicks, logons, applications, directories."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

from airflow_provider_defender.simulator.attack.cast import Cast, local_address
from airflow_provider_defender.simulator.attack.rows import Event
from airflow_provider_defender.simulator.defender.catalogue import Person
from airflow_provider_defender.simulator.hub.times import fixed_time

__all__ = ["cloud_sid", "display_name", "people_events"]

_SECOND = 10_000_000


def people_events(cast: Cast) -> Iterator[Event]:
    """All events besides those of devices and of alerts."""
    for part in (_mail, _clicks, _logons, _applications, _directory):
        yield from part(cast)


def display_name(person: Person) -> str:
    """As directories show a person."""
    return person.account.replace(".", " ").title().rstrip("0123456789")


def cloud_sid(person: Person) -> str:
    """The SID of an account of Entra ID, which is its object id as four numbers."""
    data = uuid.UUID(person.aad_id).bytes_le
    return "S-1-12-1-" + "-".join(str(int.from_bytes(data[at : at + 4], "little")) for at in range(0, 16, 4))


# -- mail


def _mail(cast: Cast) -> Iterator[Event]:
    sent, removed = cast.before(70), cast.before(20)
    common = {"NetworkMessageId": cast.network_message_id}
    for person, late in ((cast.victim, 0), (cast.colleague, _SECOND)):
        recipient = {"RecipientEmailAddress": person.principal, "RecipientObjectId": person.aad_id}
        values = {**common, **recipient, **_envelope(cast, person), **_contents(cast)}
        yield Event("EmailEvents", sent + late, values)
        attachment = {
            **common,
            **recipient,
            "SenderFromAddress": cast.sender,
            "SenderDisplayName": "Accounts payable",
            "FileName": cast.document.name,
            "FileType": "docm;office;macro",
            "FileExtension": "docm",
            "FileSize": cast.document.size,
            "SHA256": cast.document.hashes["sha256"],
            "ReportId": _report(cast, person),
        }
        yield Event("EmailAttachmentInfo", sent + late, attachment)
        values = {
            **common,
            "InternetMessageId": cast.internet_message_id,
            "RecipientEmailAddress": person.principal,
            "SenderFromAddress": cast.sender,
            "Action": "Moved to quarantine",
            "ActionType": "Phish ZAP",
            "ActionTrigger": "SpecialAction",
            "ActionResult": "Success",
            "DeliveryLocation": "Quarantine",
            "ThreatTypes": "Phish",
            "EmailDirection": "Inbound",
            "ReportId": _report(cast, person),
        }
        yield Event("EmailPostDeliveryEvents", removed + late, values)
    link = {
        "Url": cast.url,
        "UrlDomain": cast.host,
        "UrlLocation": "Body",
        "UrlChainPosition": 0,
        "ReportId": _report(cast, cast.victim),
    }
    yield Event("EmailUrlInfo", sent, {**common, **link})


def _report(cast: Cast, person: Person) -> str:
    """A message's report id for one recipient."""
    return f"{cast.network_message_id}-{cast.number(f'mail to {person.sid}', 10**9, 10**10)}"


def _envelope(cast: Cast, person: Person) -> dict[str, Any]:
    domain = cast.sender.partition("@")[2]
    return {
        "InternetMessageId": cast.internet_message_id,
        "SenderMailFromAddress": f"bounce@{domain}",
        "SenderFromAddress": cast.sender,
        "SenderDisplayName": "Accounts payable",
        "SenderMailFromDomain": domain,
        "SenderFromDomain": domain,
        "SenderIPv4": cast.address,
        "RecipientDomain": cast.domain,
        "To": [cast.victim.principal, cast.colleague.principal],
        "Cc": [],
        "EmailDirection": "Inbound",
        "DeliveryAction": "Delivered",
        "DeliveryLocation": "Inbox/folder",
        "AuthenticationDetails": '{"SPF":"pass","DKIM":"none","DMARC":"none"}',
        "ReportId": _report(cast, person),
        "IsFirstContact": True,
    }


def _contents(cast: Cast) -> dict[str, Any]:
    return {
        "Subject": cast.subject,
        "AttachmentCount": 1,
        "UrlCount": 1,
        "EmailLanguage": "en",
        "EmailSize": 91_204,
        "EmailClusterId": cast.number("cluster", 10**8, 2**32),
    }


def _clicks(cast: Cast) -> Iterator[Event]:
    """In the mail, through the protecting link: the product knows the user by her UPN only."""
    values = {
        "NetworkMessageId": cast.network_message_id,
        "Url": cast.url,
        "UrlChain": f'["{cast.url}"]',
        "ActionType": "ClickAllowed",
        "IsClickedThrough": False,
        "AccountUpn": cast.victim.principal,
        "IPAddress": cast.office_address,
        "Workload": "Email",
        "AppName": "Outlook",
        "ReportId": cast.guid("click"),
    }
    yield Event("UrlClickEvents", cast.edge.started - _SECOND, values)


# -- logons and what follows


def _logons(cast: Cast) -> Iterator[Event]:
    """To the cloud from the attacker's address, which knows no SID; to the server, which knows it."""
    person = cast.victim
    known = {
        "AccountUpn": person.principal,
        "AccountObjectId": person.aad_id,
        "AccountDisplayName": display_name(person),
    }
    place = {
        "IPAddress": cast.address,
        "Location": "NL",
        "ISP": "Example Hosting BV",
        "OSPlatform": "Linux",
        "Application": "Microsoft 365",
        "LogonType": "OAuth2:Token",
        "UncommonForUser": ["ISP", "CountryCode"],
    }
    for minutes, action, reason in ((41, "LogonFailed", "WrongPassword"), (40, "LogonSuccess", None)):
        values = {**known, **place, "ActionType": action, "FailureReason": reason}
        yield Event("IdentityLogonEvents", cast.before(minutes), {**values, "ReportId": cast.guid(action)})
    directory = {
        **known,
        "AccountName": person.account,
        "AccountDomain": person.domain.lower(),
        "AccountSid": person.sid,
        "Application": "Active Directory",
        "DeviceName": cast.desktop.name.partition(".")[0],
        "IPAddress": local_address(cast.desktop),
        "DestinationDeviceName": "dc1",
        "DestinationIPAddress": "10.20.0.10",
    }
    kerberos = {
        **directory,
        "ActionType": "LogonSuccess",
        "LogonType": "Resource access",
        "Protocol": "Kerberos",
        "DestinationPort": 88,
        "TargetDeviceName": cast.server.name,
        "AdditionalFields": {"Spns": f"cifs/{cast.server.name}", "Count": "1"},
        "ReportId": cast.guid("kerberos"),
    }
    yield Event("IdentityLogonEvents", cast.net.started + _SECOND, kerberos)
    query = {
        **directory,
        "ActionType": "LDAP query",
        "Protocol": "Ldap",
        "DestinationPort": 389,
        "QueryType": "AllDomains",
        "Query": "(objectClass=trustedDomain)",
        "AdditionalFields": {"Count": "1"},
        "ReportId": cast.guid("query"),
    }
    yield Event("IdentityQueryEvents", cast.nltest.started + _SECOND, query)


def _applications(cast: Cast) -> Iterator[Event]:
    """In her mailbox: answers are hidden from her, then mail is read. The address comes in its long form."""
    person = cast.victim
    long = "2001:db8:0:bad:0:0:0:66"
    common = {
        "Application": "Microsoft Exchange Online",
        "ApplicationId": 20_893,
        "AccountObjectId": person.aad_id,
        "AccountId": person.aad_id,
        "AccountDisplayName": display_name(person),
        "AccountType": "Regular",
        "IPAddress": long,
        "CountryCode": "NL",
        "City": "Amsterdam",
        "ISP": "Example Hosting BV",
        "IsAdminOperation": False,
        "IsExternalUser": False,
        "IsImpersonated": False,
        "AppInstanceId": 0,
        "AuditSource": "Defender for Cloud Apps app connector",
        "ActivityObjects": [],
        "AdditionalFields": {},
    }
    for minutes, action, activity in ((38, "New-InboxRule", "Create"), (36, "MailItemsAccessed", "Basic")):
        raw = {
            "CreationTime": fixed_time(cast.before(minutes), 0).rstrip("Z"),
            "Operation": action,
            "Workload": "Exchange",
            "UserId": person.principal,
            "UserType": 0,
            "ResultStatus": "Succeeded",
            "MailboxOwnerUPN": person.principal,
            "ClientIPAddress": cast.second_address,
        }
        values = {"ActionType": action, "ActivityType": activity, "RawEventData": raw}
        yield Event(
            "CloudAppEvents", cast.before(minutes), {**common, **values, "ReportId": cast.guid(action)}
        )


def _directory(cast: Cast) -> Iterator[Event]:
    """Who is who: the one table that has all ids of a person."""
    for person in (cast.victim, cast.colleague):
        values = {
            "AccountName": person.account,
            "AccountDomain": person.domain.lower(),
            "AccountUpn": person.principal,
            "EmailAddress": person.principal,
            "AccountObjectId": person.aad_id,
            "AccountDisplayName": display_name(person),
            "OnPremSid": person.sid,
            "CloudSid": cloud_sid(person),
            "IdentityId": cast.guid(f"identity of {person.sid}"),
            "IsAccountEnabled": True,
            "SourceProvider": "ActiveDirectory",
            "SourceProviders": ["ActiveDirectory", "AzureActiveDirectory"],
            "IdentityEnvironment": "Hybrid",
            "Type": "User",
            "Tags": [],
            "ReportId": cast.guid(f"report on {person.sid}"),
        }
        yield Event("IdentityInfo", cast.before(400), values)
