"""Pages of a REST API, split into records without parsing these.

A page is complete, or it is no page. Everything outside its records is parsed strictly; only the inside of a
record may be broken, and then it affects no other record.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from airflow_provider_defender.exceptions import PagingBroken
from airflow_provider_defender.hooks._connection.redaction import excerpt
from airflow_provider_defender.json_scanner import BROKEN, after_blanks, cut_list, parse_strictly, value_end

__all__ = ["Page", "PageBody", "read_any", "read_page"]


class Page(NamedTuple):
    """One page of raw records.

    `records` are their exact JSON texts, as views into the page's body; `served_at` is the response's time by
    the service's clock (header `Date`, UTC, whole seconds); `number` counts from 1; `last`: no page follows.
    `complete_until`, in ticks of 100 ns: this page and those before it hold every record with an earlier time
    in the queried property; None: that is known only after the last page.
    """

    records: list[msgspec.Raw]
    served_at: datetime
    number: int
    last: bool = True
    complete_until: int | None = None


class PageBody(NamedTuple):
    """A page's records, and the link to the next page; None if this is the last one."""

    value: list[msgspec.Raw]
    next_link: str | None = None


class _Shape(msgspec.Struct):
    value: msgspec.Raw


_SHAPE = msgspec.json.Decoder(_Shape)
_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_BROKEN_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_LINK = "@odata.nextLink"
_KNOWN = frozenset({"value", _LINK, "@odata.context", "@odata.count"})
_MOST_RECORDS = 500_000
"""Fifty times the largest page of Defender's: each record takes 64 to 250 bytes here, however short it is."""
_LARGEST_ENVELOPE = 1024 * 1024
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_ERROR_MARKS = (b"rror", b"RROR", b"xception", b'"code"', b'"Code"', b'"message"', b'"Message"')
_ID = b'{"id":"'
_ERROR_NAME = re.compile(r"error|exception")
# RFC 9457, and what ASP.NET adds to it.
_PROBLEM = frozenset({"type", "title", "status", "detail", "instance", "traceid", "errors"})
# What a link, or another way to the next page, is called.
_LIKE_A_LINK = re.compile(r"next|link|skip|continu|cursor|token", re.IGNORECASE)
_LIKE_AN_ADDRESS = re.compile(r'://|\?|"/')


def read_page(body: bytes, members: frozenset[str] = frozenset()) -> PageBody:
    """Split a body into its records.

    The body must be one JSON object with one list `value` and members that are known (`members` are the
    API's own), or are annotations (with an `@` in their name) that can be neither an error nor a link under
    another name. A record that is
    no proper JSON (half of a surrogate pair, say) is cut out by its quotes and brackets, as long as these
    match, and handed on as it is.

    Raises:
        ValueError: this is no whole page; the text says why, in a few words.
        PagingBroken: the link is empty, or stands under another name.
    """
    body = body.removeprefix(_BYTE_ORDER_MARK)  # RFC 8259, section 8.1: may be passed over
    start = body[:200].lstrip().lower()
    if start.startswith(b"<") or not start:
        raise ValueError("HTML" if start else "an empty body")
    begin = _list_begin(body)
    records, end = _records(body, begin)
    link = _link(_members(body[:begin] + b"[]" + body[end:], _KNOWN | members))
    _refuse_errors(body, records)
    return PageBody(records, link)


def read_any(body: bytes, members: frozenset[str] = frozenset()) -> PageBody:
    """Split a page into its records; also accepts a single object or a plain list.

    Raises as `read_page` does.
    """
    bare = body.removeprefix(_BYTE_ORDER_MARK)
    records = _plain_list(bare) if bare.lstrip()[:1] == b"[" else _single_object(bare)
    if records is None:
        return read_page(body, members)
    _refuse_errors(bare, records)
    return PageBody(records)


def _plain_list(body: bytes) -> list[msgspec.Raw] | None:
    try:
        return _LIST.decode(body)
    except _BROKEN_JSON:
        return None


def _single_object(body: bytes) -> list[msgspec.Raw] | None:
    """The body as the only record, if it has neither a list of records nor a link to more of them."""
    try:
        members = _MEMBERS.decode(body)
    except _BROKEN_JSON:
        return None
    listed = bytes(members.get("value", b""))[:1] == b"["
    linked = any(name.lower().endswith("nextlink") for name in members)
    return None if listed or linked else [msgspec.Raw(body.strip())]


# Records ----------------------------------------------------------------------------------------


def _records(body: bytes, begin: int) -> tuple[list[msgspec.Raw], int]:
    """The records of the list that begins at `begin`, and where the list ends."""
    most = 4 * _MOST_RECORDS
    if len(body) > most and body.count(b",") > most:  # there may be too many, which the faster way finds late
        return cut_list(body, begin, most=_MOST_RECORDS)
    try:
        return _strict_records(body, begin)
    except _BROKEN_JSON:
        return cut_list(body, begin, most=_MOST_RECORDS)


