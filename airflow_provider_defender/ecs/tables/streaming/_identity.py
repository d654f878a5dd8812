"""Defender for Identity's tables: what is computed."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from ...columns import by_distinct, collect, first_known, lower, only_ip, only_where
from ._functions import TEXTS, Categorised, action_name, by_action

__all__ = [
    "ENDS_FIELDS",
    "directory_action",
    "ends",
    "query_fields",
]

ENDS_FIELDS = (
    "source.ip",
    "destination.ip",
    "destination.domain",
    "related.ip",
    "related.hosts",
)
"""What `ends` gives."""


def ends(
    device: pa.Array, address: pa.Array, server: pa.Array, server_address: pa.Array, target: pa.Array
) -> tuple[pa.Array, ...]:
    """Where an activity came from and went to, as in `ENDS_FIELDS`.

    Args:
        device: name of the machine that the account used, and `address` its address.
        address: see `device`.
        server: name of the machine that served the request (a domain controller, say).
        server_address: its address.
        target: name of the machine that the activity was about, which can be another one than that of the
            address; so it is the destination only where no other machine is known.
    """
    name, source, destination = lower(device), only_ip(address), only_ip(server_address)
    servers, targets = lower(server), lower(target)
    return (
        source,
        destination,
        first_known(servers, only_where(pc.is_null(destination), targets)),
        collect(source, destination),
        collect(name, servers, targets),
    )


def query_fields(action_type: pa.Array, protocol: pa.Array, target: pa.Array) -> tuple[pa.Array, pa.Array]:
    """`event.type` and `dns.question.name`: a DNS query's target is its question."""

    def find(action: str | None, name: str | None, text: str | None) -> tuple[list[str], str | None]:
        is_dns = "dns" in ((action or "").lower(), (name or "").lower()) or (action or "").startswith("DNS")
        return (["protocol"], text) if is_dns else (["access"], None)

    return by_distinct(find, (TEXTS, pa.string()), action_type, protocol, target)


_OTHER_CATEGORIES = {
    "smb file copy": ("file", "creation"),
    "powershell execution": ("process", "start"),
    "wmi execution": ("process", "start"),
    "service creation": ("configuration", "creation"),
    "task scheduling": ("configuration", "creation"),
    "directory service replication": ("iam", "info"),
    "private data retrieval": ("iam", "info"),
}
_CHANGES = {"creat": "creation", "added": "change", "delet": "deletion", "remov": "change"}


@by_action
def directory_action(action_type: str | None) -> Categorised:
    """Of IdentityDirectoryEvents: iam, except for what is no change of an identity."""
    text = (action_type or "").lower()
    if text in _OTHER_CATEGORIES:
        category, event_type = _OTHER_CATEGORIES[text]
        return action_name(action_type), [category], [event_type]
    kind = next(
        (kind for word, kind in _CHANGES.items() if word in text), "change" if "chang" in text else "info"
    )
    subject = ["group"] if "group" in text else ["user"] if "account" in text or "user" in text else []
    return action_name(action_type), ["iam"], [kind, *subject]
