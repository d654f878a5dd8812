"""Mail, mailboxes and Teams messages."""

from __future__ import annotations

from typing import Any

from airflow_provider_defender.simulator.graph.cast import Cast
from airflow_provider_defender.simulator.graph.evidence.base import Maker, inner
from airflow_provider_defender.simulator.graph.evidence.files import file_evidence
from airflow_provider_defender.simulator.graph.evidence.identities import account

__all__ = ["MAIL"]


def _sender_ip(cast: Cast) -> str:
    return f"198.51.100.{cast.number('sender', 254)}"


def _message(cast: Cast) -> dict[str, Any]:
    mail = cast.mail
    domain = mail.sender.partition("@")[2]
    return {
        "networkMessageId": mail.network_id,
        "internetMessageId": f"<{mail.network_id}@{domain}>",
        "subject": mail.subject,
        "language": "de",
        "senderIp": _sender_ip(cast),
        "recipientEmailAddress": mail.recipient.principal,
        "antiSpamDirection": "Inbound",
        "deliveryAction": cast.draw("delivery").choice(("Delivered", "Blocked", "Junked")),
        "deliveryLocation": cast.draw("delivery").choice(("Inbox", "Quarantine", "JunkFolder")),
        "urn": f"urn:MailEntity:{cast.guid('mail entity').replace('-', '')}",
        "threats": ["HighConfPhish", "ZapPhish"],
        "threatDetectionMethods": ["UrlReputation", "AntiSpam"],
        "urls": [mail.url, "https://landing.example/"],
        "urlCount": 2,
        "attachmentsCount": 1,
        "receivedDateTime": cast.time(1_800),
        "p1Sender": {
            "emailAddress": f"bounce@{domain}",
            "displayName": mail.sender_name,
            "domainName": domain,
        },
        "p2Sender": {"emailAddress": mail.sender, "displayName": mail.sender_name, "domainName": domain},
    }


def _cluster(cast: Cast) -> dict[str, Any]:
    domain, subject = cast.mail.sender.partition("@")[2], cast.mail.subject
    return {
        "clusterBy": "Subject;P2SenderDomain;ContentType",
        "clusterByValue": f"{subject};{domain};1",
        "emailCount": cast.number("mails", 60),
        "networkMessageIds": [cast.mail.network_id, cast.guid("second mail")],
        "query": f'( (( (Subject:"{subject}") ) AND ( (P2SenderDomain:"{domain}") )) )',
        "urn": f"urn:MailClusterEntity:{cast.guid('mail cluster').replace('-', '')}",
    }


def _mailbox(cast: Cast) -> dict[str, Any]:
    return {
        "displayName": account(cast, cast.person)["displayName"],
        "primaryAddress": cast.person.principal,
        "upn": cast.person.principal,
        "userAccount": account(cast, cast.person),
    }


def _configuration(cast: Cast) -> dict[str, Any]:
    return {
        "configurationId": f"{cast.person.aad_id}\\{cast.number('rule', 10**18)}",
        "configurationType": cast.draw("rule").choice(
            ("mailForwardingRule", "userInboxRule", "mailDelegation")
        ),
        "displayName": "Move to RSS Feeds",
        "externalDirectoryObjectId": cast.person.aad_id,
        "mailboxPrimaryAddress": cast.person.principal,
        "upn": cast.person.principal,
    }


def _submission(cast: Cast) -> dict[str, Any]:
    return {
        "networkMessageId": cast.mail.network_id,
        "recipient": cast.mail.recipient.principal,
        "reportType": "Phish",
        "sender": cast.mail.sender,
        "senderIp": _sender_ip(cast),
        "subject": cast.mail.subject,
        "submissionDateTime": cast.time(600),
        "submissionId": cast.guid("submission"),
        "submitter": cast.person.principal,
    }


def _teams(cast: Cast) -> dict[str, Any]:
    message = str(cast.at // 10_000)
    return {
        "messageId": message,
        "parentMessageId": message,
        "campaignId": cast.guid("campaign"),
        "channelId": f"19:{cast.hexadecimal('channel', 32)}@thread.tacv2",
        "groupId": cast.guid("team"),
        "threadId": f"19:{cast.hexadecimal('thread', 32)}@thread.v2",
        "threadType": "chat",
        "subject": "Status",
        "senderFromAddress": cast.person.principal,
        "senderIP": cast.place.address,
        "recipients": [cast.colleague.principal, cast.company.population.people[0].principal],
        "suspiciousRecipients": [cast.colleague.principal],
        "messageDirection": cast.draw("teams").choice(("inbound", "outbound", "intraorg")),
        "deliveryAction": "delivered",
        "deliveryLocation": "teams",
        "isExternal": True,
        "isOwned": True,
        "owningTenantId": cast.company.tenant_id,
        "receivedDateTime": cast.time(400),
        "lastModifiedDateTime": cast.time(390),
        "sourceAppName": "Microsoft Teams",
        "sourceId": cast.guid("teams source"),
        "files": [file_evidence(cast, cast.mail.attachment)],
        "urls": [inner("urlEvidence", cast, {"url": cast.url})],
    }


MAIL: dict[str, Maker] = {
    "analyzedMessageEvidence": _message,
    "mailClusterEvidence": _cluster,
    "mailboxEvidence": _mailbox,
    "mailboxConfigurationEvidence": _configuration,
    "submissionMailEvidence": _submission,
    "teamsMessageEvidence": _teams,
}