def _strict_records(body: bytes, begin: int) -> tuple[list[msgspec.Raw], int]:
    """The same for a body that is proper JSON; another raises."""
    end = body.rfind(b"]") + 1
    try:
        return _LIST.decode(memoryview(body)[begin:end]), end
    except _BROKEN_JSON:
        pass  # also if that bracket belongs to another member
    text = _SHAPE.decode(body).value
    # Of a member that stands twice this is the last; the strict look at the members finds that.
    return _LIST.decode(text), begin + len(memoryview(text))


def _refuse_errors(body: bytes, records: list[msgspec.Raw]) -> None:
    """Refuse a page with an error among its records: the service broke off in the middle of the answer."""
    # Nearly every record begins with its id; to search all the text for marks takes much longer. Where some
    # do not, a quick look first, but for the last, behind which an answer breaks off. Microsoft's own errors
    # are `{"error": {"code": …, "message": …}}`.
    suspects = [record for record in records if bytes(memoryview(record)[: len(_ID)]) != _ID]
    if suspects and not any(mark in body for mark in _ERROR_MARKS):
        suspects = records[-1:]
    if any(map(_is_error, suspects)):
        raise ValueError("an error among its records")


def _is_error(record: msgspec.Raw) -> bool:
    """Whether this is no record, but what a service says of an error: by its names, and it has no `id`."""
    names = {name.lower() for name, value in _members_of(record).items() if value is not None}
    if not names or "id" in names:
        return False
    return (
        "message" in names or {"title", "status"} <= names <= _PROBLEM or any(map(_ERROR_NAME.search, names))
    )


def _members_of(record: msgspec.Raw) -> dict[str, Any]:
    """A record's members, also where it is no strict JSON: an error's text may have raw line feeds."""
    try:
        return {
            name: None if bytes(value) == b"null" else value
            for name, value in _MEMBERS.decode(record).items()
        }
    except _BROKEN_JSON:
        pass
    try:
        members = json.loads(bytes(record).decode("utf-8", "replace"), strict=False)
    except (ValueError, RecursionError):
        return {}
    return members if isinstance(members, dict) else {}


# What stands around the records -------------------------------------------------------------------


def _list_begin(body: bytes) -> int:
    """Where the list `value` of the page begins."""
    at = after_blanks(body, 0)
    if body[at : at + 1] != b"{":
        raise ValueError(_shape("no object") if body[at : at + 1] == b"[" else BROKEN)
    at = after_blanks(body, at + 1)
    while body[at : at + 1] == b'"':
        end = value_end(body, at)
        name = parse_strictly(body[at:end])
        at = after_blanks(body, end)
        if body[at : at + 1] != b":":
            raise ValueError(BROKEN)
        at = after_blanks(body, at + 1)
        if name == "value" and body[at : at + 1] == b"[":
            return at
        at = after_blanks(body, value_end(body, at))
        if body[at : at + 1] == b"}":
            raise ValueError(_shape("no list of records"))
        at = after_blanks(body, at + 1)
    raise ValueError(_shape("no list of records") if body[at : at + 1] == b"}" else BROKEN)


def _members(envelope: bytes, known: frozenset[str]) -> dict[str, Any]:
    """The page's members, read strictly; the list of records is empty here."""
    if len(envelope) > _LARGEST_ENVELOPE:
        raise ValueError(_shape("more than a page has around its records"))
    parse_strictly(envelope)  # `json` lets pass some of what is no JSON
    try:
        members: dict[str, Any] = json.loads(envelope.decode(), object_pairs_hook=_each_once)
    except RecursionError:
        raise ValueError(BROKEN) from None
    for name, value in members.items():
        if name not in known and not name.lower().endswith("nextlink"):
            _check_annotation(name, value)
    return members


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError(_shape("a member that stands twice"))
    return members


def _check_annotation(name: str, value: Any) -> None:
    """Let an unknown member pass only if it is an annotation that changes nothing.

    One whose value holds an address may be the page link with a damaged name: then this would not be the
    last page.
    """
    if "@" not in name or _ERROR_NAME.search(name.lower()):
        raise ValueError(_shape(f"the unknown member {excerpt(name, length=40)!r}"))
    if _LIKE_AN_ADDRESS.search(json.dumps(value)):
        raise ValueError(_shape(f"an address as {excerpt(name, length=40)!r}"))
    if _LIKE_A_LINK.search(name):
        raise ValueError(_shape(f"{excerpt(name, length=40)!r}, which may lead to a next page"))


def _link(members: dict[str, Any]) -> str | None:
    for name in members:
        if name != _LINK and name.lower().endswith("nextlink"):
            raise PagingBroken(
                f"a page's link stands under the name {excerpt(name, length=40)!r}, not {_LINK!r}, so the "
                "pages after it cannot be trusted. Look at the API's answers."
            )
    link = members.get(_LINK)
    if link is None:
        return None
    if not isinstance(link, str):
        raise ValueError(_shape("a page link that is no text"))
    if not link.strip():
        raise PagingBroken(
            "a page's link is empty, so whether a page follows cannot be known. Look at the API's answers."
        )
    return link


def _shape(what: str) -> str:
    return f"JSON of another shape ({what})"
