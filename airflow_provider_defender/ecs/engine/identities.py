"""Identities: key and version of records, read without mapping them."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias, cast

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from airflow_provider_defender.timestamps import parse_ticks

from .. import mapping as mappings
from ..columns import join_known, lower_guid
from ..registry import find_mapping
from .bounds import MAX_RECORD_BYTES, check_size, reject_key
from .collector import collector_paused
from .typed import ticks_of_all
from .values import ABSENT_TEXTS, UnreadableError, convert, parse_object

__all__ = ["Identity", "IdentityReader", "Record", "bytes_of", "identities", "identity_columns"]

Record: TypeAlias = "bytes | bytearray | memoryview | msgspec.Raw"
"""A record as a source delivers it."""

_ABSENT = frozenset({None, *ABSENT_TEXTS})
_ABSENT_COLUMN = pa.array(list(_ABSENT), pa.string())
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_text = msgspec.json.Decoder(str | None).decode


class Identity(NamedTuple):
    """The identity of one version of a record, and the properties that were read with it.

    Attributes:
        key: `<tenant>/<id>`, with a tenant's GUID in lower case; only the id if no tenant is known;
            `reject:<sha256 of the bytes>` for a record that cannot be read or has no id.
        version: the update time exactly as sent; `content:<sha256 of the bytes>` for a record without one; ""
            for a record that cannot be read or has no id.
        updated: the version in ticks of 100 ns since 1970; None if it is no time.
        properties: the texts of the properties that were asked for, in that order. None if a record has no
            text there, or "", "-" or "N/A", or if it is not strict JSON.
    """

    key: str
    version: str
    updated: int | None = None
    properties: tuple[str | None, ...] = ()


def identities(
    source: str | mappings.Mapping,
    records: Iterable[Record],
    *,
    tenant: str | None = None,
    properties: Sequence[str] = (),
) -> list[Identity]:
    """Return the identity of each record, in the same order.

    Key and version are those in `landing` of the record's rows, or in its reject. Each record is parsed once,
    and only as far as needed. The result can be passed to `map_batches` or `RecordMapper.map`, which then
    need not determine the identities again.

    Args:
        source: the name of a registered mapping, for example `endpoint_alerts`, or a mapping. Not an event
            hub, whose messages are identified by their offsets.
        records: JSON objects as the source sent them, in UTF-8.
        tenant: the tenant that they were read from; None: the one that a record itself names.
        properties: names of further properties to read, for example those that a filter needs. The exact
            spelling counts first, then one that differs in case.

    Raises:
        ValueError: no mapping has this name. Unreadable records raise nothing; they get `reject:…` keys.
    """
    with collector_paused():
        return IdentityReader(find_mapping(source), properties).read_all(records, lower_guid(tenant))


def bytes_of(record: Record) -> bytes:
    """The record as bytes; as a view if it is too large to be read anyway."""
    if isinstance(record, bytes):
        return record
    view = memoryview(record)
    return cast("bytes", view) if len(view) > MAX_RECORD_BYTES else bytes(view)


class IdentityReader:
    """Reads identities, first strictly, and tolerantly if that fails."""

    def __init__(self, mapping: mappings.Mapping, properties: Sequence[str] = ()) -> None:
        self._mapping = mapping
        self._properties = properties
        names = (mapping.key, mapping.version, *properties)
        fields = [(f"p{number}", str | None, None) for number in range(len(names))]
        spelling = {f"p{number}": name for number, name in enumerate(names)}
        skim = msgspec.defstruct("Skim", fields, rename=spelling, gc=False)
        self._decode = msgspec.json.Decoder(skim).decode
        self._unread = (None,) * len(names)

    def read(self, record: bytes, tenant: str | None) -> Identity:
        """The record's identity. A GUID as `tenant` must be in lower case."""
        key, version, known = self._read(record, tenant)
        return Identity(key, version, parse_ticks(version), known)

    def read_all(self, records: Iterable[Record], tenant: str | None) -> list[Identity]:
        """The identities of records of one tenant."""
        found = [self._read(record, tenant) for record in records]
        ticks = _all_ticks([version for _, version, _ in found])
        return [
            Identity(key, version, updated, known)
            for (key, version, known), updated in zip(found, ticks, strict=True)
        ]

    def _read(self, record: Record, tenant: str | None) -> tuple[str, str, tuple[str | None, ...]]:
        """Key, version and properties."""
        try:
            found = msgspec.structs.astuple(self._decode(record))
        except _UNREADABLE:
            found = self._unread
        identifier, version = found[:2]
        is_known = identifier not in _ABSENT and version not in _ABSENT
        if not is_known or (tenant is None and self._mapping.tenant is not None):
            key, version = self._read_tolerantly(bytes_of(record), tenant)
        else:
            key = f"{tenant}/{identifier}" if tenant else identifier
        if not self._properties:
            return key, version, ()
        known = tuple(map(_known_text, found[2:]))
        if None in known:
            known = self._other_spellings(record, known)
        return key, version, known

    def _read_tolerantly(self, record: bytes, tenant: str | None) -> tuple[str, str]:
        try:
            check_size(record)
            data = parse_object(record)
        except UnreadableError:
            return reject_key(record), ""
        identifier = _first_text(data, self._mapping.key)
        if identifier is None:
            return reject_key(record), ""
        version = _first_text(data, self._mapping.version, only_text=True)
        if not tenant and self._mapping.tenant is not None:
            tenant = lower_guid(_first_text(data, self._mapping.tenant))
        return (
            f"{tenant}/{identifier}" if tenant else identifier,
            version or f"content:{hashlib.sha256(record).hexdigest()}",
        )

    def _other_spellings(self, record: Record, known: tuple[str | None, ...]) -> tuple[str | None, ...]:
        try:
            members = _decode_members(record)
        except _UNREADABLE:
            return known
        return tuple(
            _member_text(members, name) if text is None else text
            for name, text in zip(self._properties, known, strict=True)
        )


