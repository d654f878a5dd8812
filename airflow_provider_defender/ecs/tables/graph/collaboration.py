"""Evidence of Teams messages and of mailboxes' settings."""

from __future__ import annotations

from .alert import Alert, Fields, Item, roles_of
from .mail import direction
from .parts import ATTACKED, SOURCES, file_fields, url_fields
from .values import address, child, children, moment, text, texts

__all__ = ["mailbox_configuration", "teams_message"]


def teams_message(item: Item, alert: Alert) -> Fields:
    """`teamsMessageEvidence`: a message with its sender as the one who acts, as in MessageEvents.

    The first URL and the first file are `url.*` and `file.*`; all of them are in `related.*`.
    """
    sender = text(item, "senderFromAddress")
    recipients = texts(item, "recipients")
    urls = [url_fields(text(each, "url")) for each in children(item, "urls")]
    files = [file_fields(child(each, "fileDetails")) for each in children(item, "files")]
    source = address(text(item, "senderIP", "senderIp"))
    return {
        **(urls[0] if urls else {}),
        **(files[0] if files else {}),
        **_account(sender, "user"),
        **(_account(recipients[0], "user.target") if len(recipients) == 1 else {}),
        "email.delivery_timestamp": moment(item, "receivedDateTime"),
        "email.direction": direction(item, "messageDirection"),
        "email.from.address": [sender] if sender else [],
        "email.local_id": text(item, "messageId"),
        "email.subject": text(item, "subject"),
        "email.to.address": recipients,
        "group.id": text(item, "groupId"),
        "related.hash": [
            value for each in files for name, value in each.items() if name.startswith("file.hash.")
        ],
        "related.hosts": [each.get("url.domain") for each in urls],
        "related.user": texts(item, "suspiciousRecipients"),
        "source.address": source,
        "source.ip": source,
    }


def mailbox_configuration(item: Item, alert: Alert) -> Fields:
    """`mailboxConfigurationEvidence`: a rule, a delegation … in somebody's mailbox.

    The mailbox's owner is acted upon, unless the roles say that it is the owner who acts: who can set up a
    rule in a mailbox is often not its owner.
    """
    roles = roles_of(item)
    acts = ATTACKED.isdisjoint(roles) and not SOURCES.isdisjoint(roles)
    prefix = "user" if acts else "user.target"
    primary, principal = text(item, "mailboxPrimaryAddress"), text(item, "upn")
    return {
        **_account(principal or primary, prefix),
        f"{prefix}.email": primary or principal,
        f"{prefix}.full_name": text(item, "displayName"),
        f"{prefix}.id": text(item, "externalDirectoryObjectId"),
        "related.user": [principal, primary],
    }


def _account(mail: str | None, prefix: str) -> Fields:
    """Name, domain and address of an account that is known by its address."""
    name, at, domain = (mail or "").rpartition("@")
    if not name or not at:
        return {f"{prefix}.name": mail}
    return {f"{prefix}.domain": domain or None, f"{prefix}.email": mail, f"{prefix}.name": name}
