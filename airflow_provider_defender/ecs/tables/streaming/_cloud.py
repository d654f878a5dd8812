"""Tables of Defender for Cloud Apps and Defender for Cloud: what is computed."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from ...columns import (
    addresses,
    by_distinct,
    collect,
    first_known,
    hash_of,
    image_paths,
    lower,
    lower_guids,
    only_host,
    only_ip,
    only_name,
    only_where,
    positive,
)
from ._accounts import account_parts
from ._audit import audit_outcome
from .actions import look_up
from .cloud_resources import RESOURCE_FIELDS, cluster_of, resource
from .functions import TEXTS, json_items

__all__ = [
    "aggregated_outcome",
    "application_cloud",
    "application_outcome",
    "container_image",
    "hashes_of_objects",
    "host",
    "kubernetes",
    "logon_error",
    "named_image",
    "number",
    "process_account",
    "process_image",
    "related_accounts",
    "source",
    "storage_account",
]


def application_outcome(
    action_type: pa.Array,
    status: pa.Array,
    is_success: pa.Array,
    azure_status: pa.Array,
    error: pa.Array,
    amazon: pa.Array,
) -> pa.Array:
    """`event.outcome` by the action type, else by the result.

    Args:
        action_type: counts first: the result is that of the audited operation, and that of a failed logon
            can be Success.
        status: the result as Office 365 says it, and
        is_success: as Power BI does.
        azure_status: that of an activity in Azure.
        error: Amazon's error code; its record has none where the request succeeded.
        amazon: who acted, by which Amazon's records are known.
    """

    def find(action: str | None, *results: str | None) -> tuple[str | None]:
        said = next((each.lower() for each in results if each), "")
        by_action = look_up("CloudAppEvents", action).outcome
        if by_action or not said:
            return (by_action,)
        if "fail" in said or said == "false":
            return ("failure",)
        return ("success" if said in ("success", "succeeded", "true", "partiallysucceeded") else "unknown",)

    by_office = by_distinct(find, (pa.string(),), action_type, status, is_success)[0]
    if not by_office.null_count:
        return by_office
    nothing = pa.nulls(len(status), pa.string())
    return first_known(by_office, audit_outcome(nothing, nothing, azure_status, error, amazon)[0])


def application_cloud(
    application: pa.Array, azure: pa.Array, region: pa.Array, account: pa.Array
) -> tuple[pa.Array, ...]:
    """`RESOURCE_FIELDS` of an activity in Amazon's, Google's or Microsoft's cloud; else nulls.

    Args:
        application: names the cloud.
        azure: the id of a resource in Azure.
        region: Amazon's region, and
        account: the account there.
    """
    nothing = pa.nulls(len(application), pa.string())
    is_cloud = pc.fill_null(pc.match_substring_regex(application, _CLOUD), False)
    if not pc.any(is_cloud).as_py():
        return (nothing,) * len(RESOURCE_FIELDS)
    name = only_where(is_cloud, application)
    resources = (only_where(is_cloud, azure), nothing, nothing, nothing)
    return resource(name, nothing, *resources, only_where(is_cloud, region), only_where(is_cloud, account))


_CLOUD = r"(?i)amazon web services|\baws\b|google cloud|\bgcp\b|\bazure$"


def source(*columns: pa.Array) -> tuple[pa.Array, ...]:
    """`source.address`, `.ip` and `related.ip` by the first address that is known."""
    first = first_known(*columns)
    address = only_ip(first)
    return addresses(first), address, collect(address)


def host(name: pa.Array) -> tuple[pa.Array, pa.Array]:
    """`host.name` and `related.hosts`."""
    return lower(name), collect(only_host(name))


def logon_error(number: pa.Array, reason: pa.Array, error: pa.Array) -> tuple[pa.Array, pa.Array]:
    """`error.code` and `event.reason`: of Entra, of which the number 0 is no error, else Amazon's code."""
    return first_known(only_where(pc.not_equal(number, "0"), number), error), reason


def related_accounts(upn: pa.Array, *identifiers: pa.Array) -> pa.Array:
    """`related.user`: the principal name, what stands before its `@`, and ids; GUIDs in lower case."""
    return collect(upn, account_parts(upn)[1], *map(lower_guids, identifiers))


