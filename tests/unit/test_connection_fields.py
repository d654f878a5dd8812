"""The table of connection fields: form and hook docstrings follow from it."""

from __future__ import annotations

import inspect

import pytest

from airflow_provider_defender import hooks
from airflow_provider_defender._connection_fields import (
    CONNECTION_TYPES,
    ConnectionType,
    with_connection_fields,
)

TYPES = list(CONNECTION_TYPES.values())


def hook_of(kind: ConnectionType) -> type:
    return getattr(hooks, kind.hook_class.rpartition(".")[2])  # type: ignore[no-any-return]


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.name)
def test_the_hooks_docstring_lists_every_field_before_its_parameters(kind: ConnectionType) -> None:
    text, _, parameters = (inspect.getdoc(hook_of(kind)) or "").partition("\n:param ")
    assert parameters
    assert kind.docstring() in text
    for field in kind.fields:
        line = next(line for line in text.splitlines() if f"`{field.name}` ({field.label})" in line)
        assert line.startswith("- " if field.standard else "- extra ")


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.name)
def test_sections_are_not_torn_apart(kind: ConnectionType) -> None:
    """Airflow's form shows a section once, with all of its fields; the order in it is that of the table."""
    sections = [field.section for field in kind.fields]
    assert sections == sorted(sections, key=sections.index)
    assert sections[0] == "Standard fields"
    assert len({field.name for field in kind.fields}) == len(kind.fields)


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.name)
def test_no_text_leans_on_a_place_in_the_form(kind: ConnectionType) -> None:
    for field in kind.fields:
        assert field.help.endswith(".")
        assert not {"above", "below", "around"} & set(field.help.split())


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.name)
def test_the_port_is_shown_for_airflows_test_button(kind: ConnectionType) -> None:
    behaviour = kind.provider_info()["ui-field-behaviour"]
    assert "port" not in behaviour["hidden-fields"]
    assert behaviour["placeholders"]["port"].startswith("9093" if kind.name == "event_hub" else "443")


def test_a_hook_without_docstrings_is_left_alone() -> None:
    """As under `python -OO`."""

    class Bare:
        __doc__ = None

    assert with_connection_fields("entra_id")(Bare).__doc__ is None
