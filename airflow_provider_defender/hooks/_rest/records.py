"""Raw records as Python values."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import compress
from typing import Any

import msgspec

from airflow_provider_defender.hooks._connection.redaction import excerpt
from airflow_provider_defender.hooks._rest.filters import ValueFilter
from airflow_provider_defender.hooks._rest.pages import Page

__all__ = ["as_dict", "as_dicts"]

_DECODER = msgspec.json.Decoder(dict[str, Any])


def as_dicts(pages: Iterable[Page], filters: ValueFilter | None = None) -> Iterator[dict[str, Any]]:
    """Yield the records of pages that pass the filters as dicts.

    Holds one page at a time. Raises ValueError for a record that is no JSON object.
    """
    each = iter(pages)
    while (page := next(each, None)) is not None:
        raw = page.records if filters is None else compress(page.records, filters.wanted(page.records))
        records = map(as_dict, raw)
        del page, raw  # or two would be held while the next one comes
        yield from records
        del records


def as_dict(raw: msgspec.Raw) -> dict[str, Any]:
    """A record as a dict, even if a text in it contains a lone surrogate or a raw line break."""
    try:
        return _DECODER.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    text = bytes(raw).decode("utf-8", "replace")
    try:
        record = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict):
        raise ValueError(f"a record is no JSON object, but {excerpt(text, length=120)!r}")
    return record
