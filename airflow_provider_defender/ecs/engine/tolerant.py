"""Reading objects that are not as documented: values that fit their column, and the rest."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from .shapes import ColumnType, ListOf, Shape
from .strict import strict_type
from .values import ABSENT_TEXTS, MISMATCH, clean_text, convert

__all__ = ["MOST_PATHS", "Unmapped", "UnmappedCounts", "read_tolerantly"]

MOST_PATHS = 1000
"""The most different properties that are counted."""
_LONGEST_PATH = 256


@dataclass
class Unmapped:
    """What has no typed column, as parsed JSON: of the record, and of each of its items."""

    record: dict[str, Any] = field(default_factory=dict)
    items: dict[int, Any] = field(default_factory=dict)


@dataclass
class UnmappedCounts:
    """Counts, by property, the values that did not fit and those without a column; and new action types."""

    mismatches: Counter[str] = field(default_factory=Counter)
    unmapped: Counter[str] = field(default_factory=Counter)
    actions: Counter[str] = field(default_factory=Counter)

    def take(self) -> tuple[dict[str, int], dict[str, int]]:
        """Return type mismatches and unmapped fields so far, and start again."""
        taken = dict(self.mismatches), dict(self.unmapped)
        self.mismatches.clear()
        self.unmapped.clear()
        return taken

    def take_actions(self) -> dict[str, int]:
        """Return the unknown action types so far, and start again."""
        taken = dict(self.actions)
        self.actions.clear()
        return taken

    @staticmethod
    def add(counter: Counter[str], path: str, times: int = 1) -> None:
        """Add to a count. Beyond 1,000 different paths, the others share one entry; long paths are cut."""
        path = clean_text(path[:_LONGEST_PATH])
        counter[path if path in counter or len(counter) < MOST_PATHS else "(others)"] += times


class _TolerantReader:
    """Reads one parsed object into the strict class, and collects what does not fit."""

    def __init__(self, items: str | None, counts: UnmappedCounts) -> None:
        self._items = items
        self._counts = counts
        self.unmapped_items: dict[int, Any] = {}

    def read(self, shape: Shape, data: dict[str, Any], unmapped: dict[str, Any], path: str = "") -> Any:
        values: dict[str, Any] = {}
        properties = shape.properties
        others = []
        for key, value in data.items():
            if key in properties:
                values[key] = self._value(properties[key], key, value, unmapped, path + key)
            else:
                others.append(key)
        for key in others:
            name = shape.by_lower_case.get(key.lower())
            if (name is None and shape.partial) or _is_constant(shape, key, data[key]):
                continue
            if name is None:
                unmapped[key] = data[key]
                if not _is_annotation(key):
                    self._counts.add(self._counts.unmapped, path + key)
            elif values.get(name) is None:
                values[name] = self._value(properties[name], key, data[key], unmapped, path + name)
            elif data[key] is not None and data[key] != data.get(name):
                unmapped[key] = data[key]
        return strict_type(shape)(*map(values.get, properties))

    def _value(
        self, column_type: ColumnType, key: str, value: Any, unmapped: dict[str, Any], path: str
    ) -> Any:
        if isinstance(column_type, ListOf):
            result = self._list(column_type.item, key, value, unmapped, path)
        elif isinstance(column_type, Shape):
            result = self._object(column_type, key, value, unmapped, path)
        else:
            result = convert(column_type, value)
        if result is MISMATCH:
            unmapped[key] = value
            self._counts.add(self._counts.mismatches, path)
            return None
        return result

    def _object(self, shape: Shape, key: str, value: Any, unmapped: dict[str, Any], path: str) -> Any:
        if not isinstance(value, dict):
            return convert("string", value) and MISMATCH
        rest: dict[str, Any] = {}
        result = self.read(shape, value, rest, f"{path}.")
        if rest:
            unmapped[key] = rest
        return result

    def _list(self, item_type: ColumnType, key: str, value: Any, unmapped: dict[str, Any], path: str) -> Any:
        if not isinstance(value, list):
            if isinstance(value, dict) or isinstance(item_type, Shape):
                return None if value in (None, *ABSENT_TEXTS) else MISMATCH
            value = [value] if convert("string", value) is not None else None
            if value is None:
                return None
        result: list[Any] = []
        rest: dict[str, Any] = {}
        is_items = path == self._items
        for place, item in enumerate(value):
            if item is None:
                continue
            number = str(place)
            read = self._value(item_type, number, item, rest, path)
            if is_items and number in rest:
                self.unmapped_items[len(result)] = rest.pop(number)
            if read is not None or is_items:
                result.append(read)
        if rest:
            unmapped[key] = rest
        return result


def _is_constant(shape: Shape, key: str, value: Any) -> bool:
    return bool(shape.constants) and value is not None and shape.constants.get(key) == value


def _is_annotation(key: str) -> bool:
    """Whether it is an annotation of OData, which is no property: `alerts@odata.context`.

    Not so a link, which says that a list goes on elsewhere.
    """
    return "@odata." in key and not key.endswith("Link")


def read_tolerantly(
    shape: Shape, items: str | None, data: dict[str, Any], counts: UnmappedCounts
) -> tuple[Any, Unmapped]:
    """Return an object of the strict class with all that fits, and the rest."""
    reader = _TolerantReader(items, counts)
    unmapped = Unmapped()
    result = reader.read(shape, data, unmapped.record)
    unmapped.items = reader.unmapped_items
    return result, unmapped
