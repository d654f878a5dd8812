"""Pages of the alerts API: cut into records without reading them."""

from __future__ import annotations

import re
from datetime import datetime
from typing import NamedTuple

import msgspec

__all__ = ["Page", "PageBody", "read_page"]


class Page(NamedTuple):
    """One page of raw alerts.

    `records` are the alerts' exact JSON texts, views into the page's body; `served_at` is the service's
    own time of the answer (header `Date`, UTC, whole seconds); `number` counts from 1; `last` says that no
    page follows.
    """

    records: list[msgspec.Raw]
    served_at: datetime
    number: int
    last: bool = True


class PageBody(msgspec.Struct):
    """The envelope of a page."""

    value: list[msgspec.Raw]
    next_link: str | None = msgspec.field(name="@odata.nextLink", default=None)


_DECODER = msgspec.json.Decoder(PageBody)


_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{},:]', re.DOTALL)


def read_page(body: bytes) -> PageBody:
    """Cut a body into its records.

    One record that is no proper JSON (half of a surrogate pair, say) does not spoil the others: as long as
    quotes and brackets match, it is cut out by these and handed on as it is.
    Raises ValueError, with a reason, for HTML, JSON that is cut off, another shape.
    """
    try:
        return _DECODER.decode(body)
    except msgspec.ValidationError as error:
        raise ValueError(f"JSON of another shape ({error})") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        start = body[:200].lstrip().lower()
        if start.startswith(b"<") or not start:
            raise ValueError("HTML" if start else "an empty body") from None
        return _cut_by_brackets(body)


def _cut_by_brackets(body: bytes) -> PageBody:
    """The records of a page by its brackets alone; slower, and blind to what is inside a record."""
    records: list[msgspec.Raw] | None = None
    link = b"null"
    depth, begin, key, last = 0, 0, b"", b""
    for match in _TOKEN.finditer(body):
        token = match.group()
        if token in b"[{":
            depth += 1
            if depth == 2 and token == b"[" and key == b'"value"':
                records, begin = [], match.end()
        elif token in b"]},":
            if depth <= 2:
                text, begin = body[begin : match.start()].strip(), match.end()
                if depth == 2 and key == b'"value"' and records is not None and text:
                    records.append(msgspec.Raw(text))
                elif depth == 1 and key == b'"@odata.nextLink"':
                    link = text
            depth -= token != b","
        elif depth == 1 and token == b":":
            key, begin = last, match.end()
        last = token
    if depth or not body.rstrip().endswith(b"}"):
        raise ValueError("broken JSON")
    if records is None:
        raise ValueError("JSON of another shape (no list of records)")
    return PageBody(records, _link(link))


def _link(text: bytes) -> str | None:
    try:
        return msgspec.json.decode(text, type=str | None)
    except msgspec.DecodeError:
        raise ValueError("JSON of another shape (a page link that is no text)") from None
