from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_defender import ecs
from airflow_provider_defender.categories import ALERT_CATEGORIES
from airflow_provider_defender.exceptions import ConfigurationError
from airflow_provider_defender.hooks import (
    AlertFilter,
    created_between_filter,
    updated_between_filter,
    updated_since_filter,
)
from airflow_provider_defender.hooks._endpoint.filters import updated_after_filter
from airflow_provider_defender.hooks._rest import odata
from airflow_provider_defender.timestamps import parse_ticks

_TICKS = parse_ticks("2026-01-09T00:00:00.1234567Z") or 0
_LATER = parse_ticks("2026-01-10T00:00:00Z") or 0


def test_an_incremental_filter_has_no_upper_bound_and_all_seven_digits() -> None:
    assert updated_since_filter(_TICKS) == "lastUpdateTime ge 2026-01-09T00:00:00.1234567Z"


def test_the_sensor_asks_for_what_is_beyond_the_watermark() -> None:
    assert updated_after_filter(_TICKS) == "lastUpdateTime gt 2026-01-09T00:00:00.1234567Z"


def test_windows_are_half_open() -> None:
    window = "ge 2026-01-09T00:00:00.1234567Z and {} lt 2026-01-10T00:00:00.0000000Z"
    created = created_between_filter(_TICKS, _LATER)
    assert created == f"alertCreationTime {window.format('alertCreationTime')}"
    updated = updated_between_filter(_TICKS, _LATER)
    assert updated == f"lastUpdateTime {window.format('lastUpdateTime')}"


def test_an_empty_window_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="is empty"):
        created_between_filter(_TICKS, _TICKS)


def test_filters_narrow_the_window() -> None:
    filters = AlertFilter(severity=["high", "Medium"], status="new", category=["Ransom'ware"])
    assert updated_since_filter(_TICKS, filters) == (
        "lastUpdateTime ge 2026-01-09T00:00:00.1234567Z "
        "and (severity eq 'High' or severity eq 'Medium') and status eq 'New' and category eq 'Ransom''ware'"
    )


def test_equal_filters_are_equal_whatever_their_order_and_case() -> None:
    assert AlertFilter(severity=["LOW", "High", "high"]) == AlertFilter(severity=("High", "Low"))
    assert AlertFilter().as_dict() == {}
    assert AlertFilter().odata() is None
    assert AlertFilter(status=["New"]).as_dict() == {"status": ["New"]}


@pytest.mark.parametrize(
    "arguments", [{"severity": ["Hihg"]}, {"status": "Open"}, {"category": [""]}, {"category": [3]}]
)
def test_an_unknown_value_is_refused_as_it_would_land_nothing(arguments: dict[str, list[str]]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(arguments))):
        AlertFilter(**arguments)


@given(st.text())
def test_a_quoted_text_is_one_literal_that_reads_back(text: str) -> None:
    literal = odata.literal(text)
    match = re.fullmatch(r"'((?:[^']|'')*)'", literal, re.DOTALL)
    assert match is not None
    assert match[1].replace("''", "'") == text


@given(st.lists(st.text(st.characters(exclude_characters=",[]"), min_size=1).filter(str.strip), min_size=1))
def test_no_category_can_break_out_of_its_literal(categories: list[str]) -> None:
    condition = AlertFilter(category=categories).odata()
    assert condition is not None
    outside = re.sub(r"'(?:[^']|'')*'", "?", condition, flags=re.DOTALL)
    assert re.fullmatch(r"category eq \?|\(category eq \?( or category eq \?)+\)", outside)


@pytest.mark.parametrize("text", ["Malware,Execution", "['Malware']", "[]"])
def test_a_list_that_became_a_text_is_named(text: str) -> None:
    with pytest.raises(ConfigurationError, match="Give a list of names"):
        AlertFilter(category=text)


@pytest.mark.parametrize("text", ["", "  ", None, []])
def test_what_renders_to_nothing_is_not_given(text: str | None) -> None:
    assert AlertFilter(severity=text) == AlertFilter()


