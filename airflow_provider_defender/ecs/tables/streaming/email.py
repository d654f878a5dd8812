"""Defender for Office 365: email, Teams messages and calls, and clicks on links in them."""

from __future__ import annotations

from ...columns import collect, file_names, first_known
from ...mapping import Computed, Mapping
from . import _email as own
from .actions import event_constants, event_fields, result_outcome
from .functions import URL_FIELDS
from .table import table

__all__ = ["EMAIL_TABLES"]

_PROVIDER = "defender_office365"
_EMAIL = event_constants("EmailUrlInfo")

_EVENT_ID = {"event.id": "ReportId"}
_LOCAL_ID = {"email.local_id": "NetworkMessageId"}
_FROM = Computed(
    ("email.from.address",), ("SenderFromAddress",), collect, "The address in the header From, as a list."
)
_TO = Computed(("email.to.address",), ("RecipientEmailAddress",), collect, "The recipient, as a list.")
_DIRECTION = Computed(
    ("email.direction",),
    ("EmailDirection",),
    own.direction,
    "inbound, outbound, or intra-org inside the organization.",
)
_MESSAGE_ID = {"email.message_id": "The id in the header Message-ID, with its angle brackets."}
_RECIPIENT = Computed(
    ("user.target.name", "user.target.domain", "user.target.email"),
    ("RecipientEmailAddress",),
    own.account_of_address,
    "Who is acted upon is the recipient: the address, and what stands before and behind its `@`.",
)


def _outcome(table_name: str) -> Computed:
    return Computed(
        ("event.outcome",),
        ("ActionResult",),
        result_outcome(table_name),
        "Success, `Quarantined successfully` and AdminPolicy… success; Failure, Error, Timeout failure; "
        "other results unknown.",
    )


_SENDER_AND_RECIPIENT = Computed(
    ("related.user",),
    ("RecipientEmailAddress", "RecipientObjectId", "SenderFromAddress", "SenderObjectId"),
    own.users,
    "Recipient and sender: addresses and ids, and the recipient's name.",
)
_DOMAINS = Computed(
    ("related.hosts",),
    ("SenderFromAddress", "RecipientEmailAddress"),
    own.domains,
    "The domains of sender and recipient.",
)
_URL = Computed(
    (*URL_FIELDS, "related.hosts", "related.ip"),
    ("Url", "UrlDomain"),
    own.url_and_hosts,
    "The URL's parts, null where it is none; related.hosts has its host and UrlDomain.",
)


def _account(column: str) -> Computed:
    """Name, domain and address of the account with the address in a column."""
    return Computed(
        ("user.name", "user.domain", "user.email"),
        (column,),
        own.account_of_address,
        "The address, and what stands before and behind its `@`.",
    )


EMAIL_EVENTS = table(
    "EmailEvents",
    _PROVIDER,
    constants={},
    copies={
        **_EVENT_ID,
        **_LOCAL_ID,
        "email.delivery_timestamp": "Timestamp",
        "email.message_id": "InternetMessageId",
        "email.subject": "Subject",
        "user.target.id": "RecipientObjectId",
    },
    notes=_MESSAGE_ID,
    computed=(
        _FROM,
        Computed(
            ("email.to.address",),
            ("RecipientEmailAddress", "To"),
            own.addresses,
            "The recipient of this copy of the mail, then the addresses of the header To, without names.",
        ),
        _RECIPIENT,
        Computed(
            ("email.sender.address",),
            ("SenderMailFromAddress",),
            own.envelope_sender,
            "The sender of the envelope; `<>`, that of reports on mail, is none.",
        ),
        Computed(
            ("email.cc.address",), ("Cc",), own.addresses, "The addresses of the JSON array, without names."
        ),
        _DIRECTION,
        event_fields("EmailEvents", "DeliveryAction"),
        Computed(
            ("source.ip", "source.address", "related.ip"),
            ("SenderIPv4", "SenderIPv6"),
            own.sender_addresses,
            "The sending server's address, the one of version 4 first.",
        ),
        Computed(
            ("related.hosts",),
            (
                "SenderFromDomain",
                "SenderFromAddress",
                "SenderMailFromDomain",
                "SenderMailFromAddress",
                "RecipientDomain",
                "RecipientEmailAddress",
            ),
            own.domains,
            "The domains of sender and recipient.",
        ),
        Computed(
            ("related.user",),
            (
                "RecipientEmailAddress",
                "To",
                "Cc",
                "SenderMailFromAddress",
                "RecipientObjectId",
                "SenderFromAddress",
                "SenderObjectId",
            ),
            own.mail_users,
            "Recipient and sender: addresses and ids, and the recipient's name; then who else is in the "
            "headers To and Cc.",
        ),
    ),
)

