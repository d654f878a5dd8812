"""An alert of Microsoft Graph, as the functions of evidence types see it."""

from __future__ import annotations

from functools import cached_property
from typing import TypeAlias

from ...mapping import Fields
from .related import Part
from .values import Item, text, texts, type_of

__all__ = ["Alert", "Fields", "Item", "Parts", "Roles", "roles_of"]

Parts: TypeAlias = "Fields | tuple[Fields, ...]"
"""The fields of a row, or several parts of them, none of which has a field of another's."""

Roles: TypeAlias = "frozenset[str]"
"""What part an item plays (`evidenceRole`), in lower case."""


class Alert:
    """An alert: its parsed properties, and its evidence.

    Attributes:
        record: the alert's properties.
        items: its evidence, one object a row.
        hosts: the fields of hosts that are known already, by `mdeDeviceId`.
    """

    def __init__(self, record: Item, items: list[Item]) -> None:
        self.record = record
        self.items = items
        self.hosts: dict[str, Part] = {}

    @cached_property
    def service_source(self) -> str:
        """The product (`serviceSource`), in lower case; empty if unknown."""
        return (text(self.record, "serviceSource") or "").lower()

    @cached_property
    def status(self) -> str:
        """The alert's status, in lower case."""
        return (text(self.record, "status") or "").lower()

    @cached_property
    def category(self) -> str:
        """The alert's category, in lower case."""
        return (text(self.record, "category") or "").lower()

    @cached_property
    def devices(self) -> dict[str, Item]:
        """The alert's device evidence by `mdeDeviceId`; the first one of each."""
        found: dict[str, Item] = {}
        for item in self.items:
            if type_of(item) == "deviceEvidence":
                identifier = text(item, "mdeDeviceId")
                if identifier is not None:
                    found.setdefault(identifier, item)
        return found


def roles_of(item: Item) -> Roles:
    """The roles of an item, in lower case: `source`, `attacked` and so on."""
    found = item.get("roles")
    return frozenset(role.lower() for role in texts(item, "roles")) if found else frozenset()
