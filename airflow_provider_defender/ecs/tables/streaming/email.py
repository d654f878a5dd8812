"""Defender for Office 365: email, Teams messages and calls, and clicks on links in them."""

from __future__ import annotations

from ...columns import collect, first_known, lower
from ...mapping import Computed, Mapping
from . import _email as own
from ._functions import URL_FIELDS, actions, lowered_list, name_of_address
from ._table import ACTION, table

__all__ = ["EMAIL_TABLES"]

_PROVIDER = "defender_office365"
_EMAIL = {"event.category": ["email"], "event.type": ["info"]}

_EVENT_ID = {"event.id": "ReportId"}
_LOCAL_ID = {"email.local_id": "NetworkMessageId"}
_FROM = Computed(("email.from.address",), ("SenderFromAddress",), collect, "As a list.")
_TO = Computed(("email.to.address",), ("RecipientEmailAddress",), collect, "The recipient, as a list.")
_DIRECTION = Computed(("email.direction",), ("EmailDirection",), lower, "In lower case.")
_OUTCOME = Computed(
    ("event.outcome",),
    ("ActionResult",),
    own.outcome,
    "Success and AdminPolicy… success; Failure, Error, Timeout failure; else unknown.",
)
_SENDER_AND_RECIPIENT = Computed(
    ("related.user",),
    ("SenderFromAddress", "SenderObjectId", "RecipientEmailAddress", "RecipientObjectId"),
    collect,
    "Sender and recipient: addresses and ids.",
)
_URL = Computed(
    (*URL_FIELDS, "related.hosts", "related.ip"),
    ("Url", "UrlDomain"),
    own.url_and_hosts,
    "The URL's parts, null where it is none; related.hosts has its host and UrlDomain.",
)

EMAIL_EVENTS = table(
    "EmailEvents",
    _PROVIDER,
    constants=_EMAIL,
    copies={
        **_EVENT_ID,
        **_LOCAL_ID,
        "email.delivery_timestamp": "Timestamp",
        "email.message_id": "InternetMessageId",
        "email.sender.address": "SenderMailFromAddress",
        "email.subject": "Subject",
    },
    computed=(
        _FROM,
        _TO,
        Computed(
            ("email.cc.address",), ("Cc",), own.addresses, "The addresses of the JSON array, without names."
        ),
        _DIRECTION,
        Computed(("event.action",), ("DeliveryAction",), actions, "In lower case: delivered, junked …"),
        Computed(
            ("source.ip", "related.ip"),
            ("SenderIPv4", "SenderIPv6"),
            own.sender_addresses,
            "The sending server's address, the one of version 4 first.",
        ),
        Computed(
            ("related.hosts",),
            ("SenderFromDomain", "SenderMailFromDomain", "RecipientDomain"),
            lowered_list,
            "The domains of sender and recipient.",
        ),
        Computed(
            ("related.user",),
            (
                "SenderFromAddress",
                "SenderMailFromAddress",
                "SenderObjectId",
                "RecipientEmailAddress",
                "RecipientObjectId",
            ),
            collect,
            "Sender and recipient: addresses and ids.",
        ),
    ),
)

EMAIL_ATTACHMENT_INFO = table(
    "EmailAttachmentInfo",
    _PROVIDER,
    constants={"event.category": ["email", "file"], "event.type": ["info"]},
    copies={
        **_EVENT_ID,
        **_LOCAL_ID,
        "file.hash.sha256": "SHA256",
        "file.name": "FileName",
        "file.size": "FileSize",
    },
    computed=(
        _FROM,
        _TO,
        Computed(
            ("file.extension",),
            ("FileExtension", "FileName"),
            own.extension,
            "As given, else what follows the name's last dot; in lower case.",
        ),
        Computed(("related.hash",), ("SHA256",), collect, "The attachment's hash."),
        _SENDER_AND_RECIPIENT,
    ),
)

EMAIL_POST_DELIVERY_EVENTS = table(
    "EmailPostDeliveryEvents",
    _PROVIDER,
    constants=_EMAIL,
    copies={**_EVENT_ID, **_LOCAL_ID, "email.message_id": "InternetMessageId"},
    computed=(
        _FROM,
        _TO,
        _DIRECTION,
        ACTION,
        _OUTCOME,
        Computed(
            ("related.user",),
            ("SenderFromAddress", "RecipientEmailAddress"),
            collect,
            "Sender and recipient.",
        ),
    ),
)

EMAIL_URL_INFO = table(
    "EmailUrlInfo", _PROVIDER, constants=_EMAIL, copies={**_EVENT_ID, **_LOCAL_ID}, computed=(_URL,)
)

