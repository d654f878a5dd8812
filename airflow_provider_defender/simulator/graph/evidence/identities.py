"""Users, groups, applications, sessions and domains."""

from __future__ import annotations

import uuid
from typing import Any

from airflow_provider_defender.simulator.defender.catalogue import Person
from airflow_provider_defender.simulator.graph.cast import Cast
from airflow_provider_defender.simulator.graph.evidence.base import Evidence, Maker, inner
from airflow_provider_defender.simulator.server.draw import draw_for

__all__ = ["IDENTITIES", "account", "user_evidence"]


def account(cast: Cast, person: Person) -> dict[str, Any]:
    """A person's account, in Active Directory and in Entra ID."""
    directory = draw_for("directory object", person.sid)
    return {
        "accountName": person.account,
        "domainName": person.domain.lower(),
        "userSid": person.sid,
        "azureAdUserId": person.aad_id,
        "userPrincipalName": person.principal,
        "displayName": person.account.replace(".", " ").title().rstrip("0123456789"),
        "activeDirectoryObjectGuid": str(uuid.UUID(int=directory.getrandbits(128), version=4)),
        "tenantId": cast.company.tenant_id,
        "resourceAccessEvents": [
            {
                "accessDateTime": cast.time(300),
                "accountId": person.sid,
                "ipAddress": cast.local_address,
                "resourceIdentifier": f"ldap/dc1.{cast.company.domain}",
            }
        ],
    }


def _user(cast: Cast) -> dict[str, Any]:
    return {"userAccount": account(cast, cast.person), "stream": {"name": "SigninLogs"}}


def user_evidence(cast: Cast, person: Person) -> Evidence:
    """A user within other evidence."""
    return inner("userEvidence", cast, {"userAccount": account(cast, person), "stream": None})


def _group(cast: Cast) -> dict[str, Any]:
    domain = ",".join(f"DC={part}" for part in cast.company.domain.split("."))
    return {
        "displayName": "Domain Admins",
        "friendlyName": "Domänenadministratoren",
        "distinguishedName": f"CN=Domain Admins,CN=Users,{domain}",
        "securityGroupId": cast.guid("group"),
        "activeDirectoryObjectGuid": cast.guid("group in AD"),
        "sid": f"{cast.person.sid.rpartition('-')[0]}-512",
    }


def _service_principal(cast: Cast) -> dict[str, Any]:
    return {
        "appId": cast.guid("app"),
        "appOwnerTenantId": cast.company.tenant_id,
        "servicePrincipalName": "backup-runner",
        "servicePrincipalObjectId": cast.guid("service principal"),
        "servicePrincipalType": cast.draw("principal").choice(("application", "managedIdentity", "legacy")),
        "tenantId": cast.company.tenant_id,
    }


def _oauth_application(cast: Cast) -> dict[str, Any]:
    return {
        "appId": cast.guid("app"),
        "displayName": cast.draw("app name").choice(("Mail Merge Pro", "PDF Helper", "Kalender-Sync")),
        "objectId": cast.guid("app object"),
        "publisher": "Fabrikam Add-ins",
    }


def _cloud_session(cast: Cast) -> dict[str, Any]:
    draw = cast.draw("session")
    return {
        "account": user_evidence(cast, cast.person),
        "browser": draw.choice(("Edge 143.0", "Chrome 143.0")),
        "deviceName": cast.device.name,
        "operatingSystem": draw.choice(("Windows 11", "macOS 26")),
        "previousLogonDateTime": cast.time(86_400),
        "protocol": "OAuth2",
        "sessionId": cast.guid("session"),
        "startUtcDateTime": cast.time(600),
        "userAgent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/143.0",
    }


def _domain(cast: Cast) -> dict[str, Any]:
    trusted = {"activeDirectoryDomainName": "fabrikam.example", "trustedDomains": []}
    return {
        "activeDirectoryDomainName": cast.company.domain,
        "trustedDomains": [inner("activeDirectoryDomainEvidence", cast, trusted)],
    }


IDENTITIES: dict[str, Maker] = {
    "userEvidence": _user,
    "securityGroupEvidence": _group,
    "servicePrincipalEvidence": _service_principal,
    "oauthApplicationEvidence": _oauth_application,
    "cloudLogonRequestEvidence": lambda cast: {"requestId": cast.guid("request")},
    "cloudLogonSessionEvidence": _cloud_session,
    "activeDirectoryDomainEvidence": _domain,
}
