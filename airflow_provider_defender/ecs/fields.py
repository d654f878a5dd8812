"""The fields of datasets: names and types of ECS 9.4.0, and the few fields that only the seed has.

A dataset's Arrow schema has one struct per ECS root, so that SQL reads `event.id`. Dates are UTC
timestamps in microseconds, IP addresses are strings, and a field is a list exactly if ECS says array.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple

import pyarrow as pa

from airflow_provider_defender.landing import TIMESTAMP

__all__ = [
    "ECS_FIELDS",
    "ECS_VERSION",
    "EVENT_FIELDS",
    "SEED_FIELDS",
    "TIMESTAMP",
    "field_type",
    "leaf_fields",
    "nested_schema",
]

ECS_VERSION = "9.4.0"

_ARROW_TYPES: dict[str, pa.DataType] = {
    "keyword": pa.string(),
    "wildcard": pa.string(),
    "match_only_text": pa.string(),
    "constant_keyword": pa.string(),
    "ip": pa.string(),
    "date": TIMESTAMP,
    "long": pa.int64(),
    "float": pa.float64(),
    "boolean": pa.bool_(),
}

_LEAST_CAPACITY = 256
"""The least length of columns that callers share: enough for a table of a small drain."""


def _parse(text: str) -> dict[str, str]:
    """`root type: leaf leaf …` lines as {field: type}; a leaf that ends in `[]` is a list."""
    fields = {}
    for line in text.strip().splitlines():
        head, leaves = line.split(":")
        root, ecs_type = head.split()
        for leaf in leaves.split():
            name = leaf.removesuffix("[]")
            full = name if root == "-" else f"{root}.{name}"
            fields[full] = ecs_type + ("[]" if leaf.endswith("[]") else "")
    return fields


ECS_FIELDS: dict[str, str] = _parse("""
- date: @timestamp
- match_only_text: message
- keyword: tags[]
ecs keyword: version
event keyword: kind category[] type[] action outcome id provider dataset module
event keyword: original timezone url reference reason
event long: severity duration
event float: risk_score
event date: created start end ingested
data_stream constant_keyword: type dataset namespace
cloud keyword: provider account.id instance.id instance.name project.id region
cloud keyword: availability_zone service.name
observer keyword: name product vendor
host keyword: id hostname name domain mac[] os.name os.platform os.type os.version risk.calculated_level
host keyword: type
host ip: ip[]
device keyword: id manufacturer model.name serial_number type
user keyword: id name domain email full_name
user keyword: target.id target.name target.domain target.email target.full_name
user_agent keyword: original name
group keyword: id name
organization keyword: id name
service keyword: id name
entity keyword: id name display_name type[] sub_type reference
gen_ai keyword: agent.id agent.name
process long: pid parent.pid
process keyword: entity_id name executable hash.md5 hash.sha1 hash.sha256 user.id user.name
process keyword: parent.entity_id parent.name parent.executable
process keyword: parent.hash.md5 parent.hash.sha1 parent.hash.sha256
process keyword: args[]
process long: args_count
process wildcard: command_line
process date: start parent.start
file keyword: name path directory extension fork_name code_signature.subject_name
file keyword: hash.md5 hash.sha1 hash.sha256
file long: size
registry keyword: hive key value path data.type
registry wildcard: data.strings[]
url wildcard: full original path
url keyword: scheme domain extension query fragment username password
url long: port
source ip: ip
source keyword: address domain geo.city_name geo.country_iso_code geo.country_name
source keyword: geo.region_name
source keyword: mac
source long: port
destination ip: ip
destination keyword: address domain geo.city_name geo.country_iso_code geo.country_name
destination keyword: geo.region_name
destination keyword: mac
destination long: port
network keyword: transport direction protocol type
network keyword: vlan.id vlan.name
dns keyword: question.name
dns ip: resolved_ip[]
email keyword: subject local_id direction sender.address from.address[] to.address[]
email keyword: cc.address[]
email wildcard: message_id
email date: delivery_timestamp
container keyword: id name image.name image.hash.all[]
container keyword: image.tag[] runtime
container boolean: security_context.privileged
orchestrator keyword: type namespace cluster.name cluster.version resource.name resource.type
orchestrator keyword: cluster.id resource.label[] resource.parent.type
orchestrator ip: resource.ip[]
rule keyword: id name description
threat keyword: framework tactic.id[] tactic.name[] technique.id[] technique.name[] software.name
threat keyword: group.name
threat keyword: technique.subtechnique.id[] technique.subtechnique.name[]
related ip: ip[]
related keyword: user[] hash[] hosts[]
""")
"""ECS field → ECS type, with `[]` for arrays. Only the fields that a mapping of alerts can fill: the dataset
`alerts` has a column for each of them."""

EVENT_FIELDS: dict[str, str] = _parse("""
event keyword: hash
observer keyword: version
host keyword: architecture os.full
user keyword: risk.calculated_level roles[]
user keyword: changes.email changes.full_name changes.name changes.roles[]
user keyword: effective.domain effective.email effective.id effective.name
error keyword: code
orchestrator keyword: api_version resource.id
file keyword: type
process keyword: parent.user.id parent.user.name working_directory
process wildcard: parent.command_line
process keyword: pe.company pe.description pe.file_version pe.original_file_name pe.product
process keyword: parent.pe.company parent.pe.description parent.pe.file_version
process keyword: parent.pe.original_file_name parent.pe.product parent.code_signature.status
process boolean: parent.code_signature.exists parent.code_signature.trusted
process keyword: parent.args[] parent.working_directory
process long: parent.args_count
process boolean: parent.code_signature.valid
file boolean: code_signature.exists code_signature.trusted
file keyword: code_signature.thumbprint_sha256 drive_letter
file keyword: x509.issuer.distinguished_name x509.issuer.country[] x509.issuer.locality[]
file keyword: x509.issuer.organization[] x509.issuer.organizational_unit[] x509.issuer.state_or_province[]
file keyword: x509.subject.distinguished_name x509.subject.country[] x509.subject.locality[]
file keyword: x509.subject.organization[] x509.subject.organizational_unit[]
file keyword: x509.subject.state_or_province[]
network keyword: name
file date: code_signature.timestamp x509.not_after x509.not_before
file keyword: x509.issuer.common_name[] x509.subject.common_name[] x509.serial_number
file keyword: origin_referrer_url origin_url
dll keyword: name path hash.md5 hash.sha1 hash.sha256
source keyword: as.organization.name
source long: as.number
destination keyword: as.organization.name
destination long: as.number
source keyword: geo.name
dns keyword: header_flags[] question.class question.type response_code
http keyword: request.method request.referrer version
http long: response.status_code
tls boolean: established
tls keyword: cipher client.server_name version version_protocol
tls keyword: curve next_protocol client.subject client.issuer client.ja3
tls keyword: server.subject server.issuer server.ja3s
tls boolean: resumed
http long: request.body.bytes response.body.bytes
http keyword: request.mime_type response.mime_type
dns keyword: id type
group keyword: domain
process keyword: parent.args[] parent.working_directory
process long: parent.args_count
rule keyword: ruleset
volume keyword: bus_type dos_name product_id product_name serial_number vendor_id vendor_name
volume long: size
vulnerability float: score.base
vulnerability keyword: category[] description enumeration id reference score.version severity
""")
"""Further ECS fields, filled only by mappings of events."""

SEED_FIELDS: dict[str, str] = _parse("""
cloud keyword: image.id
host boolean: containerized
host keyword: os.build os.codename
input keyword: type
log long: offset
""")
"""Fields of the seed's exported-fields table that ECS does not have."""


