"""What the products find, beside Defender for Endpoint: alerts of each, with the evidence that they leave.

Titles are made up in the manner of each product. Sources of alerts, categories and id prefixes are those of
Microsoft's pages; of Threat Intelligence and Security for AI, no prefix is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from airflow_provider_defender.simulator.graph.cast import Cast
from airflow_provider_defender.simulator.server.draw import Draw

__all__ = ["PRODUCTS", "Finding", "Item", "Product", "new_id"]


@dataclass(frozen=True)
class Item:
    """An item of evidence of a finding: its type, and what part it plays."""

    type: str
    roles: tuple[str, ...] = ()
    verdict: str = "suspicious"
    remediation: str = "none"
    detailed: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """What an alert is made from."""

    title: str
    category: str
    severity: str
    detection_source: str
    techniques: tuple[str, ...]
    evidence: tuple[Item, ...]
    threat: tuple[str, str] | None = None
    """Threat name and threat family."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """What stands in `additionalData`."""


@dataclass(frozen=True)
class Product:
    """A product: how its alerts name it, and what it finds."""

    service_source: str
    name: str
    prefixes: tuple[str, ...]
    findings: tuple[Finding, ...]


def new_id(product: Product, cast: Cast, draw: Draw) -> tuple[str, str]:
    """The id of a new alert, and the product's own id of it, which is the same without the prefix."""
    own = cast.guid("alert")
    if product.service_source == "microsoftDefenderForCloudApps":
        own = cast.hexadecimal("alert", 24).upper()
    elif product.service_source == "azureAdIdentityProtection":
        own = cast.hexadecimal("alert", 64)
    elif product.service_source == "microsoft365Defender":
        own = f"{639_000_000_000_000_000 + cast.at // 10}_{draw.randrange(-(2**31), 2**31)}"
    return f"{draw.choice(product.prefixes)}{own}", own


_USER = Item("userEvidence", ("compromised",))
_VICTIM = Item("userEvidence", ("attacked",))
_SOURCE = Item("ipEvidence", ("source", "attacker"))
_PROCESS = Item("processEvidence", ("suspicious",), "malicious")
_RESOURCE = Item("azureResourceEvidence", ("attacked",))

