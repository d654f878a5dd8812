"""Directive `{code-table} <name>`: a table made from the code, so that it cannot say anything else.

The tables are Markdown texts made by the functions in `TABLES`; the tests read them as well.
"""

from __future__ import annotations

import errno
import inspect
import json
import os
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
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
            code(cloud.defender.host or "") or ("the connection's `host`" if cloud.is_custom else "none"),
            code(cloud.defender.scope or "") or "none",
            codes(", ".join(f"*.{family}" for family in cloud.defender.families)) or "only `host` itself",
            code(cloud.graph.host or "") or "the connection's `host`",
        )
        for cloud in CLOUDS.values()
    ]
    return markdown_table(
        ("`cloud`", "Login host", "API host", "Scope", "Page links may lead to", "Microsoft Graph"), rows
    )


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
        for name, parameter in inspect.signature(operator).parameters.items()
        if name != "kwargs"
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


_GOLDEN = Path(__file__).parents[2] / "tests" / "golden"
_OWN_COLUMNS = ("microsoft.", "landing.")
_MANY_TYPES = 12


def fields_by_evidence(source: str) -> dict[str, list[str]]:
    """Type of evidence → the ECS fields that its golden cases show: what the functions fill, as tested.

    Empty for a source without such cases.
    """
    found: dict[str, set[str]] = {}
    for path in sorted(_GOLDEN.glob(f"{source}/evidence/*/*.json")):
        fields = found.setdefault(path.parent.name, set())
        for rows in json.loads(path.read_text("utf-8"))["rows"].values():
            fields.update(name for row in rows for name, value in row.items() if value is not None)
    return {
        name: sorted(each for each in fields if not each.startswith(_OWN_COLUMNS))
        for name, fields in found.items()
    }


def evidence_fields(source: str) -> str:
    """The ECS fields that each type of evidence fills, by the golden cases."""
    rows = [(code(name), codes(", ".join(fields))) for name, fields in fields_by_evidence(source).items()]
    return markdown_table(("Type", "ECS fields"), rows)


def mapped_fields(source: str) -> str:
    """The ECS fields that a source fills; of derived ones, by which types of evidence."""
    from airflow_provider_defender.ecs.document import mapping_table

    types: dict[str, list[str]] = {}
    for name, fields in fields_by_evidence(source).items():
        for field in fields:
            types.setdefault(field, []).append(name.removesuffix("Evidence"))
    rows = [
        (
            code(row.field),
            row.type,
            code(row.source) if row.how == "constant" else codes(row.source),
            row.how,
            _with_types(row.note, types.get(row.field, []) if row.how == "derived" else []),
        )
        for row in mapping_table(source)
        if row.how != "unfilled"
    ]
    return markdown_table(("Field", "Type", "From", "How", "Note"), rows)


def _with_types(note: str, types: Sequence[str]) -> str:
    """A note with the types of evidence that fill the field; not with very many."""
    return f"{note} Of {', '.join(types)}." if 0 < len(types) < _MANY_TYPES else note


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


def action_types(table: str = "") -> str:
    """What each action type of a table means; without a table, of all that have none."""
    from airflow_provider_defender.ecs.tables.streaming.actions import catalogue, has_actions

    entries, _ = catalogue()
    shown = [entry for entry in entries if (entry.table == table if table else not has_actions(entry.table))]
    rows = [
        (
            _of_action(entry.action_type, entry.table if not table else ""),
            code(entry.action),
            "" if entry.kind == "event" else code(entry.kind),
            codes(", ".join(entry.categories.split())),
            codes(", ".join(entry.types.split())),
            code(entry.outcome),
            entry.reason,
        )
        for entry in shown
    ]
    first = "Action type" if table else "Table"
    return markdown_table((first, "`action`", "`kind`", "`category`", "`type`", "`outcome`", "Note"), rows)


def _of_action(action_type: str, table: str) -> str:
    return code(table) or ("all others" if action_type == "*" else code(action_type))


def action_words(table: str) -> str:
    """The rules by words of a table."""
    from airflow_provider_defender.ecs.tables.streaming.actions import catalogue

    meanings = {"word": "has the word", "stem": "has a word that begins with", "start": "begins with"}
    rows = [
        (
            meanings.get(rule.rule, "ends with"),
            codes(", ".join(rule.texts.split())),
            code("event.type" if rule.field == "subject" else f"event.{rule.field}"),
            code(rule.value),
            rule.reason or ("Besides the type, for `iam`." if rule.field == "subject" else ""),
        )
        for rule in catalogue()[1]
        if rule.table == table
    ]
    return markdown_table(("It", "One of", "Field", "Value", "Note"), rows)


def landing_columns() -> str:
    """The columns that say where a row comes from."""
    from airflow_provider_defender.ecs import schema
    from airflow_provider_defender.ecs.fields import leaf_fields

    leaves = leaf_fields(schema("alerts").field("landing").type)
    return markdown_table(
        ("Column", "Type"), [(code(f"landing.{name}"), code(str(each))) for name, each in leaves.items()]
    )


# Errors -------------------------------------------------------------------------------------------