def identity_columns(
    reader: IdentityReader,
    records: Sequence[bytes],
    *,
    own_keys: pa.Array,
    sent_versions: pa.Array,
    odd: Container[int],
    tenants: pa.Array,
) -> tuple[pa.Array, pa.Array]:
    """Keys and versions of records whose columns have been read; only odd records are read again.

    Args:
        reader: reads the odd records.
        records: the bytes of all records.
        own_keys: the property that is the mapping's key.
        sent_versions: the property that is the mapping's version, as texts.
        odd: the numbers of records that were not read strictly.
        tenants: the tenant of each.
    """
    keys = pc.coalesce(join_known("/", tenants, own_keys), own_keys)
    known = pc.invert(pc.is_in(sent_versions, _ABSENT_COLUMN)).to_pylist()
    unsure = [number for number, sure in enumerate(known) if not sure or number in odd]
    if not unsure:
        return keys, sent_versions
    key_texts, version_texts = keys.to_pylist(), sent_versions.to_pylist()
    for number in unsure:
        found = reader.read(records[number], tenants[number].as_py())
        key_texts[number], version_texts[number] = found.key, found.version
    return pa.array(key_texts, pa.string()), pa.array(version_texts, pa.string())


def _all_ticks(versions: Sequence[str]) -> Sequence[int | None]:
    """`parse_ticks` of each, at once if all are usual times."""
    ticks = ticks_of_all(pa.array(versions, pa.string())) if versions else None
    return list(map(parse_ticks, versions)) if ticks is None else ticks.to_pylist()


def _spellings(data: Iterable[str], name: str) -> list[str]:
    """The name itself, then the keys that differ from it only in case."""
    return [name, *(key for key in data if key != name and key.lower() == name.lower())]


def _first_text(data: Mapping[str, Any], name: str, *, only_text: bool = False) -> str | None:
    """The property's text under the first spelling that has one; numbers count unless `only_text`."""
    for spelling in _spellings(data, name):
        value = data.get(spelling)
        text = convert("string", value)
        if isinstance(text, str) and (isinstance(value, str) or not only_text):
            return text
    return None


def _member_text(members: Mapping[str, msgspec.Raw], name: str) -> str | None:
    """Like `_first_text`, from unparsed members, of which only texts count."""
    for spelling in _spellings(members, name):
        try:
            text = _known_text(_decode_text(members.get(spelling, b"null")))
        except _UNREADABLE:
            continue
        if text is not None:
            return text
    return None


def _known_text(text: str | None) -> str | None:
    text = text.strip() if text else None
    return None if text in _ABSENT else text
