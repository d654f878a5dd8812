"""Placeholders and numbers that stand for none."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from airflow_provider_defender.ecs import columns


def texts(*values: Any) -> pa.Array:
    return pa.array(values, pa.string())


@pytest.mark.parametrize(
    "text", ["", " ", "-", ":", "N/A", "null", "NULL", "none specified", columns.NO_GUID, None]
)
def test_placeholders_are_no_texts(text: Any) -> None:
    assert columns.known_text(text) is None
    assert columns.known_name(text) is None


@pytest.mark.parametrize("text", ["Unknown", "None", "undefined", "not available"])
def test_words_for_nothing_are_no_names(text: str) -> None:
    assert columns.known_text(text) == text
    assert columns.known_name(text) is None
    assert columns.only_named(texts(text, "Windows11", None)).to_pylist() == [None, "Windows11", None]


def test_known_texts_are_trimmed() -> None:
    assert columns.known_text(" a ") == columns.known_name(" a ") == "a"


def test_only_known() -> None:
    column = texts("a", columns.NO_GUID, "null", ":", None, "NULL", " ", "none specified", "nullable", "::")
    assert columns.only_known(column).to_pylist() == ["a", *(None,) * 7, "nullable", "::"]
    assert columns.only_known(column, null_is_name=True).to_pylist()[2] == "null"
    usual = texts("a", "b", None, "x" * 100)
    assert columns.only_known(usual) is usual


def test_positive() -> None:
    numbers = pa.array([4, 0, -1, None], pa.int64())
    assert columns.positive(numbers).to_pylist() == [4, None, None, None]
    usual = pa.array([4, None, 1], pa.int64())
    assert columns.positive(usual) is usual
    assert columns.positive(pa.nulls(2, pa.int64())).to_pylist() == [None, None]


def test_the_first_that_is_known() -> None:
    nothing, some, whole = texts(None, None), texts("a", None), texts("b", "c")
    assert columns.first_known(nothing, some, whole).to_pylist() == ["a", "c"]
    assert columns.first_known(nothing, some) is some
    assert columns.first_known(nothing, whole, some) is whole
    assert columns.first_known(nothing, nothing).to_pylist() == [None, None]


def test_what_is_wanted_everywhere_is_not_copied() -> None:
    column = texts("a", None)
    assert columns.only_where(pa.array([True, True]), column) is column
    assert columns.only_where(pa.array([True, None]), column).to_pylist() == ["a", None]


def test_guids_in_lower_case() -> None:
    guid = "ABCDEF01-1111-2222-3333-444444444444"
    column = texts(guid, "Text", None, guid.lower())
    assert columns.lower_guids(column).to_pylist() == [guid.lower(), "Text", None, guid.lower()]
    usual = texts("text", guid.lower(), None)
    assert columns.lower_guids(usual) is usual
