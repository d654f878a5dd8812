"""Directive `{code-table} <name>`: a table made from the code, so that it cannot say anything else.

The tables are Markdown texts made by the functions in `TABLES`; the tests read them as well.
"""

from __future__ import annotations

import errno
import inspect
import os
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown; the cells are Markdown, too."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def code(text: str) -> str:
    """A text as Markdown code, empty where it is empty."""
    return f"`{text}`" if text else ""


def codes(text: str) -> str:
    """Names with commas between them, each as code."""
    return ", ".join(code(part.strip()) for part in text.split(",") if part.strip())


# Connections --------------------------------------------------------------------------------------


def connection_fields(kind: str) -> str:
    """A table for each section of a connection type's form: label, name in JSON, default and meaning."""
    from airflow_provider_defender._connection_fields import CONNECTION_TYPES

    sections: dict[str, list[tuple[str, ...]]] = {}
    for each in CONNECTION_TYPES[kind].fields:
        meaning = f"{each.help} One of {codes(', '.join(each.choices))}." if each.choices else each.help
        sections.setdefault(each.section, []).append(
            (f"{each.label}<br>{code(each.name)}", each.default_text, meaning)
        )
    head = ("In the form, in JSON", "If empty", "Meaning")
    return "\n\n".join(f"**{name}**\n\n{markdown_table(head, rows)}" for name, rows in sections.items())


def clouds() -> str:
    """The clouds with their hosts and scopes."""
    from airflow_provider_defender.clouds import CLOUDS

    rows = [
        (
            code(cloud.name),
            code(cloud.authority_hosts[0]) if cloud.authority_hosts else "the connection's `host`",
            code(cloud.defender_host or "") or ("the connection's `host`" if cloud.is_custom else "none"),
            code(cloud.defender_scope or "") or "none",
            codes(", ".join(f"*.{family}" for family in cloud.defender_families)) or "only `host` itself",
        )
        for cloud in CLOUDS.values()
    ]
    return markdown_table(("`cloud`", "Login host", "API host", "Scope", "Page links may lead to"), rows)


# Operators ----------------------------------------------------------------------------------------


def _value(value: Any) -> str:
    if not isinstance(value, timedelta):
        return repr(value)
    for unit, size in (("hours", 3600), ("minutes", 60)):
        if value.total_seconds() % size == 0:
            return f"timedelta({unit}={value.total_seconds() // size:.0f})"
    return f"timedelta(seconds={value.total_seconds():g})"


def operator_options(name: str = "DefenderAlertsToParquetOperator") -> str:
    """The options of an operator."""
    from airflow_provider_defender import operators

    return option_defaults(getattr(operators, name))


def sensor_options(name: str = "DefenderAlertSensor") -> str:
    """The options of a sensor."""
    from airflow_provider_defender import sensors

    return option_defaults(getattr(sensors, name))


def docstring_sections(documented: type) -> dict[str, str]:
    """The parts of a Google-style docstring: `""` for what comes first, then `Args`, `Returns`, `Raises`."""
    parts = re.split(
        r"^(Args|Returns|Raises|Attributes):\n", inspect.getdoc(documented) or "", flags=re.MULTILINE
    )
    return {"": parts[0], **dict(zip(parts[1::2], map(inspect.cleandoc, parts[2::2]), strict=True))}


def described_names(section: str) -> dict[str, str]:
    """The names that a section such as `Args` lists: name → its description."""
    entries = re.split(r"^(\w+): ", section, flags=re.MULTILINE)[1:]
    return {name: " ".join(text.split()) for name, text in zip(entries[::2], entries[1::2], strict=True)}


def option_defaults(operator: type) -> str:
    """Every option of an operator with its default, its type, and what it does."""
    templated = set(getattr(operator, "template_fields", ()))
    described = described_names(docstring_sections(operator).get("Args", ""))
    rows = [
        (
            f"{code(name)}{' (templated)' if name in templated else ''}<br>{code(str(parameter.annotation))}",
            "required" if parameter.default is parameter.empty else code(_value(parameter.default)),
            described.get(name, ""),
        )
        for name, parameter in inspect.signature(operator.__init__).parameters.items()
        if name not in ("self", "kwargs")
    ]
    return markdown_table(("Option, type", "Default", "Meaning"), rows)


def _operator_or_sensor(name: str) -> type:
    from airflow_provider_defender import operators, sensors

    found: type = getattr(operators if hasattr(operators, name) else sensors, name)
    return found


def about(name: str) -> str:
    """What an operator or sensor does, by its docstring."""
    return docstring_sections(_operator_or_sensor(name))[""].strip()