@cache
def field_type(field: str) -> pa.DataType:
    """The Arrow type of an ECS or seed field.

    Raises:
        KeyError: the field is neither one of the ECS fields used here nor in the seed.
    """
    ecs_type = ECS_FIELDS.get(field) or EVENT_FIELDS.get(field) or SEED_FIELDS[field]
    arrow_type = _ARROW_TYPES[ecs_type.removesuffix("[]")]
    return pa.list_(arrow_type) if ecs_type.endswith("[]") else arrow_type


def nested_schema(leaves: Mapping[str, pa.DataType]) -> pa.Schema:
    """Dotted names as nested structs, each root one column, in the order of first appearance."""
    tree: dict[str, Any] = {}
    for name, arrow_type in leaves.items():
        *path, last = name.split(".")
        node = tree
        for part in path:
            node = node.setdefault(part, {})
        node[last] = arrow_type
    return pa.schema(_fields(tree))


def _fields(tree: Mapping[str, Any]) -> list[pa.Field]:
    return [
        pa.field(name, pa.struct(_fields(node)) if isinstance(node, dict) else node)
        for name, node in tree.items()
    ]


def leaf_fields(fields: Iterable[pa.Field], prefix: str = "") -> dict[str, pa.DataType]:
    """The opposite of `nested_schema`: every leaf's dotted name and type. Lists of structs are leaves."""
    leaves = {}
    for field in fields:
        name = prefix + field.name
        if pa.types.is_struct(field.type):
            leaves.update(leaf_fields(field.type, f"{name}."))
        else:
            leaves[name] = field.type
    return leaves


