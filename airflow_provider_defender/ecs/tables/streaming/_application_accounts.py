"""CloudAppEvents: who acted, on whom, and on which group."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import pyarrow as pa

from ...columns import by_distinct, known_text, lower_guid
from ._accounts import NOBODY, Account, is_guid, parse_account
from .functions import TEXTS, json_items

__all__ = [
    "ACCOUNT_FIELDS",
    "ACCOUNT_INPUTS",
    "RAW_ACCOUNT_KEYS",
    "application_accounts",
]

_ACCOUNT = ("id", "name", "domain", "email", "full_name")
ACCOUNT_FIELDS = (
    *(f"user.{part}" for part in _ACCOUNT),
    *(f"user.target.{part}" for part in _ACCOUNT),
    "user.changes.roles",
    "group.id",
    "group.name",
    "related.user",
)
"""What `application_accounts` gives."""


@dataclass(frozen=True)
class _Activity:
    """What a record says of accounts: the first are columns, the others keys of RawEventData.

    The keys are those of the Office 365 Management Activity API; those with lists or objects are JSON texts.
    """

    AccountType: str | None
    AccountObjectId: str | None
    AccountId: str | None
    AccountDisplayName: str | None
    OAuthAppId: str | None
    ObjectName: str | None
    ObjectType: str | None
    ObjectId: str | None
    UserId: str | None
    UserKey: str | None
    UserType: str | None
    ClientAppId: str | None
    AppId: str | None
    ApplicationId: str | None
    AppAccessContext: str | None
    MailboxOwnerUPN: str | None
    MailboxOwnerSid: str | None
    LogonUserSid: str | None
    SendAsUserSmtp: str | None
    SendOnBehalfOfUserSmtp: str | None
    TargetUserOrGroupName: str | None
    TargetUserOrGroupType: str | None
    Target: str | None
    ModifiedProperties: str | None
    Members: str | None
    TeamName: str | None
    AADGroupId: str | None
    userIdentity: str | None  # noqa: N815 - as Amazon spells it


_NAMES = tuple(field.name for field in fields(_Activity))
_COLUMNS = _NAMES[: _NAMES.index("UserId")]
RAW_ACCOUNT_KEYS = _NAMES[len(_COLUMNS) :]
"""The keys of RawEventData that `application_accounts` takes."""
ACCOUNT_INPUTS = (*_COLUMNS, *(f"RawEventData.{key}" for key in RAW_ACCOUNT_KEYS))
"""The inputs of `application_accounts`."""

_APPLICATION_TYPES = {"application", "serviceprincipal", "service principal"}
_APPLICATION_USER_TYPES = {"5", "6", *_APPLICATION_TYPES}
"""`UserType` of the Management Activity API: 5 is an application, 6 a service principal."""


def application_accounts(*columns: pa.Array) -> tuple[pa.Array, ...]:
    """Who acted, who was acted upon, and the group in question, as in `ACCOUNT_FIELDS`.

    Args:
        columns: those of `ACCOUNT_INPUTS`.
    """
    return by_distinct(_accounts, (*(pa.string(),) * 10, TEXTS, *(pa.string(),) * 2, TEXTS), *columns)


def _accounts(*values: str | None) -> tuple[Any, ...]:
    activity = _Activity(*values)
    actor = _application(activity) if _is_application(activity) else _person(activity)
    target, group = _acted_upon(activity, actor)
    return (
        *actor[: len(_ACCOUNT)],
        *target[: len(_ACCOUNT)],
        _new_roles(activity),
        *group,
        _related(activity, actor, target),
    )


def _is_application(activity: _Activity) -> bool:
    """Whether an application acted: by the account's type, or because the account is the client's."""
    if (activity.AccountType or "").lower() in _APPLICATION_TYPES:
        return True
    own = {text.lower() for text in (activity.AccountObjectId, activity.AccountId) if text}
    if own & _client_ids(activity) or parse_account(activity.UserId).is_application:
        return True
    return not activity.AccountType and (activity.UserType or "").lower() in _APPLICATION_USER_TYPES


def _client_ids(activity: _Activity) -> set[str]:
    context = next(_objects(activity.AppAccessContext), {})
    texts = (
        activity.ClientAppId,
        activity.AppId,
        activity.ApplicationId,
        activity.OAuthAppId,
        _text(context, "ClientAppId"),
    )
    return {text.lower() for text in texts if text and is_guid(text)}


def _application(activity: _Activity) -> Account:
    """The application: `Account…` is who acted, UserId only where it is an application, too."""
    said = parse_account(activity.UserId)
    own = _own_id(activity)
    is_own = said.is_application or bool(said.id and said.id == own)
    named = activity.AccountDisplayName
    if named and not is_own and named == activity.UserId:
        named = None
    return Account(
        id=own or said.id or next(iter(sorted(_client_ids(activity))), None),
        name=(said.name if is_own else None) or named,
        full_name=named,
        is_application=True,
    )


def _person(activity: _Activity) -> Account:
    """Who acted, if that is no application: the account, with the names of UserId if they are its own."""
    said, known = parse_account(activity.UserId), parse_account(activity.AccountId)
    is_other = bool(said.email and known.email and said.email.lower() != known.email.lower())
    names = known if is_other or not said.name else said
    full_name = None if parse_account(activity.AccountDisplayName) == NOBODY else activity.AccountDisplayName
    if names is known and _is_opaque(known.name):
        names = Account(name=_amazon_account(activity).name or _short_name(full_name))
    identifier = _own_id(activity)
    if identifier is None and not is_other:
        identifier = said.id or parse_account(activity.UserKey).id
    return Account(identifier, names.name, names.domain, names.email, full_name)


_OPAQUE = re.compile(r"[0-9]+|urn:.*|(?=[^0-9]*[0-9])(?=[^A-Z]*[A-Z])[A-Za-z0-9]{9,}")
"""An id of an application's own: a number, letters and digits as in `AIDAJ45Q7YFFAREXAMPLE` (Amazon) and
`0055g00000AbCdE` (Salesforce), or `urn:spo:anon#…`, as SharePoint has it for users of anonymous links."""


def _is_opaque(name: str | None) -> bool:
    """Whether a text is an id of an application's own, which is no name."""
    return name is not None and _OPAQUE.fullmatch(name) is not None


