"""Defender for Cloud Apps and Defender for Cloud: activities in applications, clouds, containers, storage."""

from __future__ import annotations

from ...columns import collect, difference_in_nanoseconds, first_known, only_named, positive
from ...mapping import Computed, Mapping, Shape
from . import _application_accounts as accounts
from . import _application_objects as objects
from . import _audit as audit
from . import _cloud as own
from .actions import event_fields, operation_types
from .cloud_resources import RESOURCE_FIELDS, STORAGE_FIELDS, cluster_resource, resource, storage_resource
from .functions import URL_FIELDS, operating_system_type
from .table import ARGUMENTS, table

__all__ = ["CLOUD_TABLES"]

_GEOGRAPHY = {
    "source.geo.city_name": "City",
    "source.geo.country_iso_code": "CountryCode",
}
_NAMED_NOTE = "As sent; words such as Unknown are none."
_NETWORK = Computed(("source.as.organization.name",), ("Isp",), only_named, _NAMED_NOTE)
_SOURCE_FIELDS = ("source.address", "source.ip", "related.ip")
_RAW_ADDRESSES = ("ClientIP", "ClientIPAddress", "ActorIpAddress")

CLOUD_APP_EVENTS = table(
    "CloudAppEvents",
    "defender_cloud_apps",
    constants={},
    copies={
        **_GEOGRAPHY,
        "event.id": "ReportId",
        "service.id": "ApplicationId",
        "service.name": "Application",
    },
    inside={
        "RawEventData": Shape(
            dict.fromkeys(
                (
                    *accounts.RAW_ACCOUNT_KEYS,
                    *objects.RAW_FILE_KEYS,
                    *objects.RAW_MAIL_KEYS,
                    *_RAW_ADDRESSES,
                    *("ErrorNumber", "LogonError", "ObjectId", "ResultStatus", "UserAgent", "IsSuccess"),
                    *("awsRegion", "recipientAccountId", "errorCode", "status", "resourceId"),
                ),
                "dynamic",
            )
        )
    },
    computed=(
        event_fields("CloudAppEvents", without=("event.outcome",)),
        _NETWORK,
        Computed(("host.os.name",), ("OSPlatform",), only_named, _NAMED_NOTE),
        Computed(("host.type",), ("DeviceType",), only_named, _NAMED_NOTE),
        Computed(
            ("event.outcome",),
            (
                "ActionType",
                *(f"RawEventData.{key}" for key in ("ResultStatus", "IsSuccess", "status", "errorCode")),
                "RawEventData.userIdentity",
            ),
            own.application_outcome,
            "By the [action type](action_types.md) of logons, else from ResultStatus, else IsSuccess in "
            "RawEventData; of Azure's activities by their status, of Amazon's by the error code.",
        ),
        Computed(
            ("error.code", "event.reason"),
            ("RawEventData.ErrorNumber", "RawEventData.LogonError", "RawEventData.errorCode"),
            own.logon_error,
            "Why Entra refused a logon; error number 0 stands for none. Else the error code of Amazon.",
        ),
        Computed(
            RESOURCE_FIELDS,
            (
                "Application",
                *(f"RawEventData.{key}" for key in ("resourceId", "awsRegion", "recipientAccountId")),
            ),
            own.application_cloud,
            "Only for activities in Amazon's, Google's and Microsoft's clouds: the provider by the "
            "application; the rest by the resource's id, or as Amazon's own record says it.",
        ),
        Computed(
            accounts.ACCOUNT_FIELDS,
            accounts.ACCOUNT_INPUTS,
            accounts.application_accounts,
            "`user.*` is who acted, which is what `Account…` says: an application where AccountType says so, "
            "where the account is the client application of RawEventData, or where UserId is an application; "
            "it has only an id and its display name. Else UserId gives the names: what stands before the "
            "`@`, the domain, the address; a GUID or SID is an id, and so is an AccountId of letters and "
            "digits as Amazon and Salesforce have them: the name then is userName of Amazon's own record, "
            "else the display name if it has no blanks. `user.id` is the Entra object id, else "
            "AccountId if it identifies an account: Exchange Online's SIDs are those of its own directory, "
            "which no other table has. `user.target.*` is one other account: the mailbox that a mail was "
            "sent as or on behalf of, the owner of the mailbox, the user that something was shared with, the "
            "changed object of the directory, the only member, the "
            "object's columns; else, where an application acted, the user that UserId names. `group.*` "
            "likewise. `user.changes.roles` is a role that was given. `related.user` has all names and ids.",
        ),
        Computed(
            objects.FILE_FIELDS,
            objects.FILE_INPUTS,
            objects.application_file,
            "The file or folder as SharePoint says it, else ObjectName, if that is one; the directory is "
            "relative to the site.",
        ),
        Computed(
            (*URL_FIELDS, "related.hosts"),
            ("RawEventData.ObjectId", "ObjectName"),
            objects.application_url,
            "The object's URL, if it has one.",
        ),
        Computed(
            objects.MAIL_FIELDS,
            objects.MAIL_INPUTS,
            objects.application_mail,
            "The mail, where the record is about a single one.",
        ),
        Computed(
            _SOURCE_FIELDS,
            ("IPAddress", *(f"RawEventData.{key}" for key in _RAW_ADDRESSES)),
            own.source,
            "Where the request came from; where the column is empty, as RawEventData says it.",
        ),
        Computed(
            ("user_agent.original",),
            ("UserAgent", "RawEventData.UserAgent"),
            first_known,
            "As sent, else from RawEventData.",
        ),
        Computed(
            ("host.os.type",),
            ("OSPlatform",),
            operating_system_type,
            "windows, linux, macos, ios, android, where the name says so.",
        ),
    ),
)

