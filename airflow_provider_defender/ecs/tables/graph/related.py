"""`related.*`, gathered in one place from the other ECS fields of a row."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, TypeAlias

from ...columns import host_name
from ...mapping import Fields
from .values import LONGEST_KEPT, address, are_short, known

__all__ = ["RELATED", "Part", "related_of", "together", "with_related"]

RELATED = ("related.hash", "related.hosts", "related.ip", "related.user")
"""What `related_of` gives."""
_GIVEN = frozenset(RELATED)

_HOSTS = (".domain", ".hostname", "host.name", "dns.question.name")
_ADDRESSES = (".ip", ".resolved_ip")
_USERS = (".name", ".id", ".email")
_OF_MAIL = "related.user and related.hosts"
_MAIL = tuple(f"email.{end}.address" for end in ("from", "sender", "reply_to", "to", "cc", "bcc"))


@lru_cache(maxsize=4096)
def _relation(field: str) -> str | None:
    """The `related` field that a field's values belong to."""
    owner = field.rpartition(".")[0]
    if field.startswith("related.") or field == "host.domain":  # the domain that a host is a member of
        return None
    if ".hash." in field:
        return "related.hash"
    if field.endswith(_ADDRESSES):
        return "related.ip"
    if field in _MAIL or (owner.split(".")[-1] in ("user", "target", "effective") and field.endswith(_USERS)):
        return "related.user"
    return "related.hosts" if field.endswith(_HOSTS) and "user" not in owner.split(".") else None


@lru_cache(maxsize=4096)
def _plan(names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Of the names of a row's fields those with related values, and where these belong; `related.*` first."""
    given = [(name, name) for name in RELATED if name in names]
    found = [
        (name, _OF_MAIL if name in _MAIL else relation) for name in names if (relation := _relation(name))
    ]
    return (*given, *found)


class Part(dict[str, Any]):
    """Fields that several rows share, with what follows from them; it must not be changed.

    Attributes:
        related: the fields `related.*` of a row that has only these fields.
        whole: all fields, with `related`.
    """

    __slots__ = ("related", "whole")

    def __init__(self, fields: Fields) -> None:
        super().__init__(fields)
        self.related = related_of(fields)
        self.whole = {**_unrelated(fields), **self.related}


def _unrelated(fields: Fields) -> Fields:
    return {name: value for name, value in fields.items() if name not in _GIVEN}


def related_of(fields: Fields) -> dict[str, list[str]]:
    """`related.*` of a row: what is there already, then the values of its other fields; each value once.

    Hosts are host names in lower case, also the domains of mail; a host that is an address belongs to
    `related.ip`. Users are names, ids and addresses of users, and the addresses of mail; display names are
    not.
    """
    if isinstance(fields, Part):
        return fields.related
    found: dict[str, dict[str, None]] = {}
    for name, relation in _plan(tuple(fields)):
        value = fields[name]
        if value is None:
            continue
        if type(value) is not str:
            pairs = _relations(relation, tuple(value)) if value else ()
        elif relation == "related.user":
            found.setdefault(relation, {})[value] = None
            continue
        elif relation == "related.hash":
            found.setdefault(relation, {})[value.rpartition(":")[2]] = None
            continue
        else:
            pairs = (_kept_related if len(value) <= LONGEST_KEPT else _related)(relation, value)
        for where, values in pairs:
            found.setdefault(where, {}).update(values)
    return {name: list(found[name]) for name in RELATED if name in found}


def together(parts: Fields | tuple[Fields, ...]) -> Fields:
    """The fields of all parts, with lists of `related.*` of all of them."""
    if not isinstance(parts, tuple):
        return {**parts}
    return {name: value for part in with_related(parts) for name, value in part.items()}


def with_related(parts: Sequence[Fields]) -> tuple[Fields, ...]:
    """The parts of a row, none of which has a field of another's, and `related.*` of all of them."""
    row: list[Fields] = []
    seen: set[str] = set()
    for part in parts:
        related = related_of(part)
        if related:
            if not seen.isdisjoint(related):
                return _merged(parts)
            seen.update(related)
        if isinstance(part, Part):
            row.append(part.whole)
        elif related or not _GIVEN.isdisjoint(part):
            row.append({**_unrelated(part), **related})
        else:
            row.append(part)
    return tuple(row)


def _merged(parts: Sequence[Fields]) -> tuple[Fields, ...]:
    """Likewise, where parts have the same field of `related.*`: the values of all of them."""
    found: dict[str, dict[str, None]] = {}
    for part in parts:
        for name, values in related_of(part).items():
            found.setdefault(name, {}).update(dict.fromkeys(values))
    related = {name: list(values) for name, values in found.items()}
    return (*map(_unrelated, parts), related)


_Related: TypeAlias = "tuple[tuple[str, dict[str, None]], ...]"


def _related(relation: str, value: str) -> _Related:
    """Where a value belongs, and how it is written there."""
    plain: str | None = value
    if relation == _OF_MAIL:
        return _related("related.user", value) + _related("related.hosts", value.rpartition("@")[2])
    if relation == "related.hosts":
        plain = host_name(value)
        if plain is None:
            relation, plain = "related.ip", address(value)
    elif relation == "related.ip":
        plain = address(value)
    elif relation == "related.hash":
        plain = value.rpartition(":")[2]  # an image's digest names its algorithm
    return ((relation, {plain: None}),) if plain is not None and known(plain) else ()


_kept_related = lru_cache(maxsize=16384)(_related)


def _relations(relation: str, values: tuple[str | None, ...]) -> _Related:
    """`_related` of all values of a list."""
    short = len(values) <= _MOST_KEPT and are_short(values)
    return (_kept_list if short else _related_list)(relation, values)


def _related_list(relation: str, values: tuple[str | None, ...]) -> _Related:
    found: dict[str, dict[str, None]] = {}
    for value in values:
        for where, plain in _related(relation, value) if type(value) is str else ():
            found.setdefault(where, {}).update(plain)
    return tuple(found.items())


_MOST_KEPT = 8
_kept_list = lru_cache(maxsize=16384)(_related_list)