def _short_name(full_name: str | None) -> str | None:
    """A display name that is a login: one without blanks."""
    return None if full_name and " " in full_name else full_name or None


def _amazon_account(activity: _Activity) -> Account:
    """Who acted, as Amazon's own record says it."""
    identity = next(_objects(activity.userIdentity), {})
    account = parse_account(_text(identity, "arn"))
    return account._replace(name=_text(identity, "userName") or account.name)


def _own_id(activity: _Activity) -> str | None:
    """The account's id: Entra's, else the one that Defender for Cloud Apps knows it by."""
    account = parse_account(activity.AccountObjectId)
    return account.id or (activity.AccountObjectId if account != NOBODY else _identifier(activity.AccountId))


def _identifier(text: str | None) -> str | None:
    """What identifies an account; a name with blanks or of a Windows domain does not."""
    account = parse_account(text)
    if account.id or account == NOBODY:
        return account.id
    return None if (account.domain and not account.email) or " " in (text or "") else text


_Group = tuple["str | None", "str | None"]
_NO_GROUP: _Group = (None, None)


def _acted_upon(activity: _Activity, actor: Account) -> tuple[Account, _Group]:
    """The account that was acted upon, and the group: of several that a record names, the first."""
    target, group = _mailbox_owner(activity, actor), _NO_GROUP
    for find in (_shared_with, _directory_object, _members, _object):
        found, found_group = find(activity)
        target = target if target != NOBODY else found
        group = group if group != _NO_GROUP else found_group
    said = parse_account(activity.UserId)
    if target == NOBODY and actor.is_application and not said.is_application and said.id != actor.id:
        target = said
    return target, group


def _mailbox_owner(activity: _Activity, actor: Account) -> Account:
    """The mailbox that a mail was sent as or on behalf of, else the owner of the mailbox; not who acted."""
    for text in (activity.SendAsUserSmtp, activity.SendOnBehalfOfUserSmtp, activity.MailboxOwnerUPN):
        owner = parse_account(text)
        if owner == NOBODY or (owner.email or "").lower() == (actor.email or "-").lower():
            continue
        is_owner = (text or "").lower() == (activity.MailboxOwnerUPN or "").lower()
        return owner._replace(id=(is_owner and parse_account(activity.MailboxOwnerSid).id) or owner.id)
    return NOBODY


def _shared_with(activity: _Activity) -> tuple[Account, _Group]:
    """SharePoint: the user or the group that something was shared with."""
    name = activity.TargetUserOrGroupName
    if "group" in (activity.TargetUserOrGroupType or "").lower():
        return NOBODY, (None, name)
    return parse_account(name), _NO_GROUP


