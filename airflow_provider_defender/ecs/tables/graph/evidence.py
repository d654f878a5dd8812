"""The types of evidence, and the function that gives the ECS fields of each."""

from __future__ import annotations

from collections.abc import Callable

from . import applications, cloud_resources, collaboration, containers, endpoint, identity, iot, mail, network
from .alert import Alert, Parts
from .values import Item, type_of

__all__ = ["EVIDENCE", "evidence_fields"]

EVIDENCE: dict[str, Callable[[Item, Alert], Parts]] = {
    "activeDirectoryDomainEvidence": applications.active_directory_domain,
    "aiAgentEvidence": applications.ai_agent,
    "amazonResourceEvidence": cloud_resources.amazon_resource,
    "analyzedMessageEvidence": mail.message,
    "azureResourceEvidence": cloud_resources.azure_resource,
    "blobContainerEvidence": cloud_resources.blob_container,
    "blobEvidence": cloud_resources.blob,
    "cloudApplicationEvidence": applications.cloud_application,
    "cloudLogonRequestEvidence": identity.cloud_logon_request,
    "cloudLogonSessionEvidence": identity.cloud_logon_session,
    "containerEvidence": containers.container,
    "containerImageEvidence": containers.container_image,
    "containerRegistryEvidence": containers.container_registry,
    "deviceEvidence": endpoint.device,
    "dnsEvidence": network.dns,
    "fileEvidence": endpoint.file,
    "fileHashEvidence": endpoint.file_hash,
    "gitHubOrganizationEvidence": applications.github_organization,
    "gitHubRepoEvidence": applications.github_repository,
    "gitHubUserEvidence": applications.github_user,
    "googleCloudResourceEvidence": cloud_resources.google_resource,
    "hostLogonSessionEvidence": endpoint.host_logon_session,
    "ioTDeviceEvidence": iot.iot_device,
    "ipEvidence": network.ip,
    "kubernetesClusterEvidence": containers.kubernetes_cluster,
    "kubernetesControllerEvidence": containers.kubernetes_controller,
    "kubernetesNamespaceEvidence": containers.kubernetes_namespace,
    "kubernetesPodEvidence": containers.kubernetes_pod,
    "kubernetesSecretEvidence": containers.kubernetes_secret,
    "kubernetesServiceAccountEvidence": containers.kubernetes_service_account,
    "kubernetesServiceEvidence": containers.kubernetes_service,
    "mailClusterEvidence": mail.mail_cluster,
    "mailboxConfigurationEvidence": collaboration.mailbox_configuration,
    "mailboxEvidence": mail.mailbox,
    "malwareEvidence": endpoint.malware,
    "networkConnectionEvidence": network.connection,
    "nicEvidence": iot.network_adapter,
    "oauthApplicationEvidence": identity.oauth_application,
    "processEvidence": endpoint.process,
    "registryKeyEvidence": endpoint.registry_key,
    "registryValueEvidence": endpoint.registry_value,
    "sasTokenEvidence": cloud_resources.sas_token,
    "securityGroupEvidence": identity.security_group,
    "servicePrincipalEvidence": identity.service_principal,
    "submissionMailEvidence": mail.submission,
    "teamsMessageEvidence": collaboration.teams_message,
    "urlEvidence": network.url,
    "userEvidence": identity.user,
}
"""Type without `#microsoft.graph.security.` → its function."""


def evidence_fields(item: Item, alert: Alert) -> Parts:
    """The ECS fields of an evidence item; none for a type that is not known. Without `related.*`."""
    function = EVIDENCE.get(type_of(item) or "")
    return function(item, alert) if function is not None else {}
