"""Pages of the alerts API: cut into records without reading them."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import msgspec

__all__ = ["Page", "PageBody", "read_page"]


class Page(NamedTuple):
    """One page of raw alerts.

    `records` are the alerts' exact JSON texts, views into the page's body; `served_at` is the service's
    own time of the answer (header `Date`, UTC, whole seconds); `number` counts from 1.
    """

    records: list[msgspec.Raw]
    served_at: datetime
    number: int


class PageBody(msgspec.Struct):
    """The envelope of a page."""

    value: list[msgspec.Raw]
    next_link: str | None = msgspec.field(name="@odata.nextLink", default=None)


_DECODER = msgspec.json.Decoder(PageBody)


def read_page(body: bytes) -> PageBody:
    """Cut a body into its records. Raises ValueError, with a reason, for HTML, broken JSON, another shape."""
    try:
        return _DECODER.decode(body)
    except msgspec.ValidationError as error:
        raise ValueError(f"JSON of another shape ({error})") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        start = body[:200].lstrip().lower()
        kind = "HTML" if start.startswith(b"<") else "an empty body" if not start else "broken JSON"
        raise ValueError(kind) from None
