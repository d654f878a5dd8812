"""Cloud resources, storage, cloud applications, AI agents and GitHub."""

from __future__ import annotations

from typing import Any

from airflow_provider_defender.simulator.graph.cast import Cast
from airflow_provider_defender.simulator.graph.evidence.base import Evidence, Maker, inner
from airflow_provider_defender.simulator.graph.evidence.files import hashes

__all__ = ["CLOUD", "azure"]


def azure(cast: Cast, kind: str, name: str) -> Evidence:
    """An Azure resource within other evidence."""
    own = {"resourceId": cast.company.resource(kind, name), "resourceName": name, "resourceType": kind}
    return inner("azureResourceEvidence", cast, own)


def _azure(cast: Cast) -> dict[str, Any]:
    kind, name = cast.draw("azure").choice(
        (
            ("Microsoft.Compute/virtualMachines", "web1"),
            ("Microsoft.KeyVault/vaults", "kv-shop"),
            ("Microsoft.Storage/storageAccounts", cast.company.storage),
        )
    )
    return {"resourceId": cast.company.resource(kind, name), "resourceName": name, "resourceType": kind}


def _amazon(cast: Cast) -> dict[str, Any]:
    instance = f"i-{cast.hexadecimal('ec2', 17)}"
    return {
        "amazonAccountId": cast.company.aws_account,
        "amazonResourceId": f"arn:aws:ec2:eu-central-1:{cast.company.aws_account}:instance/{instance}",
        "resourceName": instance,
        "resourceType": "AWS::EC2::Instance",
    }


def _google(cast: Cast) -> dict[str, Any]:
    project = cast.company.gcp_project
    path = f"projects/{project}/zones/europe-west3-a/instances/build-1"
    return {
        "fullResourceName": f"//compute.googleapis.com/{path}",
        "location": "europe-west3-a",
        "locationType": "zonal",
        "projectId": project,
        "projectNumber": cast.company.gcp_number,
        "resourceName": "build-1",
        "resourceType": "Virtual Machine",
    }


def _storage(cast: Cast) -> Evidence:
    return azure(cast, "Microsoft.Storage/storageAccounts", cast.company.storage)


def _container(cast: Cast) -> dict[str, Any]:
    return {
        "name": "invoices",
        "storageResource": _storage(cast),
        "url": f"https://{cast.company.storage}.blob.example/invoices",
    }


def _blob(cast: Cast) -> dict[str, Any]:
    name = "2026/01/Rechnung 4471.docm"
    return {
        "name": name,
        "blobContainer": inner("blobContainerEvidence", cast, _container(cast)),
        "etag": f'"0x8D{cast.hexadecimal("etag", 12).upper()}"',
        "fileHashes": hashes(cast.mail.attachment),
        "url": f"https://{cast.company.storage}.blob.example/invoices/2026/01/Rechnung%204471.docm",
    }


def _sas(cast: Cast) -> dict[str, Any]:
    return {
        "allowedIpAddresses": f"{cast.place.address}-{cast.place.address}",
        "allowedResourceTypes": ["service", "container", "object"],
        "allowedServices": ["blob", "file"],
        "expiryDateTime": cast.time(-86_400),
        "permissions": ["read", "list", "write"],
        "protocol": "HTTPS",
        "signatureHash": cast.hexadecimal("sas", 64),
        "signedWith": "Key1",
        "startDateTime": cast.time(86_400),
        "storageResource": _storage(cast),
    }


def _application(cast: Cast) -> dict[str, Any]:
    app, name = cast.draw("saas").choice(
        ((11161, "Microsoft 365"), (20595, "Microsoft Exchange Online"), (11627, "Box"))
    )
    return {
        "appId": app,
        "displayName": name,
        "instanceId": cast.number("instance", 10**6),
        "instanceName": f"{name} ({cast.company.domain})",
        "saasAppId": app,
        "stream": {"name": "CloudAppEvents"},
    }


def _agent(cast: Cast) -> dict[str, Any]:
    return {
        "agentId": cast.guid("agent"),
        "agentName": cast.draw("agent name").choice(("Reisekosten-Assistent", "Ticket triage")),
        "hostingPlatformType": cast.draw("platform").choice(("azureAIFoundry", "copilotStudio", "copilot")),
        "instructions": "Answer questions about travel expenses.\nNever show salaries.",
    }


def _organization(cast: Cast) -> dict[str, Any]:
    return {
        "company": "Contoso",
        "displayName": "Contoso Shop",
        "email": f"dev@{cast.company.domain}",
        "login": "contoso-shop",
        "orgId": "9919001",
        "webUrl": "https://github.example/contoso-shop",
    }


def _repository(cast: Cast) -> dict[str, Any]:
    return {
        "baseUrl": "https://github.example/contoso-shop/web",
        "login": "web",
        "owner": "contoso-shop",
        "ownerType": "Organization",
        "repoId": str(cast.number("repository", 10**8)),
    }


def _github_user(cast: Cast) -> dict[str, Any]:
    login = cast.person.account.replace(".", "-")
    return {
        "email": cast.person.principal,
        "login": login,
        "name": cast.person.account,
        "userId": str(cast.number(f"github {login}", 10**7)),
        "webUrl": f"https://github.example/{login}",
    }


CLOUD: dict[str, Maker] = {
    "azureResourceEvidence": _azure,
    "amazonResourceEvidence": _amazon,
    "googleCloudResourceEvidence": _google,
    "blobContainerEvidence": _container,
    "blobEvidence": _blob,
    "sasTokenEvidence": _sas,
    "cloudApplicationEvidence": _application,
    "aiAgentEvidence": _agent,
    "gitHubOrganizationEvidence": _organization,
    "gitHubRepoEvidence": _repository,
    "gitHubUserEvidence": _github_user,
}
