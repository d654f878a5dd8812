"""Columns about mail and Teams."""

from __future__ import annotations

from airflow_provider_defender.simulator.hub.scene import Scene
from airflow_provider_defender.simulator.hub.times import fixed_time
from airflow_provider_defender.simulator.hub.values.makers import Maker, always, one_of

__all__ = ["MAIL", "TEAMS"]


def _domain(address: str) -> str:
    return address.partition("@")[2]


MAIL: dict[str, Maker] = {
    "NetworkMessageId": lambda s: s.email.network_id,
    "InternetMessageId": lambda s: f"<{s.email.network_id}@mail.example>",
    "SenderMailFromAddress": lambda s: s.email.sender,
    "SenderFromAddress": lambda s: s.email.sender,
    "SenderDisplayName": lambda s: s.email.sender_name,
    "SenderObjectId": lambda s: None if s.email.inbound else s.person.aad_id,
    "SenderMailFromDomain": lambda s: _domain(s.email.sender),
    "SenderFromDomain": lambda s: _domain(s.email.sender),
    "SenderIPv4": lambda s: f"198.51.100.{s.draw.randrange(1, 255)}",
    "SenderIPv6": always("2001:db8::25"),
    "RecipientEmailAddress": lambda s: s.email.recipient.principal,
    "RecipientObjectId": lambda s: s.email.recipient.aad_id,
    "RecipientDomain": lambda s: _domain(s.email.recipient.principal),
    "Subject": lambda s: s.email.subject,
    "EmailSubject": lambda s: s.email.subject,
    "EmailClusterId": lambda s: s.draw.getrandbits(32),
    "EmailDirection": lambda s: "Inbound" if s.email.inbound else "Intra-org",
    "DeliveryAction": lambda s: "Blocked" if s.email.threat else "Delivered",
    "DeliveryLocation": lambda s: "Quarantine" if s.email.threat else "Inbox/folder",
    "ThreatTypes": lambda s: s.email.threat,
    "ThreatNames": always("Trojan:HTML/Phish!MTB"),
    "ThreatClassification": always("Invoice"),
    "DetectionMethods": always({"Phish": ["URL malicious reputation", "Mixed analysis detection"]}),
    "ConfidenceLevel": always('{"Phish":"High"}'),
    "BulkComplaintLevel": one_of(0, 4, 7),
    "EmailAction": one_of("Move message to quarantine", "No action taken"),
    "EmailActionPolicy": always("Antispam phishing"),
    "EmailActionPolicyGuid": lambda s: s.guid(),
    "AuthenticationDetails": always({"SPF": "pass", "DKIM": "none", "DMARC": "bestguesspass"}),
    "AttachmentCount": one_of(0, 0, 1, 2),
    "UrlCount": one_of(0, 1, 12),
    "EmailLanguage": one_of("de", "en", "ja"),
    "Connectors": always("From partner"),
    "OrgLevelAction": one_of("Allow", "Block"),
    "OrgLevelPolicy": always("Connection policy"),
    "UserLevelAction": one_of("Allow", "Block"),
    "UserLevelPolicy": always("Safe sender"),
    "DistributionList": always("all@contoso.example"),
    "ExchangeTransportRule": always("External banner"),
    "ForwardingInformation": always("SMTP"),
    "Context": always("Evaluation"),
    "To": lambda s: [s.email.recipient.principal],
    "Cc": always([]),
    "EmailSize": lambda s: s.draw.randrange(2_000, 400_000),
    "IsFirstContact": one_of(True, False),
    "FileType": one_of("docx", "pdf", "xlsx"),
    "FileExtension": lambda s: s.email.attachment.rpartition(".")[2],
    "Action": one_of("Moved to quarantine", "Moved to junk folder"),
    "ActionTrigger": one_of("SpecialAction", "AdminAction"),
    "ActionResult": one_of("Success", "Error"),
    "Url": lambda s: s.email.url,
    "UrlDomain": lambda s: s.email.url.split("/")[2],
    "UrlLocation": one_of("Body", "Attachment", "Subject"),
    "UrlChainId": lambda s: s.guid(),
    "UrlChainPosition": one_of(0, 1),
    "UrlChain": lambda s: [s.email.url, "https://landing.example/"],
    "Workload": one_of("Email", "Teams", "Office"),
    "IsClickedThrough": one_of(False, True),
    "AppName": one_of("Outlook", "Microsoft Teams"),
    "AppVersion": always("16.0.19231"),
    "SourceId": lambda s: s.email.network_id,
}


def _milliseconds(s: Scene) -> str:
    """A time in milliseconds, which Teams counts its messages by."""
    return str(s.at // 10_000)


TEAMS: dict[str, Maker] = {
    "LastEditedTime": lambda s: fixed_time(s.at, 3),
    "TeamsMessageId": lambda s: f"{s.guid()}-{_milliseconds(s)}",
    "SenderEmailAddress": lambda s: s.person.principal,
    "SenderType": one_of("User", "Bot"),
    "RecipientDetails": lambda s: [
        {"RecipientSmtpAddress": s.colleague.principal, "RecipientObjectId": s.colleague.aad_id}
    ],
    "IsOwnedThread": one_of(True, False),
    "MessageId": lambda s: _milliseconds(s),
    "ParentMessageId": lambda s: _milliseconds(s),
    "GroupId": lambda s: s.guid(),
    "GroupName": one_of("Projekt Ost", "Sales"),
    "ThreadId": lambda s: f"19:{s.hexadecimal(32)}@thread.v2",
    "ThreadName": one_of("Allgemein", "Budget 2026"),
    "ThreadType": one_of("chat", "space"),
    "ThreadSubType": one_of("OneToOne", "Channel"),
    "IsExternalThread": one_of(False, True),
    "MessageType": always("Message"),
    "MessageSubtype": always("RichText/Html"),
    "MessageFormatType": always("RichText"),
    "MessageFormatSubtype": always("Html"),
    "MessageVersion": lambda s: _milliseconds(s),
    "MessageSubject": always("Status"),
    "LatestDeliveryLocation": one_of("Teams", "Quarantine"),
    "SafetyTip": always("Suspicious link"),
    "ThreadTypes": lambda s: s.draw.choice(("Phish", "Malware")),
    "CallId": lambda s: s.guid(),
    "ActivityId": lambda s: s.guid(),
    "ActivityInitiatorId": lambda s: s.person.aad_id,
    "ActivityInitiatorUpn": lambda s: s.person.principal,
    "ActivityInitiatorDisplayName": lambda s: s.person.account,
    "ActivityTimestamp": lambda s: s.at,
    "CallSchedulingType": one_of("Scheduled", "AdHoc"),
    "CallJoinUrl": lambda s: f"https://teams.example/l/meetup-join/{s.hexadecimal(12)}",
    "OriginatorUserDisplayName": lambda s: s.colleague.account,
    "OriginatorUpn": lambda s: s.colleague.principal,
}