def _directory_object(activity: _Activity) -> tuple[Account, _Group]:
    """Entra: `Target` has the object's kind and id in one text, its name (type 1) or principal name (5)."""
    texts = {(_text(each, "ID") or ""): str(each.get("Type")) for each in _objects(activity.Target)}
    kinds = {
        kind: identifier.lower()
        for text in texts
        for kind, _, identifier in (text.partition("_"),)
        if is_guid(identifier)
    }
    changes = dict(_changes(activity))
    group = (_changed(changes, "Group.ObjectID"), _changed(changes, "Group.DisplayName"))
    principal = next((text for text, kind in texts.items() if kind == "5" and text), None)
    name = next((text for text, kind in texts.items() if kind == "1" and text), None)
    if "Group" in kinds:
        return NOBODY, (kinds["Group"], name or group[1])
    if "User" in kinds or principal:
        return parse_account(principal)._replace(id=kinds.get("User"), full_name=name), group
    if "ServicePrincipal" in kinds:
        return Account(id=kinds["ServicePrincipal"], name=name, full_name=name), group
    return NOBODY, group


def _changes(activity: _Activity) -> Iterator[tuple[str, tuple[str | None, str | None]]]:
    """Names of changed properties, each with its old and its new value."""
    for each in _objects(activity.ModifiedProperties):
        name = _text(each, "Name")
        if name:
            yield name, (_only_text(_text(each, "OldValue")), _only_text(_text(each, "NewValue")))


def _changed(changes: dict[str, tuple[str | None, str | None]], name: str) -> str | None:
    old, new = changes.get(name, (None, None))
    return new or old


def _new_roles(activity: _Activity) -> list[str] | None:
    """The role that an account was given."""
    role = dict(_changes(activity)).get("Role.DisplayName", (None, None))[1]
    return [role] if role else None


def _only_text(text: str | None) -> str | None:
    """A property's value: mostly a text, sometimes JSON of a text or of a list with one."""
    if not text or text[0] not in '["':
        return text
    items = json_items(text if text[0] == "[" else f"[{text}]")
    return items[0] if len(items) == 1 and isinstance(items[0], str) else None


def _members(activity: _Activity) -> tuple[Account, _Group]:
    """Teams: the member who was added or removed, if there is one, and the team."""
    members = list(_objects(activity.Members))
    if not members:
        return NOBODY, _NO_GROUP
    member = parse_account(_text(members[0], "UPN"))._replace(full_name=_text(members[0], "DisplayName"))
    return member if len(members) == 1 else NOBODY, (lower_guid(activity.AADGroupId), activity.TeamName)


def _object(activity: _Activity) -> tuple[Account, _Group]:
    """The object's columns, where the object is an account or a group."""
    kind = (activity.ObjectType or "").lower()
    identifier, name = activity.ObjectId, activity.ObjectName
    if kind == "group":
        return NOBODY, (identifier, name)
    if kind not in ("user", "account"):
        return NOBODY, _NO_GROUP
    account = parse_account(name)
    if not account.email and not account.domain and not account.id:
        account = Account(full_name=name)
    return account._replace(id=parse_account(identifier).id or account.id), _NO_GROUP


def _related(activity: _Activity, actor: Account, target: Account) -> list[str] | None:
    """All names and ids of accounts in the record."""
    changes = dict(_changes(activity))
    own = [each for account in (actor, target) for each in (*account[:2], *account[3:5])]
    texts = [
        *(activity.SendAsUserSmtp, activity.SendOnBehalfOfUserSmtp),
        *(activity.AccountObjectId, activity.AccountId),
        *(activity.UserId, activity.UserKey, activity.MailboxOwnerUPN, activity.MailboxOwnerSid),
        activity.LogonUserSid,
        *_amazon_account(activity)[:2],
        *(_changed(changes, name) for name in ("User.ObjectID", "User.UPN")),
        *(_text(each, "UPN") for each in _objects(activity.Members)),
        *(sorted(_client_ids(activity)) if actor.is_application else ()),
    ]
    accounts = ((text, parse_account(text)) for text in texts if text)
    found = (account.id if _is_id(account) else text for text, account in accounts if account != NOBODY)
    return list(dict.fromkeys(each for each in (*own, *found) if each)) or None


def _is_id(account: Account) -> bool:
    """Whether a text said nothing but an id, perhaps with its kind before it."""
    return account.id is not None and account.name is None


def _objects(text: str | None) -> Iterator[dict[str, Any]]:
    return (each for each in json_items(text) if isinstance(each, dict))


def _text(value: dict[str, Any], key: str) -> str | None:
    found = value.get(key)
    return known_text(found) if isinstance(found, str) else None
