"""Category names that Microsoft gives to alerts, besides MITRE's tactics. A leaf: it imports nothing."""

from __future__ import annotations

__all__ = ["ALERT_CATEGORIES", "OTHER_CATEGORIES"]

ALERT_CATEGORIES = (
    "Backdoor", "Collection", "CommandAndControl", "CredentialAccess", "CredentialStealing",
    "CredentialTheft", "DefenseEvasion", "DefenseImpairment", "Delivery", "Discovery", "DocumentExploit",
    "EnterprisePolicy", "Execution", "Exfiltration", "Exploit", "ExplorationEnumeration", "General", "Impact",
    "InitialAccess", "Installation", "LateralMovement", "Malware", "MalwareDownload", "NetworkPropagation",
    "None", "NotApplicable", "Persistence", "PrivilegeEscalation", "Ransomware", "Reconnaissance",
    "RemoteAccessTool", "ResourceDevelopment", "SocialEngineering", "Stealth", "SuspiciousActivity",
    "SuspiciousNetworkTraffic", "Trojan", "TrojanDownloader", "UnwantedSoftware", "Weaponization",
    "WebExploit", "WebFingerprinting",
)  # fmt: skip
"""Categories of Defender for Endpoint that Microsoft names (Learn, "Create alert from event API", "Alert
categories"), with ATT&CK's tactics. The property is free text: others may come."""

OTHER_CATEGORIES = (
    "AccessGovernance", "DataGovernance", "DataLossPrevention", "Exploitation", "MailFlow", "Others",
    "Phishing", "PreAttack", "Probing", "ThreatManagement", "Unknown",
)  # fmt: skip
"""Categories of the other products, and the intents of Defender for Cloud that are no tactics."""