_OFFICE = Product(
    "microsoftDefenderForOffice365",
    "Microsoft Defender for Office 365",
    ("fa",),
    (
        Finding(
            "Email messages containing malicious URL removed after delivery",
            "InitialAccess",
            "informational",
            "microsoftDefenderForOffice365",
            ("T1566.002",),
            (
                Item("mailClusterEvidence", (), "malicious", "active"),
                Item("analyzedMessageEvidence", ("contextual",), "malicious", "remediated"),
                Item("mailboxEvidence", ("attacked",), "suspicious"),
                Item("urlEvidence", (), "malicious", "blocked"),
                _VICTIM,
            ),
        ),
        Finding(
            "Email reported by user as malware or phish",
            "InitialAccess",
            "low",
            "microsoftDefenderForOffice365",
            ("T1566",),
            (
                Item("submissionMailEvidence", (), "suspicious"),
                Item("analyzedMessageEvidence", (), "suspicious"),
                Item("fileHashEvidence", (), "unknown"),
                Item("fileEvidence", (), "malicious", "prevented"),
            ),
        ),
        Finding(
            "Suspicious email forwarding activity",
            "Collection",
            "medium",
            "microsoftDefenderForOffice365",
            ("T1114.003", "T1564.008"),
            (Item("mailboxConfigurationEvidence", ("added",), "malicious"), Item("mailboxEvidence"), _USER),
        ),
        Finding(
            "Teams message with a malicious link",
            "InitialAccess",
            "medium",
            "microsoftDefenderForOffice365",
            ("T1566.002",),
            (Item("teamsMessageEvidence", (), "malicious"), Item("urlEvidence", (), "malicious"), _VICTIM),
        ),
    ),
)
_IDENTITY = Product(
    "microsoftDefenderForIdentity",
    "Microsoft Defender for Identity",
    ("aa", "ri"),
    (
        Finding(
            "Suspected DCSync attack (replication of directory services)",
            "CredentialAccess",
            "high",
            "microsoftDefenderForIdentity",
            ("T1003.006",),
            (
                Item("deviceEvidence", ("source",), detailed=("PrimaryDevice",)),
                _USER,
                Item("activeDirectoryDomainEvidence", ("attacked",)),
                Item("securityGroupEvidence", ("contextual",)),
                Item("hostLogonSessionEvidence"),
            ),
            details={"ReplicationType": "Confidential"},
        ),
        Finding(
            "Suspected brute-force attack (Kerberos, NTLM)",
            "CredentialAccess",
            "medium",
            "microsoftDefenderForIdentity",
            ("T1110.003",),
            (
                Item("deviceEvidence", ("source",)),
                Item("ipEvidence", ("source",)),
                _VICTIM,
                Item("networkConnectionEvidence"),
            ),
        ),
        Finding(
            "Network-mapping reconnaissance (DNS)",
            "Discovery",
            "medium",
            "microsoftDefenderForIdentity",
            ("T1046", "T1087.002"),
            (Item("deviceEvidence", ("source",)), Item("dnsEvidence")),
        ),
    ),
)
_CLOUD_APPS = Product(
    "microsoftDefenderForCloudApps",
    "Microsoft Defender for Cloud Apps",
    ("ca", "rm"),
    (
        Finding(
            "Impossible travel activity",
            "InitialAccess",
            "medium",
            "cloudAppSecurity",
            ("T1078.004",),
            (
                _USER,
                Item("cloudApplicationEvidence", ("attacked",)),
                _SOURCE,
                Item("cloudLogonSessionEvidence"),
            ),
        ),
        Finding(
            "Mass download from a code repository",
            "Exfiltration",
            "high",
            "cloudAppSecurity",
            ("T1213.003",),
            (
                Item("gitHubUserEvidence", ("compromised",)),
                Item("gitHubRepoEvidence", ("attacked",)),
                Item("gitHubOrganizationEvidence"),
                _SOURCE,
            ),
        ),
    ),
)
_GOVERNANCE = Product(
    "microsoftAppGovernance",
    "App Governance",
    ("ma",),
    (
        Finding(
            "Overprivileged OAuth app with unusual mail search activity",
            "Collection",
            "medium",
            "appGovernanceDetection",
            ("T1114.002",),
            (Item("oauthApplicationEvidence", ("suspicious",)), Item("servicePrincipalEvidence"), _USER),
        ),
        Finding(
            "New app with high data usage",
            "Persistence",
            "low",
            "appGovernancePolicy",
            (),
            (Item("oauthApplicationEvidence", ("policyViolator",)),),
        ),
    ),
)
_XDR = Product(
    "microsoft365Defender",
    "Microsoft Defender XDR",
    ("ra", "ta", "ea"),
    (
        Finding(
            "Hands-on-keyboard attack was launched from a compromised account (attack disruption)",
            "LateralMovement",
            "high",
            "microsoft365Defender",
            ("T1021.002", "T1550.002"),
            (
                Item("userEvidence", ("compromised",), "malicious", "pendingApproval", ("AccountDisabled",)),
                Item("deviceEvidence", ("compromised",), tags=("Domain controller",)),
                _PROCESS,
                Item("fileEvidence", ("created",), "malicious", "partiallyRemediated"),
            ),
        ),
        Finding(
            "Malware was executed by a user",
            "Malware",
            "high",
            "customDetection",
            ("T1204.002",),
            (
                Item("malwareEvidence", (), "malicious", "running"),
                Item("registryValueEvidence", ("added",), "malicious"),
                Item("registryKeyEvidence", ("edited",)),
                Item("deviceEvidence"),
            ),
            threat=("Trojan:Win32/Emotet!ml", "Emotet"),
        ),
    ),
)
_ENTRA = Product(
    "azureAdIdentityProtection",
    "AAD Identity Protection",
    ("ad",),
    (
        Finding(
            "Anonymous IP address",
            "InitialAccess",
            "medium",
            "azureAdIdentityProtection",
            ("T1078",),
            (_USER, _SOURCE, Item("cloudLogonRequestEvidence")),
        ),
        Finding(
            "Password spray",
            "CredentialAccess",
            "high",
            "azureAdIdentityProtection",
            ("T1110.003", "T1110.001"),
            (_VICTIM, _SOURCE),
        ),
    ),
)
_DLP = Product(
    "dataLossPrevention",
    "Microsoft Data Loss Prevention",
    ("dl",),
    (
        Finding(
            "DLP policy (Kreditkartennummern) matched for email with subject (Rechnung 4471)",
            "Exfiltration",
            "medium",
            "microsoftDataLossPrevention",
            (),
            (
                Item("userEvidence", ("policyViolator",)),
                Item("analyzedMessageEvidence", ("contextual",), "unknown"),
                Item("fileEvidence", ("contextual",), "noThreatsFound"),
            ),
        ),
    ),
)
_INSIDER = Product(
    "microsoftInsiderRiskManagement",
    "Microsoft Insider Risk Management",
    ("ir",),
    (
        Finding(
            "Data leaks by a departing employee",
            "Exfiltration",
            "medium",
            "microsoftInsiderRiskManagement",
            (),
            (Item("userEvidence", ("policyViolator",)), Item("fileEvidence", (), "unknown")),
        ),
    ),
)
_CLOUD = Product(
    "microsoftDefenderForCloud",
    "Microsoft Defender for Cloud",
    ("dc",),
    (
        Finding(
            "Digital currency mining container detected",
            "Impact",
            "high",
            "microsoftDefenderForContainers",
            ("T1496",),
            (
                Item("kubernetesClusterEvidence", ("attacked",)),
                Item("kubernetesNamespaceEvidence"),
                Item("kubernetesPodEvidence", ("compromised",)),
                Item("containerEvidence", ("compromised",), "malicious"),
                Item("containerImageEvidence"),
                Item("containerRegistryEvidence"),
                Item("kubernetesControllerEvidence"),
                Item("kubernetesServiceAccountEvidence"),
                Item("kubernetesServiceEvidence"),
                Item("kubernetesSecretEvidence"),
            ),
            details={"Namespace": "shop", "K8sAgentVersion": "1.9"},
        ),
        Finding(
            "Malicious blob uploaded to storage account",
            "LateralMovement",
            "high",
            "microsoftDefenderForStorage",
            ("T1105",),
            (
                _RESOURCE,
                Item("blobContainerEvidence"),
                Item("blobEvidence", ("created",), "malicious"),
                Item("sasTokenEvidence", ("suspicious",)),
                _SOURCE,
            ),
            threat=("Trojan:Win32/Emotet!ml", "Emotet"),
        ),
        Finding(
            "Suspicious API call from an unusual address in AWS",
            "PrivilegeEscalation",
            "medium",
            "microsoftDefenderForCloud",
            ("T1078.004",),
            (
                Item("amazonResourceEvidence", ("attacked",)),
                Item("googleCloudResourceEvidence", ("contextual",)),
                _SOURCE,
            ),
        ),
        Finding(
            "Unauthorized programming of a controller",
            "Execution",
            "high",
            "microsoftDefenderForIoT",
            ("T0843",),
            (
                Item("ioTDeviceEvidence", ("destination",)),
                Item("nicEvidence"),
                Item("ipEvidence", ("source",)),
            ),
        ),
    ),
)
_SENTINEL = Product(
    "microsoftSentinel",
    "Microsoft Sentinel",
    ("sn",),
    (
        Finding(
            "Sign-ins from many countries within one hour",
            "InitialAccess",
            "medium",
            "scheduledAlerts",
            ("T1078",),
            (Item("userEvidence"), Item("ipEvidence"), Item("cloudApplicationEvidence")),
            details={"Query": "SigninLogs | summarize dcount(Location) by UserPrincipalName", "Rows": 7},
        ),
        Finding(
            "Known bad address in firewall logs",
            "CommandAndControl",
            "high",
            "nrtAlerts",
            ("T1071",),
            (
                Item("ipEvidence", ("commandAndControl",), "malicious"),
                Item("deviceEvidence"),
                Item("dnsEvidence"),
                Item("urlEvidence"),
            ),
        ),
    ),
)
_THREAT_INTELLIGENCE = Product(
    "microsoftThreatIntelligence",
    "Microsoft Threat Intelligence",
    ("",),
    (
        Finding(
            "Activity of a tracked actor was seen in the tenant",
            "CommandAndControl",
            "high",
            "microsoftThreatIntelligence",
            ("T1583.001",),
            (Item("ipEvidence", ("attacker",), "malicious"), Item("urlEvidence", (), "malicious")),
        ),
    ),
)
_AI = Product(
    "microsoftSecurityForAI",
    "Microsoft Security for AI",
    ("",),
    (
        Finding(
            "Jailbreak attempt on an AI agent was blocked by Prompt Shields",
            "DefenseEvasion",
            "medium",
            "microsoftDefenderForAIServices",
            ("AML.T0054",),
            (
                Item("aiAgentEvidence", ("attacked",), "suspicious", "blocked"),
                Item("userEvidence", ("attacker",)),
                _SOURCE,
            ),
        ),
    ),
)
_UNKNOWN = Product(
    "unknown",
    "Unknown",
    ("",),
    (Finding("Alert of a product without a name", "Unknown", "unknown", "unknown", (), (_USER,)),),
)

#: Service source → product. Alerts of Defender for Endpoint come from the alerts API's tenant.
PRODUCTS: Mapping[str, Product] = MappingProxyType(
    {
        product.service_source: product
        for product in (
            _OFFICE,
            _IDENTITY,
            _CLOUD_APPS,
            _GOVERNANCE,
            _XDR,
            _ENTRA,
            _DLP,
            _INSIDER,
            _CLOUD,
            _SENTINEL,
            _THREAT_INTELLIGENCE,
            _AI,
            _UNKNOWN,
        )
    }
)
