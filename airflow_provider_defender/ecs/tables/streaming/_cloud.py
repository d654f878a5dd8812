"""Tables of Defender for Cloud Apps and Defender for Cloud: what is computed."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from ...columns import by_distinct, first_known
from ._functions import TEXTS, Categorised, action_name, by_action, cloud_provider

__all__ = [
    "RESOURCE_FIELDS",
    "account",
    "aggregated_outcome",
    "application_action",
    "application_outcome",
    "application_user",
    "cluster_resource",
    "kubernetes",
    "number",
    "operation_type",
    "process_action",
    "process_name",
    "resource",
    "resource_of",
    "storage_resource",
]

_LOGONS = {
    "userloggedin",
    "userloginfailed",
    "userloggedout",
    "logon",
    "logoff",
    "login",
    "failedlogon",
    "mailboxlogin",
}
_SUBJECTS = {
    **dict.fromkeys(("mailbox", "mailboxes"), "email"),
    **dict.fromkeys(("file", "files", "folder", "folders"), "file"),
    **dict.fromkeys(("email", "emails", "mail", "mails", "message", "messages"), "email"),
    **dict.fromkeys(("user", "users", "group", "groups", "role", "roles"), "iam"),
    **dict.fromkeys(("member", "members", "membership", "memberships"), "iam"),
}
"""Category by a whole word of the action's name; the first of these counts (a mailbox' folder is no file)."""
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_VERBS = {
    "member": "change",
    "creat": "creation",
    "upload": "creation",
    "add": "creation",
    "new-": "creation",
    "delet": "deletion",
    "remov": "deletion",
    "modif": "change",
    "updat": "change",
    "chang": "change",
    "renam": "change",
    "move": "change",
    "set": "change",
    "edit": "change",
    "download": "access",
    "access": "access",
    "preview": "access",
    "read": "access",
    "list": "access",
}
_TYPES_OF: dict[str, set[str]] = {
    "api": {"access", "change", "creation", "deletion", "info"},
    "configuration": {"access", "change", "creation", "deletion", "info"},
    "email": {"info"},
    "file": {"access", "change", "creation", "deletion", "info"},
    "iam": {"change", "creation", "deletion", "info"},
}
"""Of the event types that the verbs give, those that ECS expects with each category."""


def _type_of(text: str) -> str:
    return next((kind for verb, kind in _VERBS.items() if verb in text), "info")


@by_action
def application_action(action_type: str | None) -> Categorised:
    """Of CloudAppEvents: by the words of the action's name, which also a change of case parts."""
    text = action_type or ""
    name = action_name(action_type)
    words = [word.lower() for word in _WORD.findall(text)]
    logon = "".join(words)
    if logon in _LOGONS:
        return name, ["authentication"], ["end" if logon.endswith(("out", "off")) else "start"]
    category = next((category for word, category in _SUBJECTS.items() if word in words), "api")
    kind = _type_of(text.lower())
    return name, [category], [kind if kind in _TYPES_OF[category] else "info"]


def application_outcome(action_type: pa.Array, status: pa.Array) -> pa.Array:
    """`event.outcome` by Microsoft's result status, or a failed logon."""

    def find(text: str | None, result: str | None) -> tuple[str]:
        name, said = (text or "").lower(), (result or "").lower()
        if "fail" in said or said == "false" or ("fail" in name and "log" in name):
            return ("failure",)
        return ("success" if said in ("success", "succeeded", "true", "partiallysucceeded") else "unknown",)

    return by_distinct(find, (pa.string(),), action_type, status)[0]


def application_user(object_id: pa.Array, account_id: pa.Array, name: pa.Array) -> tuple[pa.Array, ...]:
    """`user.id`, `user.name`, `user.email`."""
    return first_known(object_id, account_id), *account(name)


def account(name: pa.Array) -> tuple[pa.Array, pa.Array]:
    """`user.name` and `user.email` from a name that may be an address."""

    def find(text: str | None) -> tuple[str | None, str | None]:
        local, at, _ = (text or "").partition("@")
        return local or None, text if at and local else None

    return by_distinct(find, (pa.string(), pa.string()), name)


def operation_type(operation: pa.Array, action_type: pa.Array) -> pa.Array:
    """`event.type` by an operation's name: `Microsoft.Compute/virtualMachines/write` is a change."""
    endings = {"/write": "change", "/delete": "deletion", "/read": "access", "/action": "change"}

    def find(name: str | None, text: str | None) -> tuple[list[str]]:
        lowered = (name or text or "").lower()
        ending = next((kind for end, kind in endings.items() if lowered.endswith(end)), None)
        return ([ending or _type_of(lowered)],)

    return by_distinct(find, (TEXTS,), operation, action_type)[0]


RESOURCE_FIELDS = (
    "cloud.provider",
    "cloud.account.id",
    "cloud.project.id",
    "cloud.region",
    "cloud.instance.name",
)
"""What the functions on resources give."""