EMAIL_ATTACHMENT_INFO = table(
    "EmailAttachmentInfo",
    _PROVIDER,
    constants=event_constants("EmailAttachmentInfo"),
    copies={
        **_EVENT_ID,
        **_LOCAL_ID,
        "file.size": "FileSize",
        "user.target.id": "RecipientObjectId",
    },
    computed=(
        _FROM,
        _TO,
        _RECIPIENT,
        _DOMAINS,
        Computed(
            ("file.extension",),
            ("FileExtension", "FileName", "FileType"),
            own.extension,
            "FileExtension, else what follows the name's last dot, else FileType if it is one word; in lower "
            "case.",
        ),
        Computed(
            ("file.name", "file.fork_name"),
            ("FileName",),
            file_names,
            "The name without folders; what follows a colon is the alternate data stream.",
        ),
        Computed(
            ("file.hash.sha256", "related.hash"),
            ("SHA256",),
            own.sha256,
            "The attachment's hash, in lower case; only of the right length.",
        ),
        _SENDER_AND_RECIPIENT,
    ),
)

EMAIL_POST_DELIVERY_EVENTS = table(
    "EmailPostDeliveryEvents",
    _PROVIDER,
    constants={},
    copies={**_EVENT_ID, **_LOCAL_ID, "email.message_id": "InternetMessageId"},
    notes=_MESSAGE_ID,
    computed=(
        _FROM,
        _TO,
        _RECIPIENT,
        _DOMAINS,
        _DIRECTION,
        event_fields("EmailPostDeliveryEvents"),
        _outcome("EmailPostDeliveryEvents"),
        Computed(
            ("related.user",),
            ("RecipientEmailAddress", "SenderFromAddress"),
            own.users,
            "Recipient and sender, and the recipient's name.",
        ),
    ),
)

EMAIL_URL_INFO = table(
    "EmailUrlInfo", _PROVIDER, constants=_EMAIL, copies={**_EVENT_ID, **_LOCAL_ID}, computed=(_URL,)
)

URL_CLICK_EVENTS = table(
    "UrlClickEvents",
    _PROVIDER,
    constants={},
    copies={
        **_EVENT_ID,
        **_LOCAL_ID,
        "service.name": "Workload",
    },
    computed=(
        Computed(
            ("event.action", "event.category", "event.type"),
            ("ActionType", "IsClickedThrough"),
            own.click,
            "By the [catalogue of action types](action_types.md); a blocked click that the user went through "
            "with is allowed. To deny is no outcome in ECS.",
        ),
        _account("AccountUpn"),
        Computed(
            (*URL_FIELDS, "source.ip", "source.address", "related.hosts", "related.ip"),
            ("Url", "IPAddress", "UrlChain"),
            own.click_fields,
            "The URL's parts, null where it is none; the source is the user's machine. related.* also has "
            "the hosts and addresses of the URLs that the click led through (UrlChain).",
        ),
        Computed(("related.user",), ("AccountUpn",), own.users, "The user."),
    ),
)

MESSAGE_EVENTS = table(
    "MessageEvents",
    _PROVIDER,
    constants={},
    copies={
        **_EVENT_ID,
        "email.local_id": "TeamsMessageId",
        "email.message_id": "MessageId",
        "group.id": "GroupId",
        "group.name": "GroupName",
        "user.full_name": "SenderDisplayName",
        "user.id": "SenderObjectId",
    },
    computed=(
        Computed(("email.from.address",), ("SenderEmailAddress",), collect, "As a list."),
        _account("SenderEmailAddress"),
        Computed(
            ("email.to.address",), ("RecipientDetails",), own.addresses, "The addresses in the JSON array."
        ),
        Computed(
            ("email.subject",), ("MessageSubject", "Subject"), first_known, "As documented, else as sent."
        ),
        event_fields("MessageEvents", "DeliveryAction"),
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
    constants={},
    copies={**_EVENT_ID, "email.local_id": "TeamsMessageId"},
    computed=(
        Computed(("email.from.address",), ("SenderEmailAddress",), collect, "As a list."),
        _account("SenderEmailAddress"),
        Computed(
            ("email.to.address",), ("RecipientDetails",), own.addresses, "The addresses in the JSON array."
        ),
        event_fields("MessagePostDeliveryEvents"),
        _outcome("MessagePostDeliveryEvents"),
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
    constants={},
    copies={
        "event.id": "ActivityId",
        "user.full_name": "ActivityInitiatorDisplayName",
        "user.id": "ActivityInitiatorId",
    },
    times=("ActivityTimestamp",),
    computed=(
        event_fields("CallActivityEvents", "ActivityType"),
        Computed(
            (*URL_FIELDS, "related.hosts", "related.ip"),
            ("CallJoinUrl",),
            own.url_and_hosts,
            "The parts of the URL to join the call.",
        ),
        _account("ActivityInitiatorUpn"),
        Computed(
            ("related.user",),
            ("ActivityInitiatorUpn", "ActivityInitiatorId", "OriginatorUpn"),
            own.users,
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
