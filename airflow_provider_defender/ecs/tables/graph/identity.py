"""Evidence of identities: users, groups, sessions, applications."""

from __future__ import annotations

from ...columns import known_name
from ...mapping import Fields
from ...operating_systems import operating_system_family
from .alert import Alert, Parts, roles_of
from .parts import account_fields, os_name, part, user_prefix
from .values import Item, child, children, text

__all__ = [
    "cloud_logon_request",
    "cloud_logon_session",
    "oauth_application",
    "security_group",
    "service_principal",
    "user",
]


def user(item: Item, alert: Alert) -> Parts:
    """`userEvidence`: who acts, or who is acted upon (`user.target`) where its role says so."""
    return (part(item, "userAccount", _account, user_prefix(roles_of(item))),)


def _account(account: Item, prefix: str) -> Fields:
    """An account, and the addresses of what accessed it."""
    addresses = (text(event, "ipAddress") for event in children(account, "resourceAccessEvents"))
    found = [each for each in addresses if each is not None]
    return {**account_fields(account, prefix), "related.ip": found}


def security_group(item: Item, alert: Alert) -> Fields:
    """`securityGroupEvidence`: the group, by its SID where it has one."""
    return {
        "group.id": text(item, "sid", "securityGroupId", "activeDirectoryObjectGuid"),
        "group.name": text(item, "displayName", "friendlyName"),
    }


def cloud_logon_session(item: Item, alert: Alert) -> Fields:
    """`cloudLogonSessionEvidence`: the account, its device and its user agent."""
    name, system = known_name(text(item, "deviceName")), os_name(text(item, "operatingSystem"))
    account = child(item, "account")
    account = child(account, "userAccount") or account
    return {
        **account_fields(account, user_prefix(roles_of(item))),
        "host.hostname": name,
        "host.name": name.lower() if name is not None else None,
        "host.os.name": system,
        "host.os.type": operating_system_family(system),
        "user_agent.name": text(item, "browser"),
        "user_agent.original": text(item, "userAgent"),
    }


def cloud_logon_request(item: Item, alert: Alert) -> Fields:
    """`cloudLogonRequestEvidence`: only the id of a sign-in request, for which ECS has no field."""
    return {}


def service_principal(item: Item, alert: Alert) -> Fields:
    """`servicePrincipalEvidence`: an application that acts like a user; all its ids are in `related.user`."""
    identifier = text(item, "servicePrincipalObjectId")
    return _application(item, text(item, "servicePrincipalName"), identifier)


def oauth_application(item: Item, alert: Alert) -> Fields:
    """`oauthApplicationEvidence`: likewise."""
    return _application(item, text(item, "displayName"), text(item, "objectId"))


def _application(item: Item, name: str | None, identifier: str | None) -> Fields:
    prefix, application = user_prefix(roles_of(item)), text(item, "appId")
    return {
        f"{prefix}.name": name,
        f"{prefix}.id": identifier or application,
        "related.user": [application] if application is not None else None,
    }