CLOUD_AUDIT_EVENTS = table(
    "CloudAuditEvents",
    "defender_cloud",
    constants={},
    copies={
        **_GEOGRAPHY,
        "event.id": "ReportId",
        "service.name": "DataSource",
    },
    inside={"RawEventData": Shape(dict.fromkeys(audit.RAW_AUDIT_KEYS, "dynamic"))},
    computed=(
        event_fields("CloudAuditEvents", "ActionType", "OperationName"),
        _NETWORK,
        Computed(
            RESOURCE_FIELDS,
            (
                "AuditSource",
                "DataSource",
                "AzureResourceId",
                "AwsResourceName",
                "GcpFullResourceName",
                "ResourceId",
                "RawEventData.awsRegion",
                "RawEventData.recipientAccountId",
            ),
            resource,
            "Provider, subscription (account, project), region and machine by the resource's id; of Amazon's "
            "buckets, which name neither, by its own record.",
        ),
        Computed(
            ("event.outcome", "error.code"),
            tuple(
                f"RawEventData.{key}"
                for key in ("responseStatus", "resultType", "status", "errorCode", "userIdentity")
            ),
            audit.audit_outcome,
            "By the cloud's own record: Kubernetes' status code, Azure's result, Amazon's error code; null "
            "where it does not say how the operation ended.",
        ),
        Computed(
            audit.AUDIT_ACCOUNT_FIELDS,
            audit.AUDIT_ACCOUNT_INPUTS,
            audit.audit_account,
            "Account: a GUID or an ARN is an id, an address is a name and its domain. Where there is none, "
            "the account of the cloud's own record in RawEventData, which otherwise adds only to the same "
            "account. `user.effective.*` is whom Kubernetes' user impersonated.",
        ),
        Computed(
            audit.KUBERNETES_FIELDS,
            audit.KUBERNETES_INPUTS,
            audit.kubernetes_request,
            "From the audit record of Kubernetes in RawEventData; the cluster by the resource's id. The type "
            "of a resource is that of its path, in the plural.",
        ),
        Computed(
            _SOURCE_FIELDS,
            ("IPAddress", "RawEventData.sourceIPs"),
            audit.source_addresses,
            "Where the request came from; `related.ip` has all proxies, too.",
        ),
        Computed(
            ("user_agent.original",),
            ("UserAgent", "RawEventData.userAgent"),
            first_known,
            "As sent, else from RawEventData.",
        ),
    ),
)

