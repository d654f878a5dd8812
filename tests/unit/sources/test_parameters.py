"""Checks of parameters: the error names the parameter, its value and what is right."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from airflow_provider_defender.exceptions import ConfigurationError
from airflow_provider_defender.sources.parameters import (
    check_choice,
    check_counts,
    check_kafka_config,
    check_spans,
    parse_hub_partitions,
    parse_start,
)


def test_a_choice_is_named_with_what_it_may_be() -> None:
    check_choice("by", "created", ("created", "updated"))
    with pytest.raises(
        ConfigurationError, match=r"by='creatd' must be 'created' or 'updated'\. Did you mean 'c"
    ):
        check_choice("by", "creatd", ("created", "updated"))
    with pytest.raises(ConfigurationError, match=r"a=7 must be 'x', 'y' or 'z'\.$"):
        check_choice("a", 7, ("x", "y", "z"))


@pytest.mark.parametrize("span", [5, "5", timedelta(seconds=-1)])
def test_a_span_is_no_number_and_not_negative(span: Any) -> None:
    check_spans({"overlap": timedelta(0), "max_duration": None})
    with pytest.raises(ConfigurationError, match="overlap="):
        check_spans({"overlap": span})


@pytest.mark.parametrize("count", [0, -1, True, "1", 1.0])
def test_a_count_is_a_whole_number_from_its_least_on(count: Any) -> None:
    check_counts({"groups": 1, "max_bytes": None}, least=1)
    with pytest.raises(ConfigurationError, match=r"groups=.* from 1 on"):
        check_counts({"groups": count}, least=1)


def test_a_secret_among_kafkas_settings_is_refused_and_not_shown() -> None:
    check_kafka_config({"fetch.wait.max.ms": 5})
    check_kafka_config(None)
    with pytest.raises(ConfigurationError, match=r"\['sasl.password'\] is a secret") as raised:
        check_kafka_config({"sasl.password": "hiddenthing"})
    assert "hiddenthing" not in str(raised.value)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, None),
        ("", None),
        ("None", None),
        ([3, 1, 3], [1, 3]),
        ("0, 1", [0, 1]),
        ("[0 2]", [0, 2]),
        (4, [4]),
        (("7", 2), [2, 7]),
    ],
)
def test_hub_partitions_are_numbers_or_a_text_of_them(given: Any, expected: Any) -> None:
    assert parse_hub_partitions(given) == expected


@pytest.mark.parametrize("given", [[], "zero", [-1], [1.5], "[]", ["a", 1]])
def test_what_names_no_hub_partition_is_refused(given: Any) -> None:
    with pytest.raises(ConfigurationError, match="hub_partitions="):
        parse_hub_partitions(given)


def test_a_start_is_a_word_or_a_time() -> None:
    assert parse_start(" Latest ") == "latest"
    assert parse_start("2026-11-20") == datetime(2026, 11, 20, tzinfo=timezone.utc)
    for given, meant in (("oldest", "'earliest'"), ("now", "'latest'"), ("lates", "'latest'")):
        with pytest.raises(ConfigurationError, match=f"Did you mean {meant}"):
            parse_start(given)
