"""Filters of records, applied after reading."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

__all__ = ["NoFilter", "RecordFilter", "Sieve"]

_MOST_SEEN = 200
"""Values of a filtered property that are remembered."""


class RecordFilter(Protocol):
    """A filter of records by the texts of some properties."""

    def as_dict(self) -> Mapping[str, Sequence[str]]:
        """The values that pass, by property; empty if all records pass."""
        ...

    def warnings(self, seen: Mapping[str, Collection[str]]) -> Sequence[str]:
        """Return a warning for each value that may be misspelt, since no record had it (`seen`)."""
        ...


class NoFilter:
    """Lets every record pass."""

    def as_dict(self) -> Mapping[str, Sequence[str]]:
        """Empty: all records pass."""
        return {}

    def warnings(self, seen: Mapping[str, Collection[str]]) -> Sequence[str]:
        """None."""
        return []


class Sieve:
    """Applies a filter, regardless of case, as the APIs do.

    A record that cannot be read, or that lacks the property, passes: a filter must not drop it. `seen`
    collects the values that occurred, by property.
    """

    def __init__(self, filters: RecordFilter) -> None:
        self.seen: dict[str, set[str]] = {}
        self._wanted = {
            name: {value.casefold() for value in values} for name, values in filters.as_dict().items()
        }

    @property
    def properties(self) -> tuple[str, ...]:
        """The properties that it filters by."""
        return tuple(self._wanted)

    def passes(self, texts: Sequence[str | None]) -> bool:
        """Whether a record with these texts, in the order of `properties`, passes."""
        passes = True
        for (name, values), text in zip(self._wanted.items(), texts, strict=False):
            if text is None:
                continue
            met = self.seen.setdefault(name, set())
            if len(met) < _MOST_SEEN:
                met.add(text)
            passes = passes and text.casefold() in values
        return passes