def kubernetes(
    namespace: pa.Array, pod: pa.Array, name: pa.Array, *resources: pa.Array
) -> tuple[pa.Array, ...]:
    """`orchestrator.type`, `.resource.name`, `.resource.type`, `.cluster.id`, `.cluster.name`.

    Args:
        namespace: the pod's namespace.
        pod: the pod's name.
        name: a resource as `<type>/<name>`, which counts where there is no pod.
        resources: ids of the cluster in any cloud.
    """

    def find(*texts: str | None) -> tuple[str | None, ...]:
        _, pod_name, text, _ = texts
        orchestrator = "kubernetes" if any(texts) else None
        if pod_name:
            return orchestrator, pod_name, "pod"
        resource_type, slash, rest = (text or "").rpartition("/")
        return orchestrator, rest or None, resource_type.lower() or None if slash else None

    identifier, cluster = cluster_of(*resources)
    return *by_distinct(find, (pa.string(),) * 3, namespace, pod, name, cluster), identifier, cluster


_FOLDERS = {"app", "bin", "home", "lib", "lib32", "lib64", "libexec", "opt", "root", "sbin", "srv", "tmp"}
"""Names of folders in containers: a path that ends in one is no program's."""


def process_image(path: pa.Array, file_name: pa.Array, process_name: pa.Array) -> tuple[pa.Array, pa.Array]:
    """`process.executable` and `.name`; FolderPath is the whole path by habit, ProcessName may be one."""

    def joined(folder: str | None, file: str | None) -> tuple[str | None]:
        last = (folder or "").rstrip("/").rpartition("/")[2]
        is_folder = file and "/" not in file and folder and (last in _FOLDERS or folder.endswith("/"))
        return (f"{(folder or '').rstrip('/')}/{file}" if is_folder and last != file else folder,)

    (whole,) = by_distinct(joined, (pa.string(),), path, file_name)
    executable, name = image_paths(whole, file_name)
    own, own_name = named_image(process_name)
    whole = first_known(executable, own)
    return whole, first_known(name, only_name(whole), own_name)


def named_image(name: pa.Array) -> tuple[pa.Array, pa.Array]:
    """`executable` and `name` of an image of which there is one text, a path or a name."""
    return image_paths(pa.nulls(len(name), pa.string()), name)


def number(text: pa.Array) -> pa.Array:
    """Decimal texts above 0 as numbers; all else is null."""
    digits = pc.match_substring_regex(text, r"^[0-9]{1,18}$")
    return positive(only_where(digits, text).cast(pa.int64()))


_IMAGE = re.compile(r"[^@]*?(?::([\w][\w.-]{0,127}))?(?:@(\w+:[0-9a-fA-F]+))?", re.ASCII)


def container_image(image: pa.Array, digest: pa.Array) -> tuple[pa.Array, ...]:
    """`container.image.tag`, `container.image.hash.all`, `related.hash`.

    The tag stands behind the colon of an image's name (`registry.example:5000/shop:1` has the tag 1, and
    `registry.example:5000/shop` has none), a digest behind an `@`.
    """

    def find(name: str | None, own: str | None) -> tuple[list[str] | None, ...]:
        match = _IMAGE.fullmatch((name or "").rpartition("/")[2])
        tag, digest = (match[1], match[2]) if match else (None, None)
        digests = list(dict.fromkeys(each for each in (own, digest) if each))
        hashes = [hash_of(each.rpartition(":")[2], "sha256") for each in digests]
        known = list(dict.fromkeys(each for each in hashes if each))
        return [tag] if tag else None, digests or None, known or None

    return by_distinct(find, (TEXTS,) * 3, image, digest)


def process_account(name: pa.Array) -> tuple[pa.Array, ...]:
    """`user.id`, `.name`, `process.user.id`, `.name`: a number is the id of a user, not a name."""
    is_id = pc.fill_null(pc.match_substring_regex(name, r"^[0-9]+$"), False)
    identifier, known = only_where(is_id, name), only_where(pc.invert(is_id), name)
    return identifier, known, identifier, known


def storage_account(upn: pa.Array, object_id: pa.Array, application: pa.Array) -> tuple[pa.Array, ...]:
    """`user.id`, `.name`, `.domain`, `.email`: the account, else the application that acted for itself."""
    _, name, domain, email = account_parts(upn)
    is_application = pc.and_(pc.is_null(upn), pc.is_null(object_id))
    identifier = first_known(object_id, only_where(is_application, application))
    return lower_guids(identifier), name, domain, email


def hashes_of_objects(*columns: pa.Array) -> pa.Array:
    """`related.hash`: the MD5 hashes in lists of texts or of objects."""

    def find(*texts: str | None) -> tuple[list[str] | None]:
        items = [item for text in texts for item in json_items(text)]
        found = [each for item in items for each in (item.values() if isinstance(item, dict) else (item,))]
        hashes = [hash_of(each, "md5") for each in found if isinstance(each, str)]
        return (list(dict.fromkeys(each for each in hashes if each)) or None,)

    return by_distinct(find, (TEXTS,), *columns)[0]


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
