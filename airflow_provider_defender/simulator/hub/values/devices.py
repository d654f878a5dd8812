"""Columns about devices, their network and their certificates."""

from __future__ import annotations

import uuid

from airflow_provider_defender.simulator.hub.values.makers import Maker, always, one_of

__all__ = ["ADAPTER", "CERTIFICATE", "DEVICE", "DEVICE_INFO"]

_SECOND = 10_000_000
_DAY = 86_400 * _SECOND
_RUN_KEY = "HKEY_CURRENT_USER\\S-1-5-21-1-2-3-1105\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Run"
DEVICE: dict[str, Maker] = {
    "Timestamp": lambda s: s.at,
    "DeviceId": lambda s: s.device.machine_id,
    "DeviceName": lambda s: s.device.name,
    "MachineGroup": lambda s: s.device.group,
    "ReportId": lambda s: s.number + 40_000,
    "RegistryKey": always(_RUN_KEY),
    "RegistryValueName": one_of("Updater", "OneDrive", ""),
    "RegistryValueType": one_of("String", "Dword", "ExpandString", "None"),
    "RegistryValueData": lambda s: s.draw.choice((f'"{s.process.program.path}"', "1", "")),
    "PreviousRegistryKey": always(_RUN_KEY),
    "PreviousRegistryValueName": one_of("Updater", "OneDrive"),
    "PreviousRegistryValueData": one_of("0", "C:\\old.exe"),
    "RemoteDeviceName": lambda s: s.neighbour.name,
    "RemoteIP": lambda s: s.remote.address,
    "RemotePort": lambda s: s.remote.port,
    "RemoteUrl": lambda s: s.remote.host,
    "RemoteIPType": lambda s: s.remote.address_type,
    "LocalIP": lambda s: s.local_address,
    "LocalIPType": always("Private"),
    "LocalPort": lambda s: s.draw.randrange(49_152, 65_535),
    "Protocol": one_of("Tcp", "Tcp", "Udp"),
    "IsLocalAdmin": one_of(True, False, 1, 0),
}
DEVICE_INFO: dict[str, Maker] = {
    "ClientVersion": one_of("10.8820.26100.4061", "101.25072.0003"),
    "PublicIP": lambda s: f"203.0.113.{int(s.device.machine_id[:2], 16) % 254 + 1}",
    "OSArchitecture": one_of("64-bit", "ARM64"),
    "OSPlatform": lambda s: "Ubuntu" if s.device.linux else s.draw.choice(("Windows11", "WindowsServer2022")),
    "OSVersion": one_of("10.0", "24.4"),
    "OSBuild": one_of(26100, 20348),
    "OsBuildRevision": one_of("4061", "3932"),
    "OSVersionInfo": one_of("24H2", "21H2"),
    "OSDistribution": lambda s: (
        "Ubuntu" if s.device.linux else s.draw.choice(("Windows11", "WindowsServer2022"))
    ),
    "IsAzureADJoined": one_of(True, False),
    "JoinType": one_of("AAD Joined", "Hybrid Azure AD Joined", "Domain Joined"),
    "AadDeviceId": lambda s: s.guid(),
    "LoggedOnUsers": lambda s: [
        {"UserName": s.person.account, "DomainName": s.person.domain, "Sid": s.person.sid}
    ],
    "RegistryDeviceTag": one_of("pilot", "branch-ost"),
    "MergedDeviceIds": always(""),
    "MergedToDeviceId": always(""),
    "Vendor": one_of("Lenovo", "Dell Inc.", "Microsoft Corporation"),
    "Model": one_of("ThinkPad T14s Gen 6", "Virtual Machine", "Latitude 7450"),
    "OnboardingStatus": one_of("Onboarded", "Can be onboarded"),
    "DeviceCategory": always("Endpoint"),
    "DeviceType": lambda s: "Server" if s.device.linux else s.draw.choice(("Workstation", "Server")),
    "DeviceSubtype": always("Workstation"),
    "SensorHealthState": one_of("Active", "Inactive", "ImpairedCommunications"),
    "IsInternetFacing": one_of(True, False),
    "IsExcluded": always(False),
    "ExclusionReason": always("DuplicateDevice"),
    "ExposureLevel": one_of("Low", "Medium", "High"),
    "AssetValue": one_of("Normal", "High"),
    "DeviceDynamicTags": always('["internet-facing"]'),
    "DeviceManualTags": always('["kiosk"]'),
    "MitigationStatus": always('{"isolated":"true"}'),
    "HardwareUuid": lambda s: str(uuid.UUID(hex=s.device.machine_id[:32])),
    "AzureVmId": lambda s: s.guid(),
    "AzureVmSubscriptionId": lambda s: s.company.subscription,
    "CloudPlatforms": always('["Azure"]'),
    "HostDeviceId": lambda s: s.neighbour.machine_id,
    "ConnectivityType": one_of("Streamlined", "Standard"),
    "IsTransient": one_of(False, False, True),
}
ADAPTER: dict[str, Maker] = {
    "NetworkAdapterName": lambda s: f"{{{s.guid().upper()}}}",
    "NetworkAdapterType": one_of("Ethernet", "Wireless80211", "Tunnel"),
    "NetworkAdapterStatus": one_of("Up", "Down"),
    "NetworkAdapterVendor": one_of("Intel Corporation", "Realtek"),
    "TunnelType": one_of("None", "Teredo"),
    "ConnectedNetworks": lambda s: [
        {"Name": s.company.domain, "Description": "Netzwerk", "IsConnectedToInternet": True, "Category": 2}
    ],
    "DnsAddresses": always(["10.20.0.53", "10.21.0.53"]),
    "DefaultGateways": always(["10.20.0.1"]),
    "MacAddress": lambda s: "-".join(s.device.machine_id[i : i + 2].upper() for i in range(0, 12, 2)),
    "IPv4Dhcp": always("10.20.0.2"),
    "IPv6Dhcp": always("2001:db8::2"),
    "IPAddresses": lambda s: [
        {"IPAddress": s.local_address, "SubnetPrefix": 16, "AddressType": "Private"},
        {"IPAddress": "fe80::1c2d:3e4f", "SubnetPrefix": 64, "AddressType": "Private"},
    ],
}
CERTIFICATE: dict[str, Maker] = {
    "IsSigned": one_of(True, True, False),
    "IsRootSignerMicrosoft": one_of(True, False),
    "IsTrusted": one_of(True, False),
    "Signer": one_of("Microsoft Windows", "Contoso Software GmbH"),
    "SignerHash": lambda s: s.process.program.hashes["sha1"][::-1],
    "Issuer": always("Microsoft Windows Production PCA 2011"),
    "IssuerHash": always("580a6f4cc4e4b669b9ebdc1b2b3e087b80d0678d"),
    "SignatureType": one_of("Catalog", "Embedded"),
    "CertificateCreationTime": lambda s: s.at - 300 * _DAY,
    "CertificateExpirationTime": lambda s: s.at + 65 * _DAY,
    "CertificateCountersignatureTime": lambda s: s.at - 20 * _DAY,
    "CrlDistributionPointUrls": always(["http://crl.pki.example/pca2011.crl"]),
    "CertificateSerialNumber": lambda s: s.hexadecimal(38),
}