@lru_cache(maxsize=512)
def _spare_nulls(arrow_type: pa.DataType, capacity: int) -> pa.Array:
    return pa.nulls(capacity, arrow_type)


def capacity_of(length: int) -> int:
    """How long a column is made that callers share parts of: a power of two, so that there are few."""
    return max(_LEAST_CAPACITY, 1 << (length - 1).bit_length() if length else 0)


def null_column(arrow_type: pa.DataType, length: int) -> pa.Array:
    """A column of nulls. All callers share its buffers, since wide schemas have few filled columns."""
    return _spare_nulls(arrow_type, capacity_of(length)).slice(0, length)


def positions(length: int) -> pa.Array:
    """The numbers from 0, as int32. All callers share their buffer, since they are slow to make."""
    return _spare_positions(capacity_of(length)).slice(0, length)


@lru_cache(maxsize=16)
def _spare_positions(capacity: int) -> pa.Array:
    return pa.array(range(capacity), pa.int32())


def zeros(length: int) -> pa.Array:
    """As many zeros, as int32. All callers share their buffer."""
    return _spare_zeros(capacity_of(length)).slice(0, length)


@lru_cache(maxsize=16)
def _spare_zeros(capacity: int) -> pa.Array:
    return pa.repeat(pa.scalar(0, pa.int32()), capacity)


class Nested(NamedTuple):
    """A field of a schema, with its dotted name, and all fields inside it if it is a struct."""

    name: str
    field: pa.Field
    fields: list[pa.Field]
    children: list[Nested]


def nested_fields(fields: Iterable[pa.Field], prefix: str = "") -> list[Nested]:
    """The fields of a schema as `nested_columns` takes them, to be made once for many calls."""
    nested = []
    for field in fields:
        name = prefix + field.name
        inside = list(field.type) if pa.types.is_struct(field.type) else []
        nested.append(Nested(name, field, inside, nested_fields(inside, f"{name}.")))
    return nested


def nested_columns(fields: Sequence[Nested], leaves: Mapping[str, pa.Array], length: int) -> list[pa.Array]:
    """The columns of a schema from its leaves by dotted name; missing leaves are null.

    A whole struct may be given as one leaf. No buffer is copied.
    """
    columns = [_nested_column(each, leaves, length) for each in fields]
    return [
        null_column(each.field.type, length) if column is None else column
        for each, column in zip(fields, columns, strict=True)
    ]


def _nested_column(nested: Nested, leaves: Mapping[str, pa.Array], length: int) -> pa.Array | None:
    """A column from its leaves; None if none of them is given."""
    name, _, fields, children = nested
    if name in leaves:
        return leaves[name]
    columns = [_nested_column(child, leaves, length) for child in children]
    if all(column is None for column in columns):
        return None
    filled = [
        null_column(field.type, length) if column is None else column
        for field, column in zip(fields, columns, strict=True)
    ]
    return pa.StructArray.from_arrays(filled, fields=fields)