CLOUD_PROCESS_EVENTS = table(
    "CloudProcessEvents",
    "defender_cloud",
    constants={},
    copies={
        "container.id": "ContainerId",
        "container.image.name": "ContainerImageName",
        "container.name": "ContainerName",
        "event.id": "ReportId",
        "host.hostname": "HostName",
        "orchestrator.namespace": "KubernetesNamespace",
        "process.command_line": "ProcessCommandLine",
        "process.start": "ProcessCreationTime",
        "process.working_directory": "ProcessCurrentWorkingDirectory",
    },
    computed=(
        event_fields("CloudProcessEvents"),
        Computed(
            RESOURCE_FIELDS,
            (
                "AzureResourceId",
                "AwsResourceName",
                "GcpFullResourceName",
                "Region",
            ),
            cluster_resource,
            "Provider, subscription (account, project), region and name by the resource's id.",
        ),
        Computed(
            (
                *("orchestrator.type", "orchestrator.resource.name", "orchestrator.resource.type"),
                *("orchestrator.cluster.id", "orchestrator.cluster.name"),
            ),
            (
                *("KubernetesNamespace", "KubernetesPodName", "KubernetesResource"),
                *("AzureResourceId", "AwsResourceName", "GcpFullResourceName"),
            ),
            own.kubernetes,
            "The pod, else the resource; the cluster by its id.",
        ),
        Computed(
            ("container.image.tag", "container.image.hash.all", "related.hash"),
            ("ContainerImageName", "ImageDigest"),
            own.container_image,
            "The tag in the image's name; the digests of both; SHA-256 digests are related hashes.",
        ),
        Computed(
            ("process.executable", "process.name"),
            ("FolderPath", "FileName", "ProcessName"),
            own.process_image,
            "FolderPath is the whole path by habit; the file's name is only appended to what is a folder. "
            "Where there is no file, ProcessName, which may be a path.",
        ),
        Computed(
            ("process.parent.executable", "process.parent.name"),
            ("ParentProcessName",),
            own.named_image,
            "Of a path the last part is the name.",
        ),
        ARGUMENTS,
        Computed(("process.pid",), ("ProcessId",), positive, "0 stands for none."),
        Computed(
            ("user.id", "user.name", "process.user.id", "process.user.name"),
            ("AccountName",),
            own.process_account,
            "Who ran the process; a number is an id.",
        ),
        Computed(
            ("process.parent.pid",), ("ParentProcessId",), own.number, "As a number; 0 stands for none."
        ),
        Computed(("host.name", "related.hosts"), ("HostName",), own.host, "In lower case."),
        Computed(("related.user",), ("AccountName",), collect, "The account."),
    ),
)

CLOUD_STORAGE_AGGREGATED_EVENTS = table(
    "CloudStorageAggregatedEvents",
    "defender_cloud",
    constants={},
    copies={
        "event.end": "DataAggregationEndTime",
        "event.id": "ReportId",
        "event.start": "DataAggregationStartTime",
        "service.name": "ServiceType",
        "source.geo.city_name": "CityName",
        "source.geo.country_name": "CountryName",
        "source.geo.region_name": "ProvinceName",
        "user_agent.original": "UserAgentHeader",
    },
    computed=(
        event_fields("CloudStorageAggregatedEvents", without=("event.type",)),
        Computed(
            ("event.type",),
            ("OperationNamesList",),
            operation_types("CloudStorageAggregatedEvents"),
            "By the words of the operations' [names](action_types.md), each type once; else access.",
        ),
        Computed(
            ("event.duration",),
            ("DataAggregationStartTime#ticks", "DataAggregationEndTime#ticks"),
            difference_in_nanoseconds,
            "End minus start in ns.",
        ),
        Computed(
            ("event.outcome",),
            ("SuccessfulOperationsCount", "FailedOperationsCount"),
            own.aggregated_outcome,
            "success if no operation failed, failure if none succeeded, else unknown.",
        ),
        Computed(
            STORAGE_FIELDS,
            ("AzureResourceId", "SubscriptionId", "StorageAccount", "Location"),
            storage_resource,
            "Azure, the subscription, the region; the storage account is the entity: it is no machine, so it "
            "is not in `cloud.instance.*`.",
        ),
        Computed(_SOURCE_FIELDS, ("IpAddress",), own.source, "Where the requests came from."),
        Computed(
            ("user.id", "user.name", "user.domain", "user.email"),
            ("AccountUpn", "AccountObjectId", "AccountApplicationId"),
            own.storage_account,
            "The Entra object id, else the id of the application that acted without a user; the names by the "
            "principal name: what stands before and behind the `@`.",
        ),
        Computed(
            ("related.user",),
            ("AccountUpn", "AccountObjectId", "AccountApplicationId"),
            own.related_accounts,
            "Names and ids of the account and the application.",
        ),
        Computed(
            ("related.hash",),
            ("Md5Hashes", "HashReputationMd5List"),
            own.hashes_of_objects,
            "The objects' MD5 hashes.",
        ),
    ),
)

CLOUD_TABLES: tuple[Mapping, ...] = (
    CLOUD_APP_EVENTS,
    CLOUD_AUDIT_EVENTS,
    CLOUD_PROCESS_EVENTS,
    CLOUD_STORAGE_AGGREGATED_EVENTS,
)
"""The mappings of the tables of Defender for Cloud Apps and Defender for Cloud."""
