"""Accounts as Microsoft's clouds write them in one text, and their parts."""

from __future__ import annotations

import re
from typing import NamedTuple

import pyarrow as pa

from ...columns import by_distinct

__all__ = [
    "ACCOUNT_PARTS",
    "NOBODY",
    "Account",
    "account_parts",
    "completed",
    "is_guid",
    "parse_account",
]


class Account(NamedTuple):
    """What one text says of one account."""

    id: str | None = None
    name: str | None = None
    domain: str | None = None
    email: str | None = None
    full_name: str | None = None
    is_application: bool = False


NOBODY = Account()
ACCOUNT_PARTS = ("id", "name", "domain", "email")
"""The parts that `account_parts` gives."""

_GUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
is_guid = re.compile(_GUID, re.IGNORECASE).fullmatch
_SERVICE_PRINCIPAL = re.compile(rf"(?:ServicePrincipal|Application)_({_GUID})", re.IGNORECASE)
_USER = re.compile(rf"User_({_GUID})", re.IGNORECASE)
_SID = re.compile(r"S-1(?:-[0-9]+)+", re.IGNORECASE)
_AMAZON = re.compile(r"arn:[^:]*:(?:iam|sts)::[0-9]*:(?:[^/]+/)*([^/]+)")
_AMAZON_ROLE = re.compile(r"arn:[^:]*:sts::[0-9]*:assumed-role/([^/]+)/.+")
_IN_DOMAIN = re.compile(r"([^\\@]+)\\([^\\]+?)(?: \(.*\))?")
_ADDRESS = re.compile(r"([^@\s]+)@([^@\s]+\.[^@\s]+)")
_JSON = '[{"'
"""How a text begins that is a list, an object or a text of JSON, and no account."""
_NO_ACCOUNTS = {
    ":",
    "none specified",
    "not available",
    "unknown",
    "none",
    "null",
    "n/a",
    "-",
    "anonymous",
    "not set",
}
_NO_GUID = "00000000-0000-0000-0000-000000000000"


def parse_account(text: str | None) -> Account:
    r"""The account that a text stands for.

    - a GUID, a security identifier or an ARN of Amazon is an id, not a name; of an ARN the last part is the
      name, or the role that was assumed;
    - `ServicePrincipal_<GUID>` is the id of an application;
    - `CONTOSO\jane`, also with a process in brackets behind it (`NT AUTHORITY\SYSTEM (w3wp)`);
    - an address, as which principal names count: what stands before the `@` is the name, what stands behind
      it the domain;
    - `app@sharepoint`, which has no domain, is the name of an application;
    - anything else is a name.
    """
    text = (text or "").strip()
    if text.lower() in _NO_ACCOUNTS or text in ("", _NO_GUID) or text[0] in _JSON:
        return NOBODY
    if is_guid(text):
        return Account(id=text.lower())
    if _SID.fullmatch(text):
        return Account(id=text.upper())
    if match := _SERVICE_PRINCIPAL.fullmatch(text):
        return Account(id=match[1].lower(), is_application=True)
    if match := _USER.fullmatch(text):
        return Account(id=match[1].lower())
    if match := _AMAZON_ROLE.fullmatch(text) or _AMAZON.fullmatch(text):
        return Account(id=text, name=match[1])
    if match := _IN_DOMAIN.fullmatch(text):
        return Account(name=match[2], domain=match[1])
    if match := _ADDRESS.fullmatch(text):
        return Account(name=match[1], domain=match[2], email=text)
    return Account(name=text, is_application=text.lower() == "app@sharepoint")


def completed(account: Account, other: Account) -> Account:
    """An account, with what another text says of the same account."""
    return Account(
        id=account.id or other.id,
        name=account.name or other.name,
        domain=account.domain or other.domain,
        email=account.email or other.email,
        full_name=account.full_name or other.full_name,
        is_application=account.is_application or other.is_application,
    )


def account_parts(column: pa.Array) -> tuple[pa.Array, ...]:
    """`ACCOUNT_PARTS` for a column, as from `parse_account`."""
    return by_distinct(lambda text: parse_account(text)[: len(ACCOUNT_PARTS)], (pa.string(),) * 4, column)