def entra_advice() -> str:
    """What Entra ID's error numbers mean and what to do."""
    from airflow_provider_defender.hooks._entra.advice import ADVICE

    merged: dict[Any, list[int]] = {}
    for number, advice in ADVICE.items():
        merged.setdefault(advice, []).append(number)
    rows = [
        (
            ", ".join(f"AADSTS{number}" for number in numbers),
            advice.meaning,
            advice.remedy,
            advice.outcome.value,
        )
        for advice, numbers in merged.items()
    ]
    return markdown_table(("Number", "Meaning", "What to do", "What the task does"), rows)


def api_refusals() -> str:
    """What the refusals of each API are raised as."""
    from airflow_provider_defender.hooks._endpoint.api import ENDPOINT_API
    from airflow_provider_defender.hooks._graph.api import GRAPH_ALERTS, GRAPH_INCIDENTS
    from airflow_provider_defender.hooks._rest.errors import COMMON_RULES

    def either(*roles: str) -> str:
        return " or ".join(map(code, roles))

    graph = f"{either(*GRAPH_ALERTS.roles)} (alerts), {either(*GRAPH_INCIDENTS.roles)} (incidents)"
    of_each = [
        *((rule, "Microsoft Graph", graph) for rule in GRAPH_ALERTS.errors),
        *((rule, "Endpoint API", either(*ENDPOINT_API.roles)) for rule in ENDPOINT_API.errors),
        *((rule, "both", "") for rule in COMMON_RULES),
    ]
    of_each.sort(key=lambda each: each[0].status or 0)
    rows = [
        (str(rule.status), api, code(rule.error.__name__), rule.remedy.replace("{roles}", roles))
        for rule, api, roles in of_each
    ]
    return markdown_table(("HTTP status", "API", "Error", "What to do"), rows)


_MORE = {
    "CredentialError": "[codes](#error-codes-of-entra-id), [stores](#errors-of-stores)",
    "ConflictingRun": "[several runs at once](guarantees.md#several-runs-at-once)",
    "HostUnreachable": "[certificates and proxies]"
    "(connections.md#corporate-certificate-authorities-and-proxies)",
    "MessagesLost": "[gaps](events_dag.md#gaps)",
    "PermissionMissing": "[alerts and incidents](entra_id.md#2-grant-the-permissions), "
    "[hubs](event_hub.md#4-choose-how-the-provider-signs-in)",
    "StoreUnavailable": "[stores](#errors-of-stores)",
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
    from airflow_provider_defender.stores.opening import meanings

    rows = [
        (code(error.__name__), explained(error)[0], code(meaning.__name__))
        for error, meaning in meanings().items()
    ]
    return markdown_table(("The lake's error", "Meaning", "Tasks raise"), rows)


def store_errors() -> str:
    """What errors of stores mean, with the names and numbers that they are known by."""
    from airflow_provider_defender.stores import meanings as tables

    known: dict[Any, list[str]] = {}
    for number, meaning in tables.STATUSES.items():
        if number < HTTPStatus.INTERNAL_SERVER_ERROR:
            known.setdefault(meaning, []).append(f"HTTP {number}")
    known[tables.STATUSES[500]].append("HTTP 5xx")
    for name, meaning in [*tables.CODES.items(), *tables.CLASSES.items()]:
        known.setdefault(meaning, []).append(code(name.removeprefix("builtins.")))
    for number, meaning in tables.LOCAL.items():
        known.setdefault(meaning, []).append(code(errno.errorcode[number]))
    rows = [
        (meaning.what, ", ".join(names), f"{meaning.remedy}.", code(meaning.error.__name__))
        for meaning, names in known.items()
    ]
    return markdown_table(("What it means", "Known by", "What to do", "Tasks raise"), rows)


def filter_values() -> str:
    """The values that filters know."""
    from airflow_provider_defender.categories import ALERT_CATEGORIES
    from airflow_provider_defender.hooks._endpoint.filters import SEVERITIES, STATUSES
    from airflow_provider_defender.hooks._graph.filters import SERVICE_SOURCES

    free = "free text, as in the API; named by Microsoft are"
    rows = [
        ("`severity`", codes(", ".join(SEVERITIES))),
        ("`status`", codes(", ".join(STATUSES))),
        ("`category`", f"{free} {codes(', '.join(ALERT_CATEGORIES))}"),
        ("`service_source` (Graph only)", f"{free} {codes(', '.join(SERVICE_SOURCES))}"),
    ]
    return markdown_table(("Filter", "Values (in any case)"), rows)


def alert_sources() -> str:
    """The sources of alerts: path, products, role, order of the pages."""
    from airflow_provider_defender.hooks._endpoint.api import ALERTS_PATH, ENDPOINT_API
    from airflow_provider_defender.hooks._graph import api

    rows = [
        (
            "`endpoint_alerts` (default)",
            code(ALERTS_PATH),
            "Endpoint",
            code(ENDPOINT_API.roles[0]),
            "by `id`",
        ),
        ("`graph_alerts`", code(api.ALERTS_PATH), "all", code(api.GRAPH_ALERTS.roles[0]), "by update time"),
    ]
    return markdown_table(("`source`", "API", "Products", "Role", "Order of the pages"), rows)


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
    "action-types": action_types,
    "action-words": action_words,
    "api-refusals": api_refusals,
    "clouds": clouds,
    "connection-fields": connection_fields,
    "deviations": deviations,
    "entra-advice": entra_advice,
    "event-tables": event_tables,
    "evidence-fields": evidence_fields,
    "alert-sources": alert_sources,
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
