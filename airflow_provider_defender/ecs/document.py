"""The mapping tables of the documentation, generated from the mappings themselves.

`python -m airflow_provider_defender.ecs.document [source]` writes them as Markdown.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pyarrow as pa

from .fields import ECS_FIELDS, ECS_VERSION, EVENT_FIELDS, SEED_FIELDS, leaf_fields
from .mapping import Mapping
from .registry import find_mapping, registered, schema

__all__ = ["MappingRow", "deviation_table", "main", "mapping_table", "markdown"]

_ENGINE_NOTES = {
    "@timestamp": "the first of these that is known; a record without any is rejected",
    "ecs.version": "the ECS that the fields are checked against",
    "event.ingested": "the run's start",
    "event.original": "the record's exact text, on its first row only; can be switched off",
}


class MappingRow(NamedTuple):
    """One field of a dataset, and whether its value is constant, copied, computed, derived or unfilled."""

    field: str
    type: str
    source: str
    how: str
    note: str


def mapping_table(source: str | Mapping) -> list[MappingRow]:
    """Every field of the mapping's dataset outside `microsoft` and `landing`, in the schema's order.

    Fields that this source never fills are included as `unfilled`.
    """
    mapping = find_mapping(source)
    known = {row.field: row for row in _filled(mapping)}
    rows = []
    for name, arrow_type in leaf_fields(schema(mapping)).items():
        if not name.startswith(("microsoft.", "landing.", f"{mapping.container}.")):
            row = known.get(name, MappingRow(name, "", "", "unfilled", ""))
            rows.append(row._replace(type=_type_name(name, arrow_type)))
    return rows


def _filled(mapping: Mapping) -> Iterator[MappingRow]:
    for name, value in mapping.constants.items():
        text = ", ".join(value) if isinstance(value, (list, tuple)) else str(value)
        yield MappingRow(name, "", text, "constant", mapping.notes.get(name, ""))
    for name, origin in mapping.copies.items():
        yield MappingRow(name, "", origin, "copied", mapping.notes.get(name, ""))
    for entry in mapping.computed:
        for name in entry.fields:
            origins = entry.sources.get(name, entry.inputs)
            inputs = ", ".join(dict.fromkeys(origin.removesuffix("#ticks") for origin in origins))
            yield MappingRow(name, "", inputs, "computed", mapping.notes.get(name, entry.note))
    if mapping.derived is not None:
        inputs = ", ".join(mapping.derived.inputs) or mapping.items or ""
        for name in mapping.derived.fields:
            note = mapping.derived.notes.get(name, mapping.derived.note)
            yield MappingRow(name, "", inputs, "derived", mapping.notes.get(name, note))
    sources = {"@timestamp": ", ".join(mapping.times), "ecs.version": ECS_VERSION}
    for name, note in _ENGINE_NOTES.items():
        yield MappingRow(name, "", sources.get(name, ""), "computed", note)


def _type_name(name: str, arrow_type: pa.DataType) -> str:
    named = ECS_FIELDS.get(name) or EVENT_FIELDS.get(name) or SEED_FIELDS.get(name)
    return named.replace("[]", " (list)") if named else str(arrow_type)


def deviation_table(source: str | Mapping) -> list[tuple[str, str, str, str]]:
    """Deviations from the seed: field, the seed's value, the rows' value, and the reason."""
    return [(each.field, each.seed, each.ours, each.reason) for each in find_mapping(source).deviations]


def markdown(source: str | Mapping) -> str:
    """Both tables as Markdown."""
    mapping = find_mapping(source)
    parts = [
        f"## {mapping.source} → {mapping.dataset}\n",
        _markdown_table(("Field", "Type", "From", "How", "Note"), mapping_table(mapping)),
    ]
    if mapping.deviations:
        parts += [
            "### Deviations from the seed\n",
            _markdown_table(("Field", "Seed", "Here", "Reason"), deviation_table(mapping)),
        ]
    return "\n".join(parts)


def _markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [_markdown_row(head), _markdown_row(["---"] * len(head)), *map(_markdown_row, rows)]
    return "\n".join(lines) + "\n"


def _markdown_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the tables of one source, or of all, to the standard output."""
    parser = argparse.ArgumentParser(description="Mapping tables in Markdown.")
    parser.add_argument("source", nargs="?", help="a source's name; all if left out")
    source = parser.parse_args(arguments).source
    for mapping in [find_mapping(source)] if source else registered():
        sys.stdout.write(markdown(mapping) + "\n")


if __name__ == "__main__":
    main()
