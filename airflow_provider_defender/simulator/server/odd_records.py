"""How records are made odd: changed in one way, or with a value of another type in one property."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

__all__ = ["WRONG_VALUES", "Change", "changed_records", "copied", "setting", "wrong_types"]

_Record = dict[str, Any]
Change = Callable[[_Record], None]

#: Name → value that fits few properties.
WRONG_VALUES: tuple[tuple[str, Any], ...] = (
    ("number", 42),
    ("fraction", 1.5),
    ("text", "not what was expected"),
    ("empty text", ""),
    ("boolean", True),
    ("list", ["x", 1, None]),
    ("object", {"unexpected": {"nested": [1, 2, {"deep": None}]}}),
)


def copied(record: _Record) -> _Record:
    """A copy that shares nothing with the record."""
    copy: _Record = msgspec.json.decode(msgspec.json.encode(record))
    return copy


def setting(**values: Any) -> Change:
    """The change that sets these properties."""
    return lambda record: record.update(values)


def changed_records(record: _Record, changes: Mapping[str, Change]) -> Iterator[tuple[str, bytes]]:
    """The name of each change, and the bytes of the record with it."""
    for name, change in changes.items():
        changed = copied(record)
        change(changed)
        yield name, msgspec.json.encode(changed)


def wrong_types(record: _Record) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of the record with each wrong value in each property but the id, and without it."""
    for name in record:
        if name != "id":
            for label, value in WRONG_VALUES:
                yield f"{name}: {label}", msgspec.json.encode({**record, name: value})
            left_out = {other: value for other, value in record.items() if other != name}
            yield f"{name}: missing", msgspec.json.encode(left_out)