def outcome(name: str) -> str:
    """What an operator or sensor returns and raises, by its docstring."""
    sections = docstring_sections(_operator_or_sensor(name))
    parts = []
    if returned := sections.get("Returns"):
        parts.append(f"**Returns:** {returned}")
    if raised := described_names(sections.get("Raises", "")):
        lines = [f"* `{error}`: {text}" for error, text in raised.items()]
        parts.append("\n".join(["**Raises:**", "", *lines]))
    return "\n\n".join(parts)


# Mapping ------------------------------------------------------------------------------------------


def mapped_fields(source: str) -> str:
    """The ECS fields that a source fills."""
    from airflow_provider_defender.ecs.document import mapping_table

    rows = [
        (
            code(row.field),
            row.type,
            code(row.source) if row.how == "constant" else codes(row.source),
            row.how,
            row.note,
        )
        for row in mapping_table(source)
        if row.how != "unfilled"
    ]
    return markdown_table(("Field", "Type", "From", "How", "Note"), rows)


def unfilled_fields(source: str) -> str:
    """The ECS fields of the dataset that a source leaves null."""
    from airflow_provider_defender.ecs.document import mapping_table

    return codes(", ".join(row.field for row in mapping_table(source) if row.how == "unfilled"))


def deviations(source: str) -> str:
    """Where the rows differ from the document that the mapping was made from."""
    from airflow_provider_defender.ecs.document import deviation_table

    rows = [(codes(field), was, here, reason) for field, was, here, reason in deviation_table(source)]
    return markdown_table(("Field", "There", "Here", "Reason"), rows)


def own_properties(source: str) -> str:
    """The columns that hold the record's own properties."""
    from airflow_provider_defender.ecs import find_mapping
    from airflow_provider_defender.ecs.fields import leaf_fields

    mapping = find_mapping(source)
    leaves = leaf_fields(mapping.container_type)
    rows = [
        (code(f"{mapping.container}.{name}"), code(str(arrow_type))) for name, arrow_type in leaves.items()
    ]
    return markdown_table(("Column", "Type"), rows)


def event_tables() -> str:
    """The datasets of an event hub: how many ECS fields and columns of its own each has."""
    from airflow_provider_defender.ecs import registered
    from airflow_provider_defender.ecs.fields import leaf_fields

    rows = [
        (
            code(mapping.dataset),
            str(len(mapping.fields)),
            str(len(leaf_fields(mapping.container_type))),
            codes(", ".join(mapping.times)),
        )
        for mapping in sorted(registered(), key=lambda each: each.dataset)
        if mapping.source.startswith("event_hub/")
    ]
    return markdown_table(("Dataset", "ECS fields", "Own columns", "`@timestamp` from"), rows)


def landing_columns() -> str:
    """The columns that say where a row comes from."""
    from airflow_provider_defender.ecs import schema
    from airflow_provider_defender.ecs.fields import leaf_fields

    leaves = leaf_fields(schema("alerts").field("landing").type)
    return markdown_table(
        ("Column", "Type"), [(code(f"landing.{name}"), code(str(kind))) for name, kind in leaves.items()]
    )


# Errors -------------------------------------------------------------------------------------------


def entra_advice() -> str:
    """What Entra ID's error numbers mean and what to do."""
    from airflow_provider_defender.hooks._advice import ADVICE

    merged: dict[Any, list[int]] = {}
    for number, advice in ADVICE.items():
        merged.setdefault(advice, []).append(number)
    rows = [
        (
            ", ".join(f"AADSTS{number}" for number in numbers),
            advice.meaning,
            advice.cure,
            advice.outcome.value,
        )
        for advice, numbers in merged.items()
    ]
    return markdown_table(("Number", "Meaning", "What to do", "What the task does"), rows)


def api_refusals() -> str:
    """What the API's refusals are raised as."""
    from airflow_provider_defender.hooks._statuses import REFUSALS

    rows = [(str(status), code(each.error.__name__), each.cure) for status, each in REFUSALS.items()]
    return markdown_table(("HTTP status", "Error", "What to do"), rows)


_MORE = {
    "CredentialError": "[numbers](#what-entra-ids-numbers-mean), [stores](#what-a-stores-errors-mean)",
    "ConflictingRun": "[several runs at once](guarantees.md#several-runs-at-once)",
    "HostUnreachable": "[certificates and proxies](connections.md#a-corporate-authority-and-proxies)",
    "MessagesLost": "[gaps](events_dag.md#gaps)",
    "PermissionMissing": "[alerts](entra_id.md#2-grant-the-permission), "
    "[hubs](event_hub.md#4-choose-how-the-provider-signs-in)",
    "StoreUnavailable": "[stores](#what-a-stores-errors-mean)",
    "Throttled": "[the API's quota](alerts_dag.md#the-apis-quota)",
    "UnexpectedHost": "[who gets tokens](connections.md#where-secrets-and-tokens-go)",
}
"""Where pages say more about an error."""


