"""Evidence of cloud applications, AI agents, GitHub, and names of directories."""

from __future__ import annotations

from ...columns import host_name
from .alert import Alert, Fields, Item, roles_of
from .parts import user_prefix
from .values import children, number, text

__all__ = [
    "active_directory_domain",
    "ai_agent",
    "cloud_application",
    "github_organization",
    "github_repository",
    "github_user",
]


def active_directory_domain(item: Item, alert: Alert) -> Fields:
    """`activeDirectoryDomainEvidence`: the name of the domain and of those that it trusts."""
    return {
        "entity.name": text(item, "activeDirectoryDomainName"),
        "related.hosts": list(_domains(item)),
    }


def _domains(item: Item) -> dict[str, None]:
    """The domain, and those that it trusts and their trusts, whose objects may be nested."""
    domains = [item]
    for domain in domains:
        domains.extend(children(domain, "trustedDomains"))
    names = (host_name(text(domain, "activeDirectoryDomainName")) for domain in domains)
    return dict.fromkeys(name for name in names if name is not None)


def ai_agent(item: Item, alert: Alert) -> Fields:
    """`aiAgentEvidence`: its id and name; its instructions are no description of it."""
    return {"gen_ai.agent.id": text(item, "agentId"), "gen_ai.agent.name": text(item, "agentName")}


def cloud_application(item: Item, alert: Alert) -> Fields:
    """`cloudApplicationEvidence`: the application as a service, as in CloudAppEvents; an id of 0 is none."""
    identifier = number(item, "appId") or number(item, "saasAppId")
    return {
        "service.id": str(identifier) if identifier else None,
        "service.name": text(item, "displayName"),
    }


def github_organization(item: Item, alert: Alert) -> Fields:
    """`gitHubOrganizationEvidence`: an account of GitHub; `organization.*` is the tenant."""
    return {
        "entity.display_name": text(item, "displayName"),
        "entity.id": text(item, "orgId"),
        "entity.name": text(item, "login"),
        "entity.reference": text(item, "webUrl"),
    }


def github_repository(item: Item, alert: Alert) -> Fields:
    """`gitHubRepoEvidence`: the repository; its owner is an account, but not one that acted."""
    return {
        "entity.id": text(item, "repoId"),
        "entity.name": text(item, "login"),
        "entity.reference": text(item, "baseUrl"),
        "related.user": [text(item, "owner")] if (text(item, "ownerType") or "").lower() == "user" else [],
    }


def github_user(item: Item, alert: Alert) -> Fields:
    """`gitHubUserEvidence`: an identity, in GitHub's own ids."""
    prefix = user_prefix(roles_of(item))
    return {
        f"{prefix}.email": text(item, "email"),
        f"{prefix}.full_name": text(item, "name"),
        f"{prefix}.id": text(item, "userId"),
        f"{prefix}.name": text(item, "login"),
    }
