"""What the items of alerts of both APIs have in common: names and paths, accounts, registry."""

from __future__ import annotations

import re

from ..columns import file_name, fork_name, parts_of_file

__all__ = ["NO_TYPE", "UNSAID", "account_names", "file_paths", "is_same_account", "registry_parts", "said"]

UNSAID = frozenset({"unknown", "unknownfuturevalue", "none", "null"})
"""Members of enums, in lower case, that say nothing. The older API writes `null` as a text."""


def said(member: str | None) -> str | None:
    """The member of an enum, but for those that say nothing."""
    return None if member is None or member.strip().lower() in UNSAID else member


def file_paths(directory: str | None, name: str | None) -> tuple[str | None, ...]:
    """Name, directory, path, extension and alternate data stream of a file.

    The directory is a folder, or already the whole path; a name with a separator is the path. Of `a.txt:b`,
    an alternate data stream, the name is `a.txt`; the path has both, as ECS has it.
    """
    directory, path, extension = parts_of_file(directory, name)
    own = file_name(name) if name is not None else None
    if name is None or own is None:
        return None, directory, None, None, None
    return own, directory, path, extension, fork_name(name)


def account_names(
    name: str | None, domain: str | None, principal: str | None
) -> tuple[str | None, str | None, str | None]:
    """Name, domain and address of an account; name and domain also from a login that holds both."""
    login = name if name is not None else principal
    if login is not None and (name is None or "@" in name or "\\" in name):
        name, of_login = _login(login)
        domain = domain or of_login
    email = principal if principal is not None else login
    return name, domain, email if email is not None and "@" in email else None


def _login(login: str) -> tuple[str, str | None]:
    r"""Name and domain of `name@domain` or `DOMAIN\name`; of anything else the whole is the name."""
    name, at, domain = login.rpartition("@")
    if not at:
        domain, _, name = login.partition("\\") if "\\" in login else ("", "", login)
    return (name, domain or None) if name else (login, None)


def is_same_account(
    name: str, domain: str | None, other: str | None, other_domain: str | None, principal: str | None
) -> bool:
    """Whether a name and its domain are those of an account, which may have a user principal name, too.

    The name is the account's name, or what the principal name has before the `@`. `CONTOSO` and
    `contoso.example` are one domain; accounts of the same name in other domains are others.
    """
    if domain is not None and other_domain is not None and _label(domain) != _label(other_domain):
        return False
    names = {(other or "").lower(), (principal or "").partition("@")[0].lower()}
    return name.lower() in names


def _label(domain: str) -> str:
    return domain.lower().partition(".")[0]


HIVES = {
    "hkey_classes_root": "HKCR",
    "hkey_current_config": "HKCC",
    "hkey_current_user": "HKCU",
    "hkey_dyn_data": "HKDD",
    "hkey_local_machine": "HKLM",
    "hkey_performance_data": "HKPD",
    "hkey_users": "HKU",
}
"""Registry hives and the abbreviations that ECS uses."""
_HIVES = {**HIVES, **{short.lower(): short for short in HIVES.values()}}
_KERNEL_HIVES = re.compile(r"\\registry\\(machine|user)(?:\\|\Z)", re.IGNORECASE)
"""How the kernel begins keys of HKEY_LOCAL_MACHINE and HKEY_USERS."""

NO_TYPE = "none"
"""The type, in lower case, that Microsoft also sends where a value has no data; then it is none."""

REGISTRY_TYPES = {
    "binary": "REG_BINARY",
    "dword": "REG_DWORD",
    "expandstring": "REG_EXPAND_SZ",
    "multistring": "REG_MULTI_SZ",
    "none": "REG_NONE",
    "qword": "REG_QWORD",
    "string": "REG_SZ",
    "unknown": None,
}
"""The type names of .NET, as Microsoft writes them, and the standard names that ECS asks for."""


def registry_parts(
    hive: str | None, key: str | None, value: str | None, value_type: str | None
) -> tuple[str | None, ...]:
    """`registry.hive`, `.key`, `.path`, `.data.type`: the hive as ECS abbreviates it, the key without it."""
    kernel = _KERNEL_HIVES.match(key) if key is not None and key.startswith("\\") else None
    if key is not None and kernel is not None:
        key = f"{'HKLM' if kernel[1].lower() == 'machine' else 'HKU'}\\{key[kernel.end() :]}"
    head, _, rest = (key or "").partition("\\")
    if head.lower() in _HIVES:
        hive, key = hive or head, rest or None
    short = _HIVES.get((hive or "").lower(), hive)
    path = "\\".join(part for part in (short, key, value) if part) if key else None
    return short, key, path, REGISTRY_TYPES.get((value_type or "").lower(), value_type)
