"""The columns of every streaming table, as data.

Names and types are those of Microsoft's advanced hunting reference (`advanced-hunting-<table>-table`,
state of July 2026; CallActivityEvents of August), in its order. After `+` stand columns that records of the
Streaming API carry though they are not documented. A column without a type is a string. Where the
documentation and the wire contradict each other, the type takes both: `dynamic` for JSON in a string or as it
is, `identifier` for numbers and strings.
"""

from __future__ import annotations

__all__ = ["ALIASES", "COLUMNS"]

COLUMNS: dict[str, str] = {
    "DeviceEvents": """
        Timestamp:time DeviceId DeviceName ActionType FileName FolderPath SHA1 SHA256 MD5 FileSize:long
        AccountDomain AccountName AccountSid RemoteUrl RemoteDeviceName ProcessId:long
        ProcessCommandLine ProcessCreationTime:time ProcessTokenElevation LogonId:long RegistryKey
        RegistryValueName RegistryValueData RemoteIP RemotePort:long LocalIP LocalPort:long
        FileOriginUrl FileOriginIP InitiatingProcessSHA1 InitiatingProcessSHA256 InitiatingProcessMD5
        InitiatingProcessFileName InitiatingProcessFileSize:long InitiatingProcessFolderPath
        InitiatingProcessId:long InitiatingProcessCommandLine InitiatingProcessCreationTime:time
        InitiatingProcessAccountDomain InitiatingProcessAccountName InitiatingProcessAccountSid
        InitiatingProcessAccountUpn InitiatingProcessAccountObjectId
        InitiatingProcessVersionInfoCompanyName InitiatingProcessVersionInfoProductName
        InitiatingProcessVersionInfoProductVersion InitiatingProcessVersionInfoInternalFileName
        InitiatingProcessVersionInfoOriginalFileName InitiatingProcessVersionInfoFileDescription
        InitiatingProcessParentId:long InitiatingProcessParentFileName
        InitiatingProcessParentCreationTime:time InitiatingProcessLogonId:long ReportId:long
        AppGuardContainerId AdditionalFields:dynamic InitiatingProcessSessionId:long
        IsInitiatingProcessRemoteSession:boolean InitiatingProcessRemoteSessionDeviceName
        InitiatingProcessRemoteSessionIP CreatedProcessSessionId:long IsProcessRemoteSession:boolean
        ProcessRemoteSessionDeviceName ProcessRemoteSessionIP InitiatingProcessUniqueId + MachineGroup
    """,
    "DeviceFileCertificateInfo": """
        Timestamp:time DeviceId DeviceName SHA1 IsSigned:boolean SignatureType Signer SignerHash Issuer
        IssuerHash CertificateSerialNumber CrlDistributionPointUrls:dynamic CertificateCreationTime:time
        CertificateExpirationTime:time CertificateCountersignatureTime:time IsTrusted:boolean
        IsRootSignerMicrosoft:boolean ReportId:long + MachineGroup
    """,
    "DeviceFileEvents": """
        Timestamp:time DeviceId DeviceName ActionType FileName FolderPath SHA1 SHA256 MD5 FileOriginUrl
        FileOriginReferrerUrl FileOriginIP PreviousFolderPath PreviousFileName FileSize:long
        InitiatingProcessAccountDomain InitiatingProcessAccountName InitiatingProcessAccountSid
        InitiatingProcessAccountUpn InitiatingProcessAccountObjectId InitiatingProcessMD5
        InitiatingProcessSHA1 InitiatingProcessSHA256 InitiatingProcessFolderPath
        InitiatingProcessFileName InitiatingProcessFileSize:long InitiatingProcessVersionInfoCompanyName
        InitiatingProcessVersionInfoProductName InitiatingProcessVersionInfoProductVersion
        InitiatingProcessVersionInfoInternalFileName InitiatingProcessVersionInfoOriginalFileName
        InitiatingProcessVersionInfoFileDescription InitiatingProcessId:long
        InitiatingProcessCommandLine InitiatingProcessCreationTime:time InitiatingProcessIntegrityLevel
        InitiatingProcessTokenElevation InitiatingProcessParentId:long InitiatingProcessParentFileName
        InitiatingProcessParentCreationTime:time RequestProtocol RequestSourceIP RequestSourcePort:long
        RequestAccountName RequestAccountDomain RequestAccountSid ShareName SensitivityLabel
        SensitivitySubLabel IsAzureInfoProtectionApplied:boolean ReportId:long AppGuardContainerId
        AdditionalFields:dynamic InitiatingProcessSessionId:long
        IsInitiatingProcessRemoteSession:boolean InitiatingProcessRemoteSessionDeviceName
        InitiatingProcessRemoteSessionIP InitiatingProcessUniqueId LogonID:long + MachineGroup
    """,
    "DeviceImageLoadEvents": """
        Timestamp:time DeviceId DeviceName ActionType FileName FolderPath SHA1 SHA256 MD5 FileSize:long
        InitiatingProcessAccountDomain InitiatingProcessAccountName InitiatingProcessAccountSid
        InitiatingProcessAccountUpn InitiatingProcessAccountObjectId InitiatingProcessIntegrityLevel
        InitiatingProcessTokenElevation InitiatingProcessSHA1 InitiatingProcessSHA256
        InitiatingProcessMD5 InitiatingProcessFileName InitiatingProcessFileSize:long
        InitiatingProcessVersionInfoCompanyName InitiatingProcessVersionInfoProductName
        InitiatingProcessVersionInfoProductVersion InitiatingProcessVersionInfoInternalFileName
        InitiatingProcessVersionInfoOriginalFileName InitiatingProcessVersionInfoFileDescription
        InitiatingProcessId:long InitiatingProcessCommandLine InitiatingProcessCreationTime:time
        InitiatingProcessFolderPath InitiatingProcessParentId:long InitiatingProcessParentFileName
        InitiatingProcessParentCreationTime:time ReportId:long AppGuardContainerId
        InitiatingProcessSessionId:long IsInitiatingProcessRemoteSession:boolean
        InitiatingProcessRemoteSessionDeviceName InitiatingProcessRemoteSessionIP
        InitiatingProcessUniqueId + MachineGroup
    """,
    "DeviceInfo": """
        Timestamp:time DeviceId DeviceName ClientVersion PublicIP OSArchitecture OSPlatform OSBuild:long
        IsAzureADJoined:boolean JoinType AadDeviceId LoggedOnUsers:dynamic RegistryDeviceTag OSVersion
        MachineGroup ReportId:long OnboardingStatus AdditionalFields:dynamic DeviceCategory DeviceType
        DeviceSubtype Model Vendor OSDistribution OSVersionInfo MergedDeviceIds MergedToDeviceId
        IsInternetFacing:boolean SensorHealthState IsExcluded:boolean ExclusionReason ExposureLevel
        AssetValue DeviceManualTags DeviceDynamicTags ConnectivityType HostDeviceId AzureResourceId
        AwsResourceName GcpFullResourceName HardwareUuid CloudPlatforms AzureVmId AzureVmSubscriptionId
        IsTransient:boolean OsBuildRevision MitigationStatus Site DiscoverySources
    """,
    "DeviceLogonEvents": """
        Timestamp:time DeviceId DeviceName ActionType LogonType AccountDomain AccountName AccountSid
        Protocol FailureReason IsLocalAdmin:boolean LogonId:long RemoteDeviceName RemoteIP RemoteIPType
        RemotePort:long InitiatingProcessAccountDomain InitiatingProcessAccountName
        InitiatingProcessAccountSid InitiatingProcessAccountUpn InitiatingProcessAccountObjectId
        InitiatingProcessIntegrityLevel InitiatingProcessTokenElevation InitiatingProcessSHA1
        InitiatingProcessSHA256 InitiatingProcessMD5 InitiatingProcessFileName
        InitiatingProcessFileSize:long InitiatingProcessVersionInfoCompanyName
        InitiatingProcessVersionInfoProductName InitiatingProcessVersionInfoProductVersion
        InitiatingProcessVersionInfoInternalFileName InitiatingProcessVersionInfoOriginalFileName
        InitiatingProcessVersionInfoFileDescription InitiatingProcessId:long
        InitiatingProcessCommandLine InitiatingProcessCreationTime:time InitiatingProcessFolderPath
        InitiatingProcessParentId:long InitiatingProcessParentFileName
        InitiatingProcessParentCreationTime:time ReportId:long AppGuardContainerId
        AdditionalFields:dynamic InitiatingProcessSessionId:long
        IsInitiatingProcessRemoteSession:boolean InitiatingProcessRemoteSessionDeviceName
        InitiatingProcessRemoteSessionIP InitiatingProcessUniqueId + MachineGroup
    """,
    "DeviceNetworkEvents": """
        Timestamp:time DeviceId DeviceName ActionType RemoteIP RemotePort:long RemoteUrl LocalIP
        LocalPort:long Protocol LocalIPType RemoteIPType InitiatingProcessSHA1 InitiatingProcessSHA256
        InitiatingProcessMD5 InitiatingProcessFileName InitiatingProcessFileSize:long
        InitiatingProcessVersionInfoCompanyName InitiatingProcessVersionInfoProductName
        InitiatingProcessVersionInfoProductVersion InitiatingProcessVersionInfoInternalFileName
        InitiatingProcessVersionInfoOriginalFileName InitiatingProcessVersionInfoFileDescription
        InitiatingProcessId:long InitiatingProcessCommandLine InitiatingProcessCreationTime:time
        InitiatingProcessFolderPath InitiatingProcessParentFileName InitiatingProcessParentId:long
        InitiatingProcessParentCreationTime:time InitiatingProcessAccountDomain
        InitiatingProcessAccountName InitiatingProcessAccountSid InitiatingProcessAccountUpn
        InitiatingProcessAccountObjectId InitiatingProcessIntegrityLevel InitiatingProcessTokenElevation
        ReportId:long AppGuardContainerId AdditionalFields:dynamic InitiatingProcessSessionId:long
        IsInitiatingProcessRemoteSession:boolean InitiatingProcessRemoteSessionDeviceName
        InitiatingProcessRemoteSessionIP InitiatingProcessUniqueId LogonID:long + MachineGroup
    """,
    "DeviceNetworkInfo": """
        Timestamp:time DeviceId DeviceName NetworkAdapterName MacAddress NetworkAdapterType
        NetworkAdapterStatus TunnelType ConnectedNetworks:dynamic DnsAddresses:dynamic IPv4Dhcp IPv6Dhcp
        DefaultGateways:dynamic IPAddresses:dynamic ReportId:long NetworkAdapterVendor OnboardingStatus
        NetworkAdapterDnsSuffix + MachineGroup
    """,
    "DeviceProcessEvents": """
        Timestamp:time DeviceId DeviceName ActionType FileName FolderPath SHA1 SHA256 MD5 FileSize:long
        ProcessVersionInfoCompanyName ProcessVersionInfoProductName ProcessVersionInfoProductVersion
        ProcessVersionInfoInternalFileName ProcessVersionInfoOriginalFileName
        ProcessVersionInfoFileDescription ProcessId:long ProcessCommandLine ProcessIntegrityLevel
        ProcessTokenElevation ProcessCreationTime:time AccountDomain AccountName AccountSid AccountUpn
        AccountObjectId LogonId:long InitiatingProcessAccountDomain InitiatingProcessAccountName
        InitiatingProcessAccountSid InitiatingProcessAccountUpn InitiatingProcessAccountObjectId
        InitiatingProcessLogonId:long InitiatingProcessIntegrityLevel InitiatingProcessTokenElevation
        InitiatingProcessSHA1 InitiatingProcessSHA256 InitiatingProcessMD5 InitiatingProcessFileName
        InitiatingProcessFileSize:long InitiatingProcessVersionInfoCompanyName
        InitiatingProcessVersionInfoProductName InitiatingProcessVersionInfoProductVersion
        InitiatingProcessVersionInfoInternalFileName InitiatingProcessVersionInfoOriginalFileName
        InitiatingProcessVersionInfoFileDescription InitiatingProcessId:long
        InitiatingProcessCommandLine InitiatingProcessCreationTime:time InitiatingProcessFolderPath
        InitiatingProcessParentId:long InitiatingProcessParentFileName
        InitiatingProcessParentCreationTime:time InitiatingProcessSignerType
        InitiatingProcessSignatureStatus ReportId:long AppGuardContainerId AdditionalFields:dynamic
        InitiatingProcessSessionId:long IsInitiatingProcessRemoteSession:boolean
        InitiatingProcessRemoteSessionDeviceName InitiatingProcessRemoteSessionIP
        CreatedProcessSessionId:long IsProcessRemoteSession:boolean ProcessRemoteSessionDeviceName
        ProcessRemoteSessionIP ProcessUniqueId InitiatingProcessUniqueId + MachineGroup
    """,
    "DeviceRegistryEvents": """
        Timestamp:time DeviceId DeviceName ActionType RegistryKey RegistryValueType RegistryValueName
        RegistryValueData PreviousRegistryKey PreviousRegistryValueName PreviousRegistryValueData
        InitiatingProcessAccountDomain InitiatingProcessAccountName InitiatingProcessAccountSid
        InitiatingProcessAccountUpn InitiatingProcessAccountObjectId InitiatingProcessSHA1
        InitiatingProcessSHA256 InitiatingProcessMD5 InitiatingProcessFileName
        InitiatingProcessFileSize:long InitiatingProcessVersionInfoCompanyName
        InitiatingProcessVersionInfoProductName InitiatingProcessVersionInfoProductVersion
        InitiatingProcessVersionInfoInternalFileName InitiatingProcessVersionInfoOriginalFileName
        InitiatingProcessVersionInfoFileDescription InitiatingProcessId:long
        InitiatingProcessCommandLine InitiatingProcessCreationTime:time InitiatingProcessFolderPath
        InitiatingProcessParentId:long InitiatingProcessParentFileName
        InitiatingProcessParentCreationTime:time InitiatingProcessIntegrityLevel
        InitiatingProcessTokenElevation ReportId:long AppGuardContainerId
        InitiatingProcessSessionId:long IsInitiatingProcessRemoteSession:boolean
        InitiatingProcessRemoteSessionDeviceName InitiatingProcessRemoteSessionIP
        InitiatingProcessUniqueId + MachineGroup
    """,
    "EmailAttachmentInfo": """
        Timestamp:time NetworkMessageId SenderFromAddress SenderDisplayName SenderObjectId
        RecipientEmailAddress RecipientObjectId FileName FileType SHA256 FileSize:long ThreatTypes
        ThreatNames DetectionMethods:dynamic ReportId:identifier + FileExtension
    """,
    "EmailEvents": """
        Timestamp:time NetworkMessageId InternetMessageId SenderMailFromAddress SenderFromAddress
        SenderDisplayName SenderObjectId SenderMailFromDomain SenderFromDomain SenderIPv4 SenderIPv6
        RecipientEmailAddress RecipientObjectId Subject EmailClusterId:long EmailDirection
        DeliveryAction DeliveryLocation ThreatTypes ThreatNames DetectionMethods:dynamic ConfidenceLevel
        BulkComplaintLevel:long EmailAction EmailActionPolicy EmailActionPolicyGuid
        AuthenticationDetails:dynamic AttachmentCount:long UrlCount:long EmailLanguage Connectors
        OrgLevelAction OrgLevelPolicy UserLevelAction UserLevelPolicy ReportId:identifier
        AdditionalFields:dynamic LatestDeliveryLocation LatestDeliveryAction DistributionList +
        ExchangeTransportRule:dynamic ForwardingInformation:dynamic Context:dynamic To:dynamic
        Cc:dynamic ThreatClassification RecipientDomain EmailSize:long IsFirstContact:boolean
    """,
    "EmailPostDeliveryEvents": """
        Timestamp:time NetworkMessageId InternetMessageId Action ActionType ActionTrigger ActionResult
        RecipientEmailAddress DeliveryLocation SourceLocation ThreatTypes DetectionMethods:dynamic
        ReportId:identifier + SenderFromAddress EmailDirection
    """,
    "EmailUrlInfo": """
        Timestamp:time NetworkMessageId Url UrlDomain UrlLocation ReportId:identifier + UrlChainId
        UrlChainPosition:long
    """,
    "UrlClickEvents": """
        Timestamp:time Url ActionType AccountUpn Workload NetworkMessageId ThreatTypes
        DetectionMethods:dynamic IPAddress IsClickedThrough:boolean UrlChain:dynamic ReportId:identifier
        AppName AppVersion SourceId TenantId Type SourceSystem TimeGenerated:time
    """,
    "MessageEvents": """
        Timestamp:time LastEditedTime TeamsMessageId SenderEmailAddress SenderDisplayName SenderObjectId
        SenderType RecipientDetails:dynamic IsOwnedThread:boolean MessageId ParentMessageId GroupId
        GroupName ThreadId ThreadSubtype IsExternalThread:boolean MessageFormatType MessageFormatSubtype
        MessageVersion MessageSubject ThreatTypes DetectionMethods:dynamic ConfidenceLevel:dynamic
        DeliveryAction DeliveryLocation ReportId:identifier SafetyTip + ThreadName ThreadType
        MessageType MessageSubtype Subject
    """,
    "MessagePostDeliveryEvents": """
        Timestamp:time TeamsMessageId Action ActionType ActionTrigger ActionResult SenderEmailAddress
        RecipientDetails:dynamic ThreatTypes ConfidenceLevel:dynamic DetectionMethods:dynamic
        LatestDeliveryLocation ReportId:identifier IsExternalThread:boolean SafetyTip
    """,
    "MessageUrlInfo": """
        Timestamp:time TeamsMessageId Url UrlDomain ThreatTypes ReportId:identifier
    """,
    "CallActivityEvents": """
        ActivityTimestamp:time CallId ActivityId ActivityInitiatorId ActivityType ThreadId
        ActivityInitiatorUpn ActivityInitiatorDisplayName CallSchedulingType CallJoinUrl
        OriginatorUserDisplayName OriginatorUpn
    """,
    "IdentityDirectoryEvents": """
        Timestamp:time ActionType Application TargetAccountUpn TargetAccountDisplayName TargetDeviceName
        DestinationDeviceName DestinationIPAddress DestinationPort:long Protocol AccountName
        AccountDomain AccountUpn AccountSid AccountObjectId AccountDisplayName DeviceName IPAddress
        Port:long Location ISP ReportId:identifier AdditionalFields:dynamic + IsAdminOperation:boolean
    """,
    "IdentityInfo": """
        Timestamp:time ReportId:identifier AccountObjectId AccountUpn OnPremSid AccountDisplayName
        AccountName AccountDomain CriticalityLevel:long Type DistinguishedName CloudSid GivenName
        Surname Department JobTitle EmailAddress SipProxyAddress Address City Country
        IsAccountEnabled:boolean Manager Phone CreatedDateTime:time ChangeSource BlastRadius CompanyName
        DeletedDateTime:time EmployeeId OtherMailAddresses:dynamic RiskLevel RiskLevelDetails State
        Tags:dynamic AssignedRoles:dynamic PrivilegedEntraPimRoles:dynamic TenantId SourceSystem
        OnPremObjectId TenantMembershipType RiskStatus UserAccountControl IdentityEnvironment
        SourceProviders:dynamic GroupMembership:dynamic + IdentityId SourceProvider
    """,
    "IdentityLogonEvents": """
        Timestamp:time ActionType Application LogonType Protocol FailureReason AccountName AccountDomain
        AccountUpn AccountSid AccountObjectId AccountDisplayName DeviceName DeviceType OSPlatform
        IPAddress Port:long DestinationDeviceName DestinationIPAddress DestinationPort:long
        TargetDeviceName TargetAccountDisplayName Location Isp ReportId:identifier
        AdditionalFields:dynamic + UncommonForUser:dynamic LastSeenForUser:dynamic
    """,
    "IdentityQueryEvents": """
        Timestamp:time ActionType Application QueryType QueryTarget Query Protocol AccountName
        AccountDomain AccountUpn AccountSid AccountObjectId AccountDisplayName DeviceName IPAddress
        Port:long DestinationDeviceName DestinationIPAddress DestinationPort:long TargetDeviceName
        TargetAccountUpn TargetAccountDisplayName Location ReportId:identifier AdditionalFields:dynamic
        + IsAdminOperation:boolean
    """,
    "CloudAppEvents": """
        Timestamp:time ActionType Application ApplicationId:long AppInstanceId:long AccountObjectId
        AccountId AccountDisplayName IsAdminOperation:boolean DeviceType OSPlatform IPAddress
        IsAnonymousProxy:boolean CountryCode City Isp UserAgent ActivityType ActivityObjects:dynamic
        ObjectName ObjectType ObjectId ReportId:identifier AccountType IsExternalUser:boolean
        IsImpersonated:boolean IPTags:dynamic IPCategory UserAgentTags:dynamic RawEventData:dynamic
        AdditionalFields:dynamic LastSeenForUser:dynamic UncommonForUser:dynamic AuditSource
        SessionData:dynamic OAuthAppId
    """,
    "CloudAuditEvents": """
        Timestamp:time ReportId:identifier DataSource ActionType OperationName ResourceId IPAddress
        IsAnonymousProxy:boolean CountryCode City Isp UserAgent RawEventData:dynamic
        AdditionalFields:dynamic + AuditSource AzureResourceId AwsResourceName GcpFullResourceName
        Account
    """,
    "CloudProcessEvents": """
        Timestamp:time AzureResourceId AwsResourceName GcpFullResourceName ContainerImageName
        KubernetesNamespace KubernetesPodName KubernetesResource ContainerName ContainerId ActionType
        FileName FolderPath ProcessId:long ProcessName ParentProcessName ParentProcessId:identifier
        ProcessCommandLine ProcessCreationTime:time ProcessCurrentWorkingDirectory AccountName
        LogonId:long InitiatingProcessId:identifier ImageDigest AgentId Region HostName
        AdditionalFields:dynamic + ReportId:identifier
    """,
    "CloudStorageAggregatedEvents": """
        DataAggregationStartTime:time DataAggregationEndTime:time DataSource SubscriptionId
        ResourceGroup StorageAccount StorageContainer StorageFileShare ServiceType IpAddress
        UserAgentHeader OperationNamesList:dynamic AuthenticationType AccountObjectId
        AccountTenantId:identifier AccountApplicationId AccountUpn AccountType:identifier
        OperationsCount:long SuccessfulOperationsCount:long FailedOperationsCount:long
        FirstEventTimestamp:time LastEventTimestamp:time TotalResponseLength:long
        SuccessfulReadOperations:long DistinctGetOperations:long AnonymousSuccessfulOperations:long
        HasAnonymousResourceNotFoundFailures:boolean CountryName CityName ProvinceName
        ClientSystemServiceName ClientCloudPlatformName IsTorExitNode:boolean
        IsKnownSuspiciousIp:boolean IsPrivateIp:boolean SuspiciousUserAgentName
        HashReputationMd5List:dynamic AzureResourceId Location Timestamp:time ReportId:identifier
        ActionType AdditionalFields:dynamic + Md5Hashes:dynamic
    """,
    "AlertEvidence": """
        Timestamp:time AlertId Title Categories:dynamic AttackTechniques ServiceSource DetectionSource
        EntityType EvidenceRole EvidenceDirection FileName FolderPath SHA1 SHA256 FileSize:long
        ThreatFamily RemoteIP RemoteUrl AccountName AccountDomain AccountSid AccountObjectId AccountUpn
        DeviceId DeviceName LocalIP NetworkMessageId EmailSubject Application ApplicationId:long
        OAuthApplicationId ProcessCommandLine RegistryKey RegistryValueName RegistryValueData
        AdditionalFields:dynamic Severity CloudResource CloudPlatform ResourceType ResourceID
        SubscriptionId + MachineGroup
    """,
    "AlertInfo": """
        Timestamp:time AlertId Title Category Severity ServiceSource DetectionSource AttackTechniques +
        MachineGroup
    """,
    "BehaviorEntities": """
        Timestamp:time BehaviorId Categories:dynamic ServiceSource DetectionSource DataSources:dynamic
        EntityType EntityRole DetailedEntityRole FileName FolderPath SHA1 SHA256 FileSize:long
        ThreatFamily RemoteIP RemoteUrl AccountName AccountDomain AccountSid AccountObjectId
        CloudPlatform CloudResourceType CloudResourceId CloudSubscriptionId AccountUpn DeviceId
        DeviceName LocalIP NetworkMessageId EmailSubject EmailClusterId Application ApplicationId:long
        OAuthApplicationId ProcessCommandLine RegistryKey RegistryValueName RegistryValueData
        AdditionalFields:dynamic ActionType
    """,
    "BehaviorInfo": """
        Timestamp:time BehaviorId Title Description Categories:dynamic AttackTechniques ServiceSource
        DetectionSource DataSources:dynamic DeviceId AccountUpn AccountObjectId StartTime:time
        EndTime:time AdditionalFields:dynamic ActionType + Severity DeviceName
    """,
}
"""Table → `name:type` of its columns, `+` before those that are not documented."""

ALIASES: dict[str, dict[str, str]] = {
    "CloudAppEvents": {"ISP": "Isp"},
    "CloudAuditEvents": {"ISP": "Isp"},
    "CloudStorageAggregatedEvents": {"IPAddress": "IpAddress"},
    "DeviceInfo": {"DeviceSubType": "DeviceSubtype"},
    "DeviceProcessEvents": {"LogonID": "LogonId"},
    "IdentityDirectoryEvents": {"Isp": "ISP"},
    "IdentityLogonEvents": {"ISP": "Isp"},
    "MessageEvents": {"ThreadSubType": "ThreadSubtype"},
    "MessagePostDeliveryEvents": {"ThreadTypes": "ThreatTypes"},
}
"""Table → other spelling on the wire (or in the documentation) → column."""