def explained(error: type) -> tuple[str, str]:
    """What an error's docstring says has happened, and what to do."""
    happened: list[str] = []
    for paragraph in (inspect.getdoc(error) or "").split("\n\n"):
        text = " ".join(paragraph.split())
        if text.startswith("What to do: "):
            cure = text.removeprefix("What to do: ")
            return " ".join(happened), cure[0].upper() + cure[1:]
        happened.append(text)
    return " ".join(happened), ""


def task_errors() -> str:
    """What tasks raise, in the order of what to do next."""
    from airflow_provider_defender import exceptions
    from airflow_provider_defender.compat import AirflowFailException

    rows = []
    for family in (exceptions.FailNow, exceptions.TryAgain, exceptions.StopAndLook):
        errors = [getattr(exceptions, name) for name in exceptions.__all__]
        for error in (each for each in errors if issubclass(each, family) and each is not family):
            happened, cure = explained(error)
            more = f" See {_MORE[error.__name__]}." if error.__name__ in _MORE else ""
            retries = "no" if issubclass(error, AirflowFailException) else "yes"
            rows.append((code(error.__name__), happened, cure + more, retries, code(family.__name__)))
    return markdown_table(("Error", "What has happened", "What to do", "Airflow retries", "Family"), rows)


def lake_errors() -> str:
    """What the lake raises by itself, and what tasks raise in its place."""
    from airflow_provider_defender.operators._lake import meanings

    rows = [
        (code(error.__name__), explained(error)[0], code(meaning.__name__))
        for error, meaning in meanings().items()
    ]
    return markdown_table(("The lake's error", "Meaning", "Tasks raise"), rows)


def store_errors() -> str:
    """What errors of stores mean, with the names and numbers that they are known by."""
    from airflow_provider_defender.operators import _store_errors as tables

    known: dict[Any, list[str]] = {}
    for number, meaning in tables.STATUSES.items():
        if number < 500:
            known.setdefault(meaning, []).append(f"HTTP {number}")
    known[tables.STATUSES[500]].append("HTTP 5xx")
    for name, meaning in [*tables.CODES.items(), *tables.CLASSES.items()]:
        known.setdefault(meaning, []).append(code(name.removeprefix("builtins.")))
    for number, meaning in tables.LOCAL.items():
        known.setdefault(meaning, []).append(code(errno.errorcode[number]))
    rows = [
        (meaning.what, ", ".join(names), f"{meaning.cure}.", code(meaning.error.__name__))
        for meaning, names in known.items()
    ]
    return markdown_table(("What it means", "Known by", "What to do", "Tasks raise"), rows)


def filter_values() -> str:
    """The values that filters know."""
    from airflow_provider_defender.categories import ALERT_CATEGORIES
    from airflow_provider_defender.hooks._filters import SEVERITIES, STATUSES

    rows = [("`severity`", codes(", ".join(SEVERITIES))), ("`status`", codes(", ".join(STATUSES)))]
    category = f"free text, as in the API; named by Microsoft are {codes(', '.join(ALERT_CATEGORIES))}"
    return markdown_table(("Filter", "Values (in any case)"), [*rows, ("`category`", category)])


def simulator_help() -> str:
    """The simulator's options as its command line shows them."""
    from airflow_provider_defender.simulator.__main__ import _parser

    width, os.environ["COLUMNS"] = os.environ.get("COLUMNS"), "100"
    try:
        return f"```text\n{_parser().format_help()}```"
    finally:
        os.environ.pop("COLUMNS") if width is None else os.environ.update(COLUMNS=width)


TABLES: dict[str, Callable[..., str]] = {
    "about": about,
    "api-refusals": api_refusals,
    "clouds": clouds,
    "connection-fields": connection_fields,
    "deviations": deviations,
    "entra-advice": entra_advice,
    "event-tables": event_tables,
    "filter-values": filter_values,
    "lake-errors": lake_errors,
    "landing-columns": landing_columns,
    "mapped-fields": mapped_fields,
    "operator-options": operator_options,
    "outcome": outcome,
    "own-properties": own_properties,
    "sensor-options": sensor_options,
    "simulator-help": simulator_help,
    "store-errors": store_errors,
    "task-errors": task_errors,
    "unfilled-fields": unfilled_fields,
}


class CodeTable(SphinxDirective):
    """`{code-table} <name> [argument]`: the table of that name."""

    required_arguments = 1
    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Make the table and parse it."""
        name, *rest = self.arguments
        self.env.note_reread()  # it depends on the code, which Sphinx does not watch
        made = self.parse_text_to_nodes(TABLES[name](*rest))
        for node in made:
            if isinstance(node, nodes.table):
                node["classes"].append(name)  # for the columns' widths
        return made


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("code-table", CodeTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
