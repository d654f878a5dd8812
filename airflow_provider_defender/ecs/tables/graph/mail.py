"""Evidence of mail: messages, clusters of them, submissions, mailboxes."""

from __future__ import annotations

from ...mapping import Fields
from .alert import Alert, roles_of
from .parts import account_fields, end_fields, url_fields, user_prefix
from .values import Item, child, member, moment, text, texts

__all__ = ["direction", "mail_cluster", "mailbox", "message", "submission"]


def message(item: Item, alert: Alert) -> Fields:
    """`analyzedMessageEvidence`: the mail; its recipient is who is acted upon (`user.target`).

    The P2 sender stands in the mail's From, the P1 sender is that of the envelope. The ids keep their angle
    brackets. Hosts of the mail's URLs are in `related.hosts`.
    """
    envelope, header = child(item, "p1Sender"), child(item, "p2Sender")
    sender, author = text(envelope, "emailAddress"), text(header, "emailAddress")
    urls = [url_fields(each).get("url.domain") for each in texts(item, "urls")]
    domains = [text(each, "domainName") for each in (header, envelope)]
    return {
        **_mail(item, author or sender, text(item, "recipientEmailAddress")),
        **_source(item),
        "email.delivery_timestamp": moment(item, "receivedDateTime"),
        "email.direction": direction(item, "antiSpamDirection"),
        "email.message_id": text(item, "internetMessageId"),
        "email.sender.address": sender,
        "related.hosts": [each for each in (*domains, *urls) if each is not None],
    }


def direction(item: Item, name: str) -> str | None:
    """`email.direction` in lower case; inside an organization `intra-org`, as in EmailEvents."""
    value = member(item, name)
    return "intra-org" if value == "intraorg" else value


def submission(item: Item, alert: Alert) -> Fields:
    """`submissionMailEvidence`: the mail that a user reported; who reported it acts (`user`)."""
    mail = _mail(item, text(item, "sender"), text(item, "recipient"))
    return {**mail, **_source(item), **account_fields({"accountName": text(item, "submitter")})}


def _mail(item: Item, author: str | None, recipient: str | None) -> Fields:
    return {
        "email.from.address": [author] if author is not None else None,
        "email.local_id": text(item, "networkMessageId"),
        "email.subject": text(item, "subject"),
        "email.to.address": [recipient] if recipient is not None else None,
        "user.target.email": recipient,
    }


def _source(item: Item) -> Fields:
    """The sending server."""
    return end_fields({"ipAddress": item.get("senderIp")}, "source")


def mail_cluster(item: Item, alert: Alert) -> Fields:
    """`mailClusterEvidence`: mails that resemble each other; the id only where there is one mail.

    What they have in common (`clusterByValue`) has no field in ECS.
    """
    identifiers = texts(item, "networkMessageIds")
    return {"email.local_id": identifiers[0] if len(identifiers) == 1 else None}


def mailbox(item: Item, alert: Alert) -> Fields:
    """`mailboxEvidence`: its owner, who acts or (by its role) is acted upon.

    The values are those of the account; where it is not known, those of the mailbox. All addresses are in
    `related.user`.
    """
    prefix = user_prefix(roles_of(item))
    addresses = [text(item, "primaryAddress"), text(item, "upn")]
    fields = account_fields(child(item, "userAccount"), prefix)
    if not any(fields.values()):
        fields = account_fields({"userPrincipalName": text(item, "upn", "primaryAddress")}, prefix)
        fields[f"{prefix}.email"] = text(item, "primaryAddress", "upn")
        fields[f"{prefix}.full_name"] = text(item, "displayName")
    known = [each for each in addresses if each is not None]
    return {**fields, "related.user": [*fields.get("related.user", ()), *known]}
