"""`$filter` over the properties that a service names; the grammar is tested with those of the alerts API."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from airflow_provider_defender.simulator.server.odata import FilterError, Properties, compile_filter

TICKET = Properties(
    "Ticket",
    times=frozenset({"updated"}),
    values=frozenset({"state", "number"}),
    numbers=frozenset({"number"}),
    collections=frozenset({"labels"}),
)


@dataclass
class Ticket:
    fields: dict[str, Any]
    body: Any = field(default_factory=dict)


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("state eq 'open'", True),
        ("number gt 7", False),
        ("updated ge 1970-01-01T00:00:01Z", True),
        ("labels/any(l: l/name eq 'red')", True),
        ("labels/any(l: l/name eq 'blue')", False),
    ],
)
def test_properties_of_any_type(text: str, matches: bool) -> None:
    ticket = Ticket({"state": "open", "number": 7, "updated": 10_000_000}, {"labels": [{"name": "red"}]})
    assert compile_filter(text, TICKET)(ticket) is matches


@pytest.mark.parametrize("text", ["severity eq 'High'", "number eq '7'", "comments/any()"])
def test_everything_else_is_refused_by_the_types_name(text: str) -> None:
    with pytest.raises(FilterError, match=r"'(Ticket|number)'"):
        compile_filter(text, TICKET)