def test_records_pass_by_every_part_in_any_case() -> None:
    filters = AlertFilter(severity=["High", "Low"], category="malware")
    records = [
        b'{"severity":"High","category":"Malware"}',
        b'{"severity":"high","category":"MALWARE"}',
        b'{"severity":"Medium","category":"Malware"}',
        b'{"severity":"High","category":" Malware\\n"}',
        b'{"severity":"Low","category":"Execution"}',
    ]
    wanted = filters.wanted([msgspec.Raw(record) for record in records])
    assert wanted == [True, True, False, True, False]
    assert AlertFilter().wanted([msgspec.Raw(b"x")]) == [True]


@pytest.mark.parametrize("value", [b"null", b'""', b'" "', b"3", b"true", b"[]", b'["Low"]', b'{"a":"Low"}'])
def test_what_cannot_be_judged_passes(value: bytes) -> None:
    records = [b'{"severity":%b}' % value, b"{}", b'{"other":"Low"}', b"{broken", b"[]", b"\xff", b"[" * 9999]
    assert AlertFilter(severity="High").wanted([msgspec.Raw(record) for record in records]) == [True] * 7
    beside = b'{"severity":%b,"category":"Execution"}' % value
    assert AlertFilter(severity="High", category="Malware").wanted([msgspec.Raw(beside)]) == [False]


@given(st.data())
def test_names_of_properties_match_in_any_case_as_in_mapping(data: st.DataObject) -> None:
    """What a filter sees of a record is what its rows will show; where they show nothing, it passes."""
    spelling = st.sampled_from(["severity", "Severity", "SEVERITY", "sEvErItY"])
    values = st.sampled_from(["High", "Low", "high", None, "", "-", "N/A"])
    alert = {"id": "1", "alertCreationTime": "2026-01-09T00:00:00Z"} | data.draw(
        st.dictionaries(spelling, values)
    )
    record = msgspec.json.encode(alert)
    [passes] = AlertFilter(severity="High").wanted([msgspec.Raw(record)])
    (row,) = ecs.map_records("endpoint_alerts", [record]).tables["alerts"].to_pylist()
    shown = row["microsoft"]["defender_endpoint"]["severity"]
    assert passes == (shown is None or shown.lower() == "high")


def test_a_category_that_nothing_has_is_warned_of_with_a_suggestion() -> None:
    filters = AlertFilter(
        category=["Malwear", "Execution", "credential access", "Own Detections", "zzz", "Qqqq"]
    )
    seen: dict[str, set[str]] = {}
    records = [b'{"Category":"own detections"}', b'{"category":"Zzzz"}', b'{"category":"Malware"}']
    filters.wanted([msgspec.Raw(record) for record in records], seen)
    warnings = {warning.split("'")[1]: warning for warning in filters.warnings(seen)}
    assert set(warnings) == {"Malwear", "credential access", "zzz", "Qqqq"}
    assert "did you mean 'Malware'?" in warnings["Malwear"]
    assert "did you mean 'CredentialAccess'?" in warnings["credential access"]
    assert "did you mean 'Zzzz'?" in warnings["zzz"]
    assert "did you mean" not in warnings["Qqqq"]
    assert AlertFilter(category=ALERT_CATEGORIES, severity="High").warnings({}) == []


def test_what_is_seen_is_bounded() -> None:
    seen: dict[str, set[str]] = {}
    records = [msgspec.Raw(b'{"category":"%d"}' % number) for number in range(1000)]
    AlertFilter(category="Malware").wanted(records, seen)
    assert len(seen["category"]) <= 200


@pytest.mark.parametrize("values", [5, True, 1.5])
def test_a_filter_that_is_no_list_is_named(values: Any) -> None:
    with pytest.raises(ConfigurationError, match=rf"Filter category: {values} is not a list of names"):
        AlertFilter(category=values)
