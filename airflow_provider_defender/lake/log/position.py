"""The position of a source after a commit, from which the next run continues.

Each type of position registers itself under the tag that commits use for it, so that the log knows no type.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Change", "P", "Position", "dump_position", "parse_position", "registered"]


class Position(Protocol):
    """Where a source stands. Without arguments, a type makes the position of a log without commits."""

    tag: ClassVar[str]
    """The name of this type in commits."""

    def moved_from(self, before: Self) -> bool:
        """Whether this position differs from `before`, so that a commit must record it."""
        ...

    def dump(self) -> dict[str, Any]:
        """The position as JSON values."""
        ...

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Self:
        """The position from JSON values.

        Raises what `msgspec.convert` raises for a value of the wrong type, which would fail later or be
        misread; `ValueError` for a value without meaning.
        """
        ...


P = TypeVar("P", bound=Position)


class Change(Protocol[P]):
    """What one run adds to a position."""

    def apply(self, position: P, *, rebased: bool) -> P:
        """The position after this change; `rebased`: other commits came between reading and committing."""
        ...


_TYPES: dict[str, type[Position]] = {}


def registered(position_type: type[P]) -> type[P]:
    """Let commits hold positions of this type (a class decorator).

    Raises `ValueError` if another type has its tag.
    """
    tag = position_type.tag
    if tag in _TYPES:
        raise ValueError(f"{_TYPES[tag].__name__} and {position_type.__name__} have the same tag {tag!r}")
    _TYPES[tag] = position_type
    return position_type


def dump_position(position: Position) -> dict[str, Any]:
    """The position as JSON values, with its tag as `type`."""
    return {"type": position.tag, **position.dump()}


def parse_position(values: Mapping[str, Any]) -> Position:
    """The position in a commit; raises as its type's `parse` does, and `ValueError` for an unknown tag."""
    position_type = _TYPES.get(values["type"])
    if position_type is None:
        raise ValueError(
            f"a position of type {values['type']!r}: this release knows {', '.join(sorted(_TYPES))}"
        )
    return position_type.parse(values)