_AZURE = re.compile(r"/subscriptions/([^/]+)", re.IGNORECASE)
_AZURE_MACHINE = re.compile(r"/virtualMachines/([^/]+)", re.IGNORECASE)
_AWS = re.compile(r"arn:[^:]*:[^:]*:([^:]*):([^:]*):")
_GCP = re.compile(r"(?:^|/)projects/([^/]+)(?:.*?/(?:zones|regions|locations)/([^/]+))?")


def _resource(azure: str | None, amazon: str | None, google: str | None) -> tuple[str | None, ...]:
    """Provider, account, project, region, machine by a resource's id."""
    if azure and (match := _AZURE.search(azure)):
        machine = _AZURE_MACHINE.search(azure)
        return "azure", match[1], None, None, machine[1] if machine else None
    if amazon and (match := _AWS.match(amazon)):
        return "aws", match[2] or None, None, match[1] or None, None
    if google and (match := _GCP.search(google)):
        return "gcp", None, match[1], match[2], None
    return (None,) * 5


def _resources(*columns: pa.Array) -> tuple[pa.Array, ...]:
    return by_distinct(_resource, (pa.string(),) * 5, *columns)


def resource_of(identifier: pa.Array) -> tuple[pa.Array, ...]:
    """`RESOURCE_FIELDS` by one id, whichever cloud's it is."""
    return _resources(identifier, identifier, identifier)


def resource(
    audit_source: pa.Array,
    data_source: pa.Array,
    azure: pa.Array,
    amazon: pa.Array,
    google: pa.Array,
    any_cloud: pa.Array,
) -> tuple[pa.Array, ...]:
    """`RESOURCE_FIELDS` of an audited resource, whichever cloud's id it has."""
    provider, *rest = _resources(*(first_known(column, any_cloud) for column in (azure, amazon, google)))
    return first_known(provider, cloud_provider(audit_source, data_source)), *rest


def cluster_resource(
    azure: pa.Array, amazon: pa.Array, google: pa.Array, region: pa.Array
) -> tuple[pa.Array, ...]:
    """`RESOURCE_FIELDS` of a cluster."""
    provider, account_id, project, own_region, name = _resources(azure, amazon, google)
    return provider, account_id, project, first_known(region, own_region), name


def storage_resource(
    azure: pa.Array, subscription: pa.Array, storage: pa.Array, location: pa.Array
) -> tuple[pa.Array, ...]:
    """`RESOURCE_FIELDS` of a storage account in Azure."""
    nothing = pa.nulls(len(azure), pa.string())
    _, account_id, project, _, _ = _resources(azure, nothing, nothing)
    return (
        pa.repeat(pa.scalar("azure"), len(azure)),
        first_known(subscription, account_id),
        project,
        location,
        storage,
    )


@by_action
def _process_action(action_type: str | None) -> Categorised:
    text = (action_type or "").lower()
    is_start = "creat" in text or "start" in text or "exec" in text
    return action_name(action_type), ["process"], ["start" if is_start else "info"]


def process_action(action_type: pa.Array) -> tuple[pa.Array, pa.Array]:
    """`event.action` and `event.type` of CloudProcessEvents."""
    name, _, types = _process_action(action_type)
    return name, types


def kubernetes(namespace: pa.Array, pod: pa.Array, name: pa.Array) -> tuple[pa.Array, ...]:
    """`orchestrator.type`, `.resource.name`, `.resource.type`."""

    def find(space: str | None, pod_name: str | None, text: str | None) -> tuple[str | None, ...]:
        kind, slash, rest = (text or "").rpartition("/")
        is_known = bool(space or pod_name or text)
        if pod_name:
            return "kubernetes", pod_name, "pod"
        return "kubernetes" if is_known else None, rest or None, kind.lower() or None if slash else None

    return by_distinct(find, (pa.string(),) * 3, namespace, pod, name)


def process_name(name: pa.Array, file_name: pa.Array) -> pa.Array:
    """The process' name, else its file's; of a path the last part."""

    def find(*texts: str | None) -> tuple[str | None]:
        known = next((text for text in texts if text), "")
        return (known.rpartition("/")[2] or None,)

    return by_distinct(find, (pa.string(),), name, file_name)[0]


def number(text: pa.Array) -> pa.Array:
    """Decimal texts as numbers; all else is null."""
    digits = pc.match_substring_regex(text, r"^[0-9]{1,18}$")
    return pc.if_else(digits, text, None).cast(pa.int64())


def aggregated_outcome(succeeded: pa.Array, failed: pa.Array) -> pa.Array:
    """`event.outcome` of many operations."""
    none_failed = pc.and_(pc.greater(succeeded, 0), pc.equal(pc.fill_null(failed, 0), 0))
    none_succeeded = pc.and_(pc.greater(failed, 0), pc.equal(pc.fill_null(succeeded, 0), 0))
    return pc.case_when(
        pc.make_struct(pc.fill_null(none_failed, False), pc.fill_null(none_succeeded, False)),
        "success",
        "failure",
        "unknown",
    )