URL_CLICK_EVENTS = table(
    "UrlClickEvents",
    _PROVIDER,
    constants={"event.category": ["network"]},
    copies={
        **_EVENT_ID,
        **_LOCAL_ID,
        "service.name": "Workload",
        "user.email": "AccountUpn",
    },
    computed=(
        Computed(
            ("event.action", "event.type", "event.outcome"),
            ("ActionType", "IsClickedThrough"),
            own.click,
            "access, with allowed (success) or denied (failure); a blocked click that the user went through "
            "with is allowed; info for all else (unknown).",
        ),
        Computed(("user.name",), ("AccountUpn",), name_of_address, "What stands before the `@`."),
        Computed(
            (*URL_FIELDS, "related.hosts", "source.ip", "related.ip"),
            ("Url", "IPAddress"),
            own.click_fields,
            "The URL's parts, null where it is none; the source is the user's machine.",
        ),
        Computed(("related.user",), ("AccountUpn",), collect, "The user."),
    ),
)

MESSAGE_EVENTS = table(
    "MessageEvents",
    _PROVIDER,
    constants=_EMAIL,
    copies={
        **_EVENT_ID,
        "email.local_id": "TeamsMessageId",
        "email.message_id": "MessageId",
        "group.id": "GroupId",
        "group.name": "GroupName",
        "user.email": "SenderEmailAddress",
        "user.full_name": "SenderDisplayName",
        "user.id": "SenderObjectId",
    },
    computed=(
        Computed(("email.from.address",), ("SenderEmailAddress",), collect, "As a list."),
        Computed(
            ("email.to.address",), ("RecipientDetails",), own.addresses, "The addresses in the JSON array."
        ),
        Computed(
            ("email.subject",), ("MessageSubject", "Subject"), first_known, "As documented, else as sent."
        ),
        Computed(("event.action",), ("DeliveryAction",), actions, "In lower case: delivered, blocked …"),
        Computed(
            ("related.user",),
            ("SenderEmailAddress", "SenderObjectId", "RecipientDetails"),
            own.senders_and_recipients,
            "Sender and recipients: addresses and ids.",
        ),
    ),
)

MESSAGE_POST_DELIVERY_EVENTS = table(
    "MessagePostDeliveryEvents",
    _PROVIDER,
    constants=_EMAIL,
    copies={**_EVENT_ID, "email.local_id": "TeamsMessageId", "user.email": "SenderEmailAddress"},
    computed=(
        Computed(("email.from.address",), ("SenderEmailAddress",), collect, "As a list."),
        Computed(
            ("email.to.address",), ("RecipientDetails",), own.addresses, "The addresses in the JSON array."
        ),
        ACTION,
        _OUTCOME,
        Computed(
            ("related.user",),
            ("SenderEmailAddress", "RecipientDetails"),
            own.senders_and_recipients,
            "Sender and recipients: addresses and ids.",
        ),
    ),
)

MESSAGE_URL_INFO = table(
    "MessageUrlInfo",
    _PROVIDER,
    constants=_EMAIL,
    copies={**_EVENT_ID, "email.local_id": "TeamsMessageId"},
    computed=(_URL,),
)

CALL_ACTIVITY_EVENTS = table(
    "CallActivityEvents",
    _PROVIDER,
    constants={"event.category": ["session"]},
    copies={
        "event.id": "ActivityId",
        "user.email": "ActivityInitiatorUpn",
        "user.full_name": "ActivityInitiatorDisplayName",
        "user.id": "ActivityInitiatorId",
    },
    times=("ActivityTimestamp",),
    computed=(
        Computed(
            ("event.action", "event.type"),
            ("ActivityType",),
            own.call,
            "start or end where the activity's name says so, else info.",
        ),
        Computed(
            (*URL_FIELDS, "related.hosts", "related.ip"),
            ("CallJoinUrl",),
            own.url_and_hosts,
            "The parts of the URL to join the call.",
        ),
        Computed(
            ("related.user",),
            ("ActivityInitiatorUpn", "ActivityInitiatorId", "OriginatorUpn"),
            collect,
            "Who acted, and who began the call.",
        ),
    ),
)

EMAIL_TABLES: tuple[Mapping, ...] = (
    CALL_ACTIVITY_EVENTS,
    EMAIL_ATTACHMENT_INFO,
    EMAIL_EVENTS,
    EMAIL_POST_DELIVERY_EVENTS,
    EMAIL_URL_INFO,
    MESSAGE_EVENTS,
    MESSAGE_POST_DELIVERY_EVENTS,
    MESSAGE_URL_INFO,
    URL_CLICK_EVENTS,
)
"""The mappings of Defender for Office 365's tables."""
