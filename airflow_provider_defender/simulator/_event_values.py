"""A catalogue of column name → what stands in it: for all tables, and where one table means something else.

A maker gets the scene and gives a JSON value: a time in ticks for a datetime column, an object or a list
where the wire has one (or its text), else a scalar.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_defender.simulator._event_scene import Program, Running, Scene
from airflow_provider_defender.simulator._event_times import fixed_time

__all__ = ["Maker", "maker"]

Maker = Callable[[Scene], Any]
_SECOND = 10_000_000
_DAY = 86_400 * _SECOND
#: Beginnings of the names of tables whose report ids are texts; those of devices are numbers.
_TEXT_REPORTS = ("Cloud", "Email", "Identity", "Message", "Url")


def maker(table: str, column: str) -> Maker:
    """What fills a column of a table. Raises KeyError when the catalogue has nothing for it."""
    if column == "ReportId" and table.startswith(_TEXT_REPORTS):
        return lambda s: s.guid()
    return _BY_TABLE.get((table, column)) or _BY_COLUMN[column]


def _one_of(*values: Any) -> Maker:
    return lambda s: s.draw.choice(values)


def _always(value: Any) -> Maker:
    return lambda s: value


# Processes ----------------------------------------------------------------------------------------


def _version_info(prefix: str, program: Callable[[Scene], Program]) -> dict[str, Maker]:
    return {
        f"{prefix}VersionInfoCompanyName": lambda s: program(s).company or None,
        f"{prefix}VersionInfoProductName": lambda s: program(s).product or None,
        f"{prefix}VersionInfoProductVersion": lambda s: program(s).version or None,
        f"{prefix}VersionInfoInternalFileName": lambda s: program(s).name.rpartition(".")[0] or None,
        f"{prefix}VersionInfoOriginalFileName": lambda s: program(s).name.upper(),
        f"{prefix}VersionInfoFileDescription": lambda s: program(s).description or None,
    }


def _account(prefix: str, running: Callable[[Scene], Running]) -> dict[str, Maker]:
    return {
        f"{prefix}AccountName": lambda s: running(s).account.name,
        f"{prefix}AccountDomain": lambda s: running(s).account.domain,
        f"{prefix}AccountSid": lambda s: running(s).account.sid,
        f"{prefix}AccountUpn": lambda s: running(s).account.principal,
        f"{prefix}AccountObjectId": lambda s: running(s).account.object_id,
    }


def _actor(s: Scene) -> Running:
    return s.actor


def _integrity(s: Scene) -> str:
    return "System" if s.account.sid == "S-1-5-18" else s.draw.choice(("Low", "Medium", "High"))


_ELEVATION = _one_of("TokenElevationTypeDefault", "TokenElevationTypeLimited", "TokenElevationTypeFull")
_INITIATING: dict[str, Maker] = {
    **_account("InitiatingProcess", _actor),
    **_version_info("InitiatingProcess", lambda s: s.actor.program),
    "InitiatingProcessId": lambda s: s.actor.pid,
    "InitiatingProcessUniqueId": lambda s: s.actor.unique_id,
    "InitiatingProcessFileName": lambda s: s.actor.program.name.lower(),
    "InitiatingProcessFolderPath": lambda s: s.actor.program.path.lower(),
    "InitiatingProcessFileSize": lambda s: s.actor.program.size,
    "InitiatingProcessMD5": lambda s: s.actor.program.hashes["md5"],
    "InitiatingProcessSHA1": lambda s: s.actor.program.hashes["sha1"],
    "InitiatingProcessSHA256": lambda s: s.actor.program.hashes["sha256"],
    "InitiatingProcessCommandLine": lambda s: s.actor.command,
    "InitiatingProcessCreationTime": lambda s: s.actor.started,
    "InitiatingProcessParentId": lambda s: s.root.pid,
    "InitiatingProcessParentFileName": lambda s: s.root.program.name,
    "InitiatingProcessParentCreationTime": lambda s: s.root.started,
    "InitiatingProcessIntegrityLevel": _integrity,
    "InitiatingProcessTokenElevation": _ELEVATION,
    "InitiatingProcessLogonId": lambda s: 999 if s.account.sid == "S-1-5-18" else s.draw.getrandbits(24),
    "InitiatingProcessSessionId": _one_of(0, 1, 2),
    "InitiatingProcessRemoteSessionDeviceName": lambda s: s.neighbour.name if s.remote_session else None,
    "InitiatingProcessRemoteSessionIP": lambda s: s.remote.address if s.remote_session else None,
    "InitiatingProcessSignerType": _one_of("OsVendor", "ISV", "NoSignature"),
    "InitiatingProcessSignatureStatus": _one_of("Valid", "Unknown"),
    "IsInitiatingProcessRemoteSession": lambda s: s.remote_session,
}
_PROCESS: dict[str, Maker] = {
    **_account("", lambda s: s.process),
    **_version_info("Process", lambda s: s.process.program),
    "ProcessId": lambda s: s.process.pid,
    "ProcessUniqueId": lambda s: s.process.unique_id,
    "ProcessCommandLine": lambda s: s.process.command,
    "ProcessCreationTime": lambda s: s.process.started,
    "ProcessIntegrityLevel": _integrity,
    "ProcessTokenElevation": _ELEVATION,
    "ProcessRemoteSessionDeviceName": lambda s: s.neighbour.name if s.remote_session else None,
    "ProcessRemoteSessionIP": lambda s: s.remote.address if s.remote_session else None,
    "CreatedProcessSessionId": _one_of(0, 1, 2),
    "IsProcessRemoteSession": lambda s: s.remote_session,
    "ProcessName": lambda s: s.process.program.name,
    "ParentProcessName": lambda s: s.actor.program.name,
    "ParentProcessId": lambda s: s.actor.pid,
    "ProcessCurrentWorkingDirectory": _one_of("/", "/opt/app", "/root"),
    "LogonId": lambda s: 999 if s.account.sid == "S-1-5-18" else s.draw.getrandbits(24),
}


def _program_file(program: Callable[[Scene], Program]) -> dict[str, Maker]:
    return {
        "FileName": lambda s: program(s).name,
        "FolderPath": lambda s: program(s).path,
        "FileSize": lambda s: program(s).size,
        "MD5": lambda s: program(s).hashes["md5"],
        "SHA1": lambda s: program(s).hashes["sha1"],
        "SHA256": lambda s: program(s).hashes["sha256"],
    }


_FILE: dict[str, Maker] = {
    **_program_file(lambda s: s.file),
    "PreviousFileName": lambda s: f"~{s.file.name}.tmp",
    "PreviousFolderPath": lambda s: f"{s.file.folder}\\~{s.file.name}.tmp",
    "FileOriginUrl": lambda s: f"https://{s.remote.host}/download/{s.hexadecimal(6)}",
    "FileOriginReferrerUrl": lambda s: f"https://{s.remote.host}/",
    "FileOriginIP": lambda s: s.remote.address,
    "RequestProtocol": _one_of("Local", "SMB", "NFS"),
    "RequestSourceIP": lambda s: s.local_address,
    "RequestSourcePort": lambda s: s.draw.randrange(49_152, 65_535),
    "RequestAccountName": lambda s: s.account.name,
    "RequestAccountDomain": lambda s: s.account.domain,
    "RequestAccountSid": lambda s: s.account.sid,
    "ShareName": _one_of("D$", "shares", "Kundenakten"),
    "SensitivityLabel": _one_of("Confidential", "General"),
    "SensitivitySubLabel": _one_of("All employees", "Partners"),
    "IsAzureInfoProtectionApplied": _one_of(True, False),
    "AppGuardContainerId": _always(""),
}

# Devices ------------------------------------------------------------------------------------------

_RUN_KEY = "HKEY_CURRENT_USER\\S-1-5-21-1-2-3-1105\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Run"
_DEVICE: dict[str, Maker] = {
    "Timestamp": lambda s: s.at,
    "DeviceId": lambda s: s.device.machine_id,
    "DeviceName": lambda s: s.device.name,
    "MachineGroup": lambda s: s.device.group,
    "ReportId": lambda s: s.number + 40_000,
    "RegistryKey": _always(_RUN_KEY),
    "RegistryValueName": _one_of("Updater", "OneDrive", ""),
    "RegistryValueType": _one_of("String", "Dword", "ExpandString", "None"),
    "RegistryValueData": lambda s: s.draw.choice((f'"{s.process.program.path}"', "1", "")),
    "PreviousRegistryKey": _always(_RUN_KEY),
    "PreviousRegistryValueName": _one_of("Updater", "OneDrive"),
    "PreviousRegistryValueData": _one_of("0", "C:\\old.exe"),
    "RemoteDeviceName": lambda s: s.neighbour.name,
    "RemoteIP": lambda s: s.remote.address,
    "RemotePort": lambda s: s.remote.port,
    "RemoteUrl": lambda s: s.remote.host,
    "RemoteIPType": lambda s: s.remote.kind,
    "LocalIP": lambda s: s.local_address,
    "LocalIPType": _always("Private"),
    "LocalPort": lambda s: s.draw.randrange(49_152, 65_535),
    "Protocol": _one_of("Tcp", "Tcp", "Udp"),
    "IsLocalAdmin": _one_of(True, False, 1, 0),
}
_DEVICE_INFO: dict[str, Maker] = {
    "ClientVersion": _one_of("10.8820.26100.4061", "101.25072.0003"),
    "PublicIP": lambda s: f"203.0.113.{int(s.device.machine_id[:2], 16) % 254 + 1}",
    "OSArchitecture": _one_of("64-bit", "ARM64"),
    "OSPlatform": lambda s: "Ubuntu" if s.device.linux else s.draw.choice(("Windows11", "WindowsServer2022")),
    "OSVersion": _one_of("10.0", "24.4"),
    "OSBuild": _one_of(26100, 20348),
    "OsBuildRevision": _one_of("4061", "3932"),
    "OSVersionInfo": _one_of("24H2", "21H2"),
    "OSDistribution": lambda s: (
        "Ubuntu" if s.device.linux else s.draw.choice(("Windows11", "WindowsServer2022"))
    ),
    "IsAzureADJoined": _one_of(True, False),
    "JoinType": _one_of("AAD Joined", "Hybrid Azure AD Joined", "Domain Joined"),
    "AadDeviceId": lambda s: s.guid(),
    "LoggedOnUsers": lambda s: [
        {"UserName": s.person.account, "DomainName": s.person.domain, "Sid": s.person.sid}
    ],
    "RegistryDeviceTag": _one_of("pilot", "branch-ost"),
    "MergedDeviceIds": _always(""),
    "MergedToDeviceId": _always(""),
    "Vendor": _one_of("Lenovo", "Dell Inc.", "Microsoft Corporation"),
    "Model": _one_of("ThinkPad T14s Gen 6", "Virtual Machine", "Latitude 7450"),
    "OnboardingStatus": _one_of("Onboarded", "Can be onboarded"),
    "DeviceCategory": _always("Endpoint"),
    "DeviceType": lambda s: "Server" if s.device.linux else s.draw.choice(("Workstation", "Server")),
    "DeviceSubtype": _always("Workstation"),
    "SensorHealthState": _one_of("Active", "Inactive", "ImpairedCommunications"),
    "IsInternetFacing": _one_of(True, False),
    "IsExcluded": _always(False),
    "ExclusionReason": _always("DuplicateDevice"),
    "ExposureLevel": _one_of("Low", "Medium", "High"),
    "AssetValue": _one_of("Normal", "High"),
    "DeviceDynamicTags": _always('["internet-facing"]'),
    "DeviceManualTags": _always('["kiosk"]'),
    "MitigationStatus": _always('{"isolated":"true"}'),
    "HardwareUuid": lambda s: str(uuid.UUID(hex=s.device.machine_id[:32])),
    "AzureVmId": lambda s: s.guid(),
    "AzureVmSubscriptionId": lambda s: s.company.subscription,
    "CloudPlatforms": _always('["Azure"]'),
    "HostDeviceId": lambda s: s.neighbour.machine_id,
    "ConnectivityType": _one_of("Streamlined", "Standard"),
    "IsTransient": _one_of(False, False, True),
}
_ADAPTER: dict[str, Maker] = {
    "NetworkAdapterName": lambda s: f"{{{s.guid().upper()}}}",
    "NetworkAdapterType": _one_of("Ethernet", "Wireless80211", "Tunnel"),
    "NetworkAdapterStatus": _one_of("Up", "Down"),
    "NetworkAdapterVendor": _one_of("Intel Corporation", "Realtek"),
    "TunnelType": _one_of("None", "Teredo"),
    "ConnectedNetworks": lambda s: [
        {"Name": s.company.domain, "Description": "Netzwerk", "IsConnectedToInternet": True, "Category": 2}
    ],
    "DnsAddresses": _always(["10.20.0.53", "10.21.0.53"]),
    "DefaultGateways": _always(["10.20.0.1"]),
    "MacAddress": lambda s: "-".join(s.device.machine_id[i : i + 2].upper() for i in range(0, 12, 2)),
    "IPv4Dhcp": _always("10.20.0.2"),
    "IPv6Dhcp": _always("2001:db8::2"),
    "IPAddresses": lambda s: [
        {"IPAddress": s.local_address, "SubnetPrefix": 16, "AddressType": "Private"},
        {"IPAddress": "fe80::1c2d:3e4f", "SubnetPrefix": 64, "AddressType": "Private"},
    ],
}
_CERTIFICATE: dict[str, Maker] = {
    "IsSigned": _one_of(True, True, False),
    "IsRootSignerMicrosoft": _one_of(True, False),
    "IsTrusted": _one_of(True, False),
    "Signer": _one_of("Microsoft Windows", "Contoso Software GmbH"),
    "SignerHash": lambda s: s.process.program.hashes["sha1"][::-1],
    "Issuer": _always("Microsoft Windows Production PCA 2011"),
    "IssuerHash": _always("580a6f4cc4e4b669b9ebdc1b2b3e087b80d0678d"),
    "SignatureType": _one_of("Catalog", "Embedded"),
    "CertificateCreationTime": lambda s: s.at - 300 * _DAY,
    "CertificateExpirationTime": lambda s: s.at + 65 * _DAY,
    "CertificateCountersignatureTime": lambda s: s.at - 20 * _DAY,
    "CrlDistributionPointUrls": _always(["http://crl.pki.example/pca2011.crl"]),
    "CertificateSerialNumber": lambda s: s.hexadecimal(38),
}

# Identities and cloud apps ------------------------------------------------------------------------

_IDENTITY: dict[str, Maker] = {
    "Account": lambda s: s.person.principal,
    "AccountDisplayName": lambda s: s.person.account.replace(".", " ").title(),
    "AccountId": lambda s: s.person.aad_id,
    "Application": _one_of("Active Directory", "Microsoft 365", "Office 365"),
    "IPAddress": lambda s: s.remote.address,
    "Port": lambda s: s.draw.randrange(49_152, 65_535) if s.chance(0.9) else "",
    "Location": lambda s: s.remote.country,
    "ISP": lambda s: s.remote.provider,
    "DestinationDeviceName": _one_of("dc1", "dc2.contoso.example"),
    "DestinationIPAddress": _one_of("10.20.0.10", "10.20.0.11"),
    "DestinationPort": _one_of(88, 389, 445, ""),
    "TargetDeviceName": lambda s: s.neighbour.name,
    "TargetAccountDisplayName": lambda s: s.colleague.account.replace(".", " ").title(),
    "TargetAccountUpn": lambda s: s.colleague.principal,
    "IsAdminOperation": _one_of(False, True, 0, "0", "", None),
    "UncommonForUser": lambda s: s.draw.choice(([], ["ISP", "ActionType"])),
    "LastSeenForUser": lambda s: {"ActionType": s.draw.choice((0, 3, -1)), "ISP": -1},
    "QueryTarget": _one_of("Domain Admins", "krbtgt"),
    "QueryType": _one_of("AllUsers", "QueryGroup", "AllDomains"),
    "Query": _always("(&(objectClass=user)(adminCount=1))"),
    "FailureReason": _one_of("UnknownUser", "WrongPassword", "AccountDisabled"),
}
_DIRECTORY: dict[str, Maker] = {
    "IdentityId": lambda s: s.guid(),
    "GivenName": lambda s: s.person.account.partition(".")[0].title(),
    "Surname": lambda s: s.person.account.partition(".")[2].title(),
    "Department": _one_of("Finanzen", "IT", "Sales"),
    "JobTitle": _one_of("Ingénieure", "Administrator"),
    "EmailAddress": lambda s: s.person.principal,
    "Manager": lambda s: s.colleague.principal,
    "Address": _always("Hauptstraße 1"),
    "City": lambda s: s.remote.city,
    "Country": _one_of("Germany", "Japan"),
    "State": _one_of("Hessen", "東京都"),
    "Phone": _always("+49 69 0000000"),
    "CreatedDateTime": lambda s: s.at - 900 * _DAY,
    "DeletedDateTime": lambda s: s.at - 2 * _DAY,
    "DistinguishedName": lambda s: f"CN={s.person.account},OU=Users,DC=contoso,DC=example",
    "OnPremSid": lambda s: s.person.sid,
    "OnPremObjectId": lambda s: s.guid(),
    "CloudSid": lambda s: f"S-1-12-1-{s.draw.getrandbits(31)}-{s.draw.getrandbits(31)}",
    "IsAccountEnabled": _one_of(True, True, False),
    "SourceProvider": _one_of("ActiveDirectory", "AzureActiveDirectory"),
    "SourceProviders": _always(["ActiveDirectory", "AzureActiveDirectory"]),
    "ChangeSource": _one_of("ActiveDirectory", "AzureActiveDirectory", "System-UserPersona"),
    "BlastRadius": _one_of("Low", "High"),
    "CompanyName": _always("Contoso"),
    "EmployeeId": lambda s: str(s.draw.randrange(10_000, 99_999)),
    "OtherMailAddresses": lambda s: [s.person.principal.replace("@", "@mail.")],
    "RiskLevel": _one_of("none", "low", "high"),
    "RiskLevelDetails": _one_of("none", "userPassedMFADrivenByRiskBasedPolicy"),
    "Tags": lambda s: s.draw.choice(([], ["Sensitive"])),
    "UserAccountControl": _always('["NormalAccount"]'),
    "IdentityEnvironment": _one_of("Hybrid", "Cloud", "On-premises"),
    "CriticalityLevel": _one_of(0, 1, 2, 3),
    "PrivilegedEntraPimRoles": _always([]),
    "SipProxyAddress": lambda s: f"SIP:{s.person.principal}",
    "Type": _one_of("User", "ServiceAccount"),
}
_APPS: dict[str, Maker] = {
    "ApplicationId": _one_of(11_161, 20_892, 28_375),
    "AppInstanceId": _always(0),
    "IsAnonymousProxy": _one_of(False, False, True),
    "CountryCode": lambda s: s.remote.country,
    "UserAgent": _always("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Edg/142.0"),
    "ActivityObjects": lambda s: [
        {"Type": "File", "Name": s.file.name, "Id": s.guid(), "ServiceObjectType": "OneDrive file"},
        {"Type": "Account", "Role": "Actor", "Name": s.person.account, "Id": s.person.aad_id},
    ],
    "ActivityType": _one_of("Basic", "Download", "Login", "Edit"),
    "ObjectName": lambda s: s.file.name,
    "ObjectType": _one_of("File", "Folder", "Task"),
    "ObjectId": lambda s: s.guid(),
    "AccountType": _one_of("Regular", "Admin", "Application"),
    "IsExternalUser": _one_of(False, True),
    "IsImpersonated": _always(False),
    "IPTags": lambda s: s.draw.choice(([], ["Brute force attacker", "Botnet"])),
    "IPCategory": _one_of("Corporate", "Cloud Proxy", "Risky"),
    "UserAgentTags": _always(["Outdated browser"]),
    "RawEventData": lambda s: {
        "CreationTime": fixed_time(s.at, 0).rstrip("Z"),
        "Id": s.guid(),
        "Operation": "FileDownloaded",
        "Workload": "OneDrive",
        "ClientIP": s.remote.address,
        "UserId": s.person.principal,
        "ExtendedProperties": [{"Name": "RequestType", "Value": "OAuth2:Token"}],
        "SiteUrl.Path": "/personal",
    },
    "SessionData": lambda s: {"InLineSessionId": s.guid()},
    "AuditSource": _one_of("Defender for Cloud Apps app connector", "Azure"),
    "OAuthAppId": lambda s: s.guid(),
}
_CLOUD: dict[str, Maker] = {
    "DataSource": _one_of("Azure Logs", "Azure Storage", "GCP Audit Logs"),
    "OperationName": _one_of("Microsoft.Compute/virtualMachines/write", "Microsoft.KeyVault/vaults/delete"),
    "AzureResourceId": lambda s: _resource(s, "Microsoft.Compute/virtualMachines/web1"),
    "ResourceId": lambda s: _resource(s, "Microsoft.KeyVault/vaults/kv1"),
    "AwsResourceName": _always("arn:aws:ec2:eu-central-1:000000000000:instance/i-0a1b2c3d"),
    "GcpFullResourceName": _always("//compute.googleapis.com/projects/p1/zones/z1/instances/7"),
    "ContainerImageName": _one_of("registry.example/shop/web:1.24", "nginx:1.29"),
    "ContainerName": _one_of("web", "sidecar"),
    "ContainerId": lambda s: s.hexadecimal(64),
    "KubernetesNamespace": _one_of("default", "shop"),
    "KubernetesPodName": lambda s: f"web-{s.hexadecimal(5)}",
    "KubernetesResource": _one_of("Deployment/web", "DaemonSet/agent"),
    "SubscriptionId": lambda s: s.company.subscription,
    "ResourceGroup": _always("shop-prod"),
    "StorageAccount": _one_of("shopdata", "logsarchiv"),
    "StorageContainer": _one_of("invoices", "$web"),
    "StorageFileShare": _always("share1"),
    "ServiceType": _one_of("Blob", "File"),
    "UserAgentHeader": _one_of("azsdk-python-storage-blob/12.27", "AzCopy/10.30"),
    "OperationNamesList": lambda s: s.draw.choice((["GetBlob"], ["PutBlob", "ListBlobs"])),
    "AuthenticationType": _one_of("OAuth", "SAS", "Anonymous"),
    "AccountTenantId": lambda s: s.company.tenant_id,
    "AccountApplicationId": lambda s: s.guid(),
    "OperationsCount": lambda s: s.draw.randrange(1, 500),
    "SuccessfulOperationsCount": lambda s: s.draw.randrange(1, 300),
    "FailedOperationsCount": lambda s: s.draw.randrange(50),
    "TotalResponseLength": lambda s: s.draw.getrandbits(28),
    "SuccessfulReadOperations": lambda s: s.draw.randrange(100),
    "DistinctGetOperations": lambda s: s.draw.randrange(20),
    "AnonymousSuccessfulOperations": _one_of(0, 3),
    "HasAnonymousResourceNotFoundFailures": _one_of(True, False),
    "Md5Hashes": lambda s: [s.file.hashes["md5"]],
    "DataAggregationStartTime": lambda s: s.at - 3600 * _SECOND,
    "DataAggregationEndTime": lambda s: s.at,
    "FirstEventTimestamp": lambda s: s.at - 3000 * _SECOND,
    "LastEventTimestamp": lambda s: s.at - 30 * _SECOND,
    "CountryName": _one_of("Germany", "Japan"),
    "CityName": lambda s: s.remote.city,
    "ProvinceName": _one_of("Hessen", "Tokyo"),
    "ClientSystemServiceName": _always("AzureDataFactory"),
    "ClientCloudPlatformName": _always("Azure"),
    "IsTorExitNode": _one_of(False, True),
    "IsKnownSuspiciousIp": _one_of(False, True),
    "IsPrivateIp": _one_of(False, True),
    "SuspiciousUserAgentName": _always("nmap"),
}


def _resource(s: Scene, name: str) -> str:
    return f"/subscriptions/{s.company.subscription}/resourceGroups/shop-prod/providers/{name}"


# Mail and Teams -----------------------------------------------------------------------------------


def _domain(address: str) -> str:
    return address.partition("@")[2]


_MAIL: dict[str, Maker] = {
    "NetworkMessageId": lambda s: s.email.network_id,
    "InternetMessageId": lambda s: f"<{s.email.network_id}@mail.example>",
    "SenderMailFromAddress": lambda s: s.email.sender,
    "SenderFromAddress": lambda s: s.email.sender,
    "SenderDisplayName": lambda s: s.email.sender_name,
    "SenderObjectId": lambda s: None if s.email.inbound else s.person.aad_id,
    "SenderMailFromDomain": lambda s: _domain(s.email.sender),
    "SenderFromDomain": lambda s: _domain(s.email.sender),
    "SenderIPv4": lambda s: f"198.51.100.{s.draw.randrange(1, 255)}",
    "SenderIPv6": _always("2001:db8::25"),
    "RecipientEmailAddress": lambda s: s.email.recipient.principal,
    "RecipientObjectId": lambda s: s.email.recipient.aad_id,
    "RecipientDomain": lambda s: _domain(s.email.recipient.principal),
    "Subject": lambda s: s.email.subject,
    "EmailSubject": lambda s: s.email.subject,
    "EmailClusterId": lambda s: s.draw.getrandbits(32),
    "EmailDirection": lambda s: "Inbound" if s.email.inbound else "Intra-org",
    "DeliveryAction": lambda s: "Blocked" if s.email.threat else "Delivered",
    "DeliveryLocation": lambda s: "Quarantine" if s.email.threat else "Inbox/folder",
    "ThreatTypes": lambda s: s.email.threat,
    "ThreatNames": _always("Trojan:HTML/Phish!MTB"),
    "ThreatClassification": _always("Invoice"),
    "DetectionMethods": _always({"Phish": ["URL malicious reputation", "Mixed analysis detection"]}),
    "ConfidenceLevel": _always('{"Phish":"High"}'),
    "BulkComplaintLevel": _one_of(0, 4, 7),
    "EmailAction": _one_of("Move message to quarantine", "No action taken"),
    "EmailActionPolicy": _always("Antispam phishing"),
    "EmailActionPolicyGuid": lambda s: s.guid(),
    "AuthenticationDetails": _always({"SPF": "pass", "DKIM": "none", "DMARC": "bestguesspass"}),
    "AttachmentCount": _one_of(0, 0, 1, 2),
    "UrlCount": _one_of(0, 1, 12),
    "EmailLanguage": _one_of("de", "en", "ja"),
    "Connectors": _always("From partner"),
    "OrgLevelAction": _one_of("Allow", "Block"),
    "OrgLevelPolicy": _always("Connection policy"),
    "UserLevelAction": _one_of("Allow", "Block"),
    "UserLevelPolicy": _always("Safe sender"),
    "DistributionList": _always("all@contoso.example"),
    "ExchangeTransportRule": _always("External banner"),
    "ForwardingInformation": _always("SMTP"),
    "Context": _always("Evaluation"),
    "To": lambda s: [s.email.recipient.principal],
    "Cc": _always([]),
    "EmailSize": lambda s: s.draw.randrange(2_000, 400_000),
    "IsFirstContact": _one_of(True, False),
    "FileType": _one_of("docx", "pdf", "xlsx"),
    "FileExtension": lambda s: s.email.attachment.rpartition(".")[2],
    "Action": _one_of("Moved to quarantine", "Moved to junk folder"),
    "ActionTrigger": _one_of("SpecialAction", "AdminAction"),
    "ActionResult": _one_of("Success", "Error"),
    "Url": lambda s: s.email.url,
    "UrlDomain": lambda s: s.email.url.split("/")[2],
    "UrlLocation": _one_of("Body", "Attachment", "Subject"),
    "UrlChainId": lambda s: s.guid(),
    "UrlChainPosition": _one_of(0, 1),
    "UrlChain": lambda s: [s.email.url, "https://landing.example/"],
    "Workload": _one_of("Email", "Teams", "Office"),
    "IsClickedThrough": _one_of(False, True),
    "AppName": _one_of("Outlook", "Microsoft Teams"),
    "AppVersion": _always("16.0.19231"),
    "SourceId": lambda s: s.email.network_id,
}


def _milliseconds(s: Scene) -> str:
    """A time in milliseconds, which Teams counts its messages by."""
    return str(s.at // 10_000)


_TEAMS: dict[str, Maker] = {
    "LastEditedTime": lambda s: fixed_time(s.at, 3),
    "TeamsMessageId": lambda s: f"{s.guid()}-{_milliseconds(s)}",
    "SenderEmailAddress": lambda s: s.person.principal,
    "SenderType": _one_of("User", "Bot"),
    "RecipientDetails": lambda s: [
        {"RecipientSmtpAddress": s.colleague.principal, "RecipientObjectId": s.colleague.aad_id}
    ],
    "IsOwnedThread": _one_of(True, False),
    "MessageId": lambda s: _milliseconds(s),
    "ParentMessageId": lambda s: _milliseconds(s),
    "GroupId": lambda s: s.guid(),
    "GroupName": _one_of("Projekt Ost", "Sales"),
    "ThreadId": lambda s: f"19:{s.hexadecimal(32)}@thread.v2",
    "ThreadName": _one_of("Allgemein", "Budget 2026"),
    "ThreadType": _one_of("chat", "space"),
    "ThreadSubType": _one_of("OneToOne", "Channel"),
    "IsExternalThread": _one_of(False, True),
    "MessageType": _always("Message"),
    "MessageSubtype": _always("RichText/Html"),
    "MessageFormatType": _always("RichText"),
    "MessageFormatSubtype": _always("Html"),
    "MessageVersion": lambda s: _milliseconds(s),
    "MessageSubject": _always("Status"),
    "LatestDeliveryLocation": _one_of("Teams", "Quarantine"),
    "SafetyTip": _always("Suspicious link"),
    "ThreadTypes": lambda s: s.draw.choice(("Phish", "Malware")),
    "CallId": lambda s: s.guid(),
    "ActivityId": lambda s: s.guid(),
    "ActivityInitiatorId": lambda s: s.person.aad_id,
    "ActivityInitiatorUpn": lambda s: s.person.principal,
    "ActivityInitiatorDisplayName": lambda s: s.person.account,
    "ActivityTimestamp": lambda s: s.at,
    "CallSchedulingType": _one_of("Scheduled", "AdHoc"),
    "CallJoinUrl": lambda s: f"https://teams.example/l/meetup-join/{s.hexadecimal(12)}",
    "OriginatorUserDisplayName": lambda s: s.colleague.account,
    "OriginatorUpn": lambda s: s.colleague.principal,
}

# Alerts and behaviours ----------------------------------------------------------------------------

_SOURCES = {
    "WindowsDefenderAtp": "EDR",
    "WindowsDefenderAv": "Antivirus",
    "WindowsDefenderSmartScreen": "SmartScreen",
    "CustomerTI": "Custom TI",
    "CustomDetection": "Custom detection",
    "OfficeATP": "Microsoft Defender for Office 365",
    "AutomatedInvestigation": "Automated investigation",
    "MTP": "Microsoft Defender XDR",
}
_ENTITIES = {"Registry": "RegistryValue", "Ip": "Ip", "Url": "Url"}
_ENTITY_TYPES = {
    "File": "file",
    "Process": "process",
    "User": "account",
    "Ip": "ip",
    "Url": "url",
    "Machine": "host",
}


#: MITRE ATT&CK's names of the techniques that the catalogue of alerts has.
_TECHNIQUES = {
    "T1003.001": "LSASS Memory",
    "T1016": "System Network Configuration Discovery",
    "T1018": "Remote System Discovery",
    "T1021.002": "SMB/Windows Admin Shares",
    "T1059.001": "PowerShell",
    "T1059.004": "Unix Shell",
    "T1064": "Scripting",
    "T1068": "Exploitation for Privilege Escalation",
    "T1071": "Application Layer Protocol",
    "T1071.001": "Web Protocols",
    "T1085": "Rundll32",
    "T1087.002": "Domain Account",
    "T1095": "Non-Application Layer Protocol",
    "T1105": "Ingress Tool Transfer",
    "T1112": "Modify Registry",
    "T1113": "Screen Capture",
    "T1203": "Exploitation for Client Execution",
    "T1204.002": "Malicious File",
    "T1220": "XSL Script Processing",
    "T1482": "Domain Trust Discovery",
    "T1486": "Data Encrypted for Impact",
    "T1490": "Inhibit System Recovery",
    "T1547.001": "Registry Run Keys / Startup Folder",
    "T1562.001": "Disable or Modify Tools",
    "T1564.001": "Hidden Files and Directories",
    "T1566.001": "Spearphishing Attachment",
    "T1567.002": "Exfiltration to Cloud Storage",
    "T1569.002": "Service Execution",
    "T1571": "Non-Standard Port",
}


def _techniques(s: Scene) -> Any:
    """As the wire has them: the text of a list, names with ids, or no text."""
    return [f"{_TECHNIQUES[number]} ({number})" for number in s.alert["mitreTechniques"]] or ""


def _of_evidence(name: str) -> Maker:
    return lambda s: s.evidence.get(name)


def _evidence_fields(s: Scene) -> Any:
    """What AlertEvidence says besides: the entity in the spelling of the security graph, with references."""
    kind = s.evidence["entityType"]
    fields: dict[str, Any] = {
        "$id": "1",
        "Type": _ENTITY_TYPES.get(kind, kind.lower()),
        "Role": 0,
        "MergeByKey": s.hexadecimal(16),
    }
    if kind == "Process":
        fields |= {
            "ProcessId": str(s.evidence.get("processId")),
            "Host": {"$ref": "2"},
            "CreationTimeUtc": s.evidence.get("processCreationTime"),
        }
    return fields


_ALERT: dict[str, Maker] = {
    "AlertId": lambda s: s.alert["id"],
    "Title": lambda s: s.alert["title"],
    "Category": lambda s: s.alert["category"],
    "Categories": lambda s: [s.alert["category"]],
    "Severity": lambda s: s.alert["severity"],
    "ServiceSource": _always("Microsoft Defender for Endpoint"),
    "DetectionSource": lambda s: _SOURCES.get(s.alert["detectionSource"], s.alert["detectionSource"]),
    "AttackTechniques": _techniques,
    "ThreatFamily": lambda s: s.alert["threatFamilyName"],
    "BehaviorId": lambda s: f"bh{s.guid()}",
    "Description": lambda s: s.alert["description"],
    "DataSources": lambda s: ["Microsoft Defender for Cloud Apps"],
    "StartTime": lambda s: s.at - 600 * _SECOND,
    "EndTime": lambda s: s.at,
    "EntityType": _one_of("User", "Ip", "CloudApplication"),
    "EntityRole": _one_of("Impacted", "Related"),
    "DetailedEntityRole": _one_of("Attacker", "Target"),
    "EvidenceRole": _one_of("Impacted", "Related"),
    "EvidenceDirection": _one_of("Source", "Destination"),
    "CloudPlatform": _one_of("Azure", "Amazon Web Services"),
    "CloudPlatforms": _always('["Azure"]'),
    "CloudResource": _always("web1"),
    "CloudResourceId": lambda s: _resource(s, "Microsoft.Compute/virtualMachines/web1"),
    "CloudResourceType": _always("Virtual machine"),
    "CloudSubscriptionId": lambda s: s.company.subscription,
    "ResourceID": lambda s: _resource(s, "Microsoft.Compute/virtualMachines/web1"),
    "ResourceType": _always("Virtual machine"),
    "OAuthApplicationId": lambda s: s.guid(),
}


def _evidence_table() -> dict[str, Maker]:
    """AlertEvidence: one row an item of the alert, so that most columns are null."""
    absent = (
        "LocalIP",
        "EvidenceDirection",
        "NetworkMessageId",
        "EmailSubject",
        "ApplicationId",
        "Application",
        "OAuthApplicationId",
        "CloudResource",
        "ResourceType",
        "ResourceID",
    )
    return dict.fromkeys(absent, _always(None)) | {
        "EntityType": lambda s: _ENTITIES.get(s.evidence["entityType"], s.evidence["entityType"]),
        "SHA1": _of_evidence("sha1"),
        "SHA256": _of_evidence("sha256"),
        "FileName": _of_evidence("fileName"),
        "FolderPath": _of_evidence("filePath"),
        "FileSize": lambda s: s.draw.randrange(10_000, 900_000) if s.evidence.get("fileName") else None,
        "ProcessCommandLine": _of_evidence("processCommandLine"),
        "RemoteIP": _of_evidence("ipAddress"),
        "RemoteUrl": _of_evidence("url"),
        "RegistryKey": _of_evidence("registryKey"),
        "RegistryValueName": _of_evidence("registryValueName"),
        "RegistryValueData": _of_evidence("registryValue"),
        "AccountName": _of_evidence("accountName"),
        "AccountDomain": _of_evidence("domainName"),
        "AccountSid": _of_evidence("userSid"),
        "AccountObjectId": _of_evidence("aadUserId"),
        "AccountUpn": _of_evidence("userPrincipalName"),
        "DeviceId": lambda s: s.alert["machineId"],
        "DeviceName": lambda s: s.alert["computerDnsName"],
        "MachineGroup": lambda s: s.alert["rbacGroupName"],
        "AdditionalFields": _evidence_fields,
    }


# What a table means by a column -------------------------------------------------------------------

_ACTIONS = {
    "BehaviorEntities": ("ImpossibleTravelActivity", "MassDownload"),
    "BehaviorInfo": ("ImpossibleTravelActivity", "MassDownload"),
    "CloudAppEvents": ("FileDownloaded", "UserLoggedIn", "MailItemsAccessed"),
    "CloudAuditEvents": ("Write", "Delete"),
    "CloudProcessEvents": ("ProcessCreated",),
    "CloudStorageAggregatedEvents": ("StorageAggregatedActivity",),
    "DeviceEvents": (
        "AntivirusDetection",
        "PowerShellCommand",
        "UsbDriveMounted",
        "ScheduledTaskCreated",
        "DnsQueryResponse",
    ),
    "DeviceFileEvents": ("FileCreated", "FileModified", "FileRenamed", "FileDeleted"),
    "DeviceImageLoadEvents": ("ImageLoaded",),
    "DeviceLogonEvents": ("LogonSuccess", "LogonFailed", "LogonAttempted"),
    "DeviceNetworkEvents": ("ConnectionSuccess", "ConnectionFailed", "InboundConnectionAccepted"),
    "DeviceProcessEvents": ("ProcessCreated", "OpenProcess"),
    "DeviceRegistryEvents": ("RegistryValueSet", "RegistryKeyCreated", "RegistryValueDeleted"),
    "EmailPostDeliveryEvents": ("Phish ZAP", "Manual Remediation"),
    "IdentityDirectoryEvents": ("Account Password changed", "Group Membership changed"),
    "IdentityLogonEvents": ("LogonSuccess", "LogonFailed"),
    "IdentityQueryEvents": ("LDAP query", "DNS query", "SAMR query"),
    "MessagePostDeliveryEvents": ("Phish ZAP", "Malware ZAP"),
    "UrlClickEvents": ("ClickAllowed", "ClickBlocked"),
}


def _additional_device(s: Scene) -> Any:
    return s.draw.choice(
        ({"InitiatingProcessSignerType": "OsVendor"}, {"Request ID": s.guid(), "count": 3}, "")
    )


def _additional_identity(s: Scene) -> Any:
    """As Defender for Identity writes it: keys with dots and spaces, all values texts."""
    short = s.device.name.partition(".")[0]
    return {
        "Count": "1",
        "Spns": f"cifs/{s.neighbour.name}",
        "Source Mac": s.hexadecimal(12).upper(),
        "SourceAccountName": f"{s.person.domain}\\{s.person.account}",
        "TO.DEVICE": "dc1",
        "FROM.DEVICE": short,
        "ACTOR.DEVICE": short,
        "ACTOR.ACCOUNT": s.person.account,
        "ACTOR.ENTITY_USER": s.person.account,
        "Pass-through authentication": "false",
    }


_ADDITIONAL: dict[str, Maker] = {
    "BehaviorEntities": lambda s: {"$id": "1", "Type": "account", "Name": s.person.account},
    "BehaviorInfo": lambda s: {"Activities": [s.guid()], "Score": 0.71},
    "CloudAppEvents": lambda s: {"Size": s.draw.getrandbits(20), "Target.Path": "/personal", "Shared": False},
    "CloudAuditEvents": lambda s: {"CorrelationId": s.guid()},
    "CloudProcessEvents": lambda s: {"Image Layers": 7},
    "CloudStorageAggregatedEvents": lambda s: {"Tier": "Hot"},
    "EmailEvents": _always({"SafeAttachments": "Clean"}),
    "IdentityDirectoryEvents": _additional_identity,
    "IdentityLogonEvents": _additional_identity,
    "IdentityQueryEvents": _additional_identity,
}
_LIBRARY = _program_file(lambda s: s.library)
_RUNNING = _program_file(lambda s: s.process.program)
_PERSON: dict[str, Maker] = {
    "AccountName": lambda s: s.person.account,
    "AccountDomain": lambda s: s.person.domain.lower(),
    "AccountSid": lambda s: s.person.sid,
    "AccountUpn": lambda s: s.person.principal,
    "AccountObjectId": lambda s: s.person.aad_id,
}
_ATTACHMENT: dict[str, Maker] = {
    "FileName": lambda s: s.email.attachment,
    "FileSize": lambda s: s.draw.randrange(10_000, 900_000),
    "SHA256": lambda s: s.hexadecimal(64),
}
_KERBEROS: dict[str, Maker] = {
    "Protocol": _one_of("Kerberos", "Ntlm", "Ldap"),
    "LogonType": _one_of("Resource access", "Failed logon", "Interactive"),
    "DeviceType": _one_of("Desktop", "Server"),
    **_PERSON,
}
_TEAMS_TABLE: dict[str, Maker] = {
    "SenderDisplayName": lambda s: s.person.account,
    "SenderObjectId": lambda s: s.person.aad_id,
    "ThreatTypes": _one_of("Phish", "Malware"),
    "DetectionMethods": _always({"Phish": ["URL detonation"]}),
    "ConfidenceLevel": _always({"Phish": "High"}),
    "DeliveryLocation": _always("Teams"),
}
_TABLES: Mapping[str, Mapping[str, Maker]] = {
    "AlertInfo": {"ProcessCommandLine": _always("cmd.exe /c whoami")},
    "AlertEvidence": _evidence_table(),
    "BehaviorEntities": {**_PERSON, "EmailClusterId": lambda s: str(s.draw.getrandbits(32))},
    "BehaviorInfo": _PERSON,
    "CallActivityEvents": {"ActivityType": _one_of("CallStarted", "ParticipantJoined")},
    "CloudAppEvents": {
        **_PERSON,
        "Application": _one_of("Microsoft OneDrive for Business", "Dropbox"),
        "DeviceType": _always("Desktop"),
    },
    "CloudProcessEvents": {**_RUNNING, "InitiatingProcessId": lambda s: str(s.actor.pid)},
    "CloudStorageAggregatedEvents": {
        **_PERSON,
        "AccountType": _one_of("1", "2"),
        "Location": _always("westeurope"),
    },
    "DeviceEvents": _RUNNING,
    "DeviceFileCertificateInfo": {"SHA1": lambda s: s.process.program.hashes["sha1"]},
    "DeviceImageLoadEvents": _LIBRARY,
    "DeviceLogonEvents": {
        "LogonType": _one_of("Interactive", "Network", "RemoteInteractive", "Batch"),
        "Protocol": _one_of("NTLM", "Kerberos", "Negotiate"),
    },
    "DeviceProcessEvents": _RUNNING,
    "EmailAttachmentInfo": _ATTACHMENT,
    "IdentityDirectoryEvents": _KERBEROS,
    "IdentityInfo": _PERSON,
    "IdentityLogonEvents": _KERBEROS,
    "IdentityQueryEvents": _KERBEROS,
    "MessageEvents": _TEAMS_TABLE,
    "MessagePostDeliveryEvents": _TEAMS_TABLE,
    "MessageUrlInfo": {"ThreatTypes": _one_of("Phish", "")},
    "UrlClickEvents": _PERSON,
}

_BY_COLUMN: dict[str, Maker] = {
    **_MAIL, **_TEAMS, **_CLOUD, **_APPS, **_DIRECTORY, **_IDENTITY, **_ALERT,
    **_CERTIFICATE, **_ADAPTER, **_DEVICE_INFO, **_FILE, **_PROCESS, **_INITIATING, **_DEVICE,
    "AdditionalFields": _additional_device,
}  # fmt: skip
_BY_TABLE: dict[tuple[str, str], Maker] = {
    **{(table, "ActionType"): _one_of(*actions) for table, actions in _ACTIONS.items()},
    **{(table, "AdditionalFields"): make for table, make in _ADDITIONAL.items()},
    **{(table, column): make for table, makers in _TABLES.items() for column, make in makers.items()},
}
