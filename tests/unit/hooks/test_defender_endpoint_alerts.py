"""`alerts` and `alerts_table`: for a `@task` of one's own."""

from __future__ import annotations

import json
import weakref
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from airflow_provider_defender.exceptions import ConfigurationError
from airflow_provider_defender.hooks import DefenderEndpointHook, updated_since_filter
from airflow_provider_defender.hooks._endpoint.columns import ALERT_COLUMNS
from airflow_provider_defender.hooks._rest.arrow import records_table
from airflow_provider_defender.hooks._rest.pages import Page
from airflow_provider_defender.simulator import Simulator
from airflow_provider_defender.timestamps import parse_ticks
from tests.unit.hooks.conftest import Connect, Watch
from tests.unit.hooks.test_defender_endpoint import queries, read


@pytest.fixture
def hook(connect: Connect, watch: Watch) -> DefenderEndpointHook:
    return DefenderEndpointHook(connect("defender_default"), sleep=watch.sleep)


def ids(alerts: Any) -> list[str]:
    return [alert["id"] for alert in alerts]


def test_all_alerts_come_as_dicts_over_all_pages(hook: DefenderEndpointHook, simulator: Simulator) -> None:
    alerts = hook.alerts()
    assert next(alerts)["evidence"] is not None
    assert len(queries(simulator)) == 1  # one page at a time
    assert len([*alerts]) == 99
    assert [*hook.alerts()] == read(hook, updated_since_filter(0))
    assert "$filter" not in queries(simulator)[0]


def test_one_page_is_held_at_a_time(hook: DefenderEndpointHook, monkeypatch: pytest.MonkeyPatch) -> None:
    class Watched(list[msgspec.Raw]):
        """A list that can be watched."""

    held: list[int] = []

    def pages(*_: object, **__: object) -> Iterator[Page]:
        seen: list[weakref.ref[Watched]] = []
        for number in range(1, 4):
            held.append(sum(each() is not None for each in seen))
            records = Watched([msgspec.Raw(b'{"id": "a", "status": "New"}')])
            seen.append(weakref.ref(records))
            page = Page(records, datetime.now(timezone.utc), number)
            del records
            yield page
            del page

    monkeypatch.setattr(DefenderEndpointHook, "alert_pages", pages)
    assert ids(hook.alerts(status="New")) == ["a", "a", "a"]
    monkeypatch.setattr(DefenderEndpointHook, "_pages", pages)
    assert ids(hook.get("/api/machines")) == ["a", "a", "a"]
    assert held == [0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize(("by", "name"), [("updated", "lastUpdateTime"), ("created", "alertCreationTime")])
def test_times_select(hook: DefenderEndpointHook, by: Any, name: str) -> None:
    every = [*hook.alerts()]
    times = sorted(parse_ticks(alert[name]) or 0 for alert in every)
    since = datetime(1970, 1, 1) + timedelta(microseconds=times[30] // 10)
    until = (since + timedelta(hours=5)).isoformat() + "Z"
    low = times[30] // 10 * 10
    high = low + 5 * 3600 * 10_000_000
    expected = [alert["id"] for alert in every if low <= (parse_ticks(alert[name]) or 0) < high]
    assert 0 < len(expected) < 70
    assert ids(hook.alerts(since=since, until=until, by=by)) == expected
    assert len(ids(hook.alerts(since=since, by=by))) == len([time for time in times if time >= low])
    assert len(ids(hook.alerts(until=until, by=by))) == len([time for time in times if time < high])
    east = since.replace(tzinfo=timezone.utc).astimezone(timezone(timedelta(hours=9)))
    assert ids(hook.alerts(since=east, until=until, by=by)) == expected


def test_a_date_is_its_midnight(hook: DefenderEndpointHook, simulator: Simulator) -> None:
    list(hook.alerts(since=date(2026, 1, 2), until="2026-01-03", by="created"))
    assert queries(simulator)[-1]["$filter"] == [
        "alertCreationTime ge 2026-01-02T00:00:00.0000000Z and "
        "alertCreationTime lt 2026-01-03T00:00:00.0000000Z"
    ]


def test_filters_narrow_here_and_not_at_the_api(hook: DefenderEndpointHook, simulator: Simulator) -> None:
    every = [*hook.alerts()]
    found = [*hook.alerts(severity=["high", "Medium"], status="New")]
    assert found == [a for a in every if a["severity"] in ("High", "Medium") and a["status"] == "New"]
    assert 0 < len(found) < 100
    assert all("$filter" not in query for query in queries(simulator))
    category = every[0]["category"]
    assert ids(hook.alerts(category=category)) == [a["id"] for a in every if a["category"] == category]


def test_evidence_can_be_left_out(hook: DefenderEndpointHook, simulator: Simulator) -> None:
    next(hook.alerts(evidence=False))
    assert "$expand" not in queries(simulator)[-1]


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"since": "yesterday"}, "since='yesterday' is not a time"),
        ({"until": 7}, "until=7 is not a time"),
        ({"by": "closed"}, "by='closed' is wrong: it must be one of created, updated"),
        ({"severity": "Hihg"}, "'Hihg' is not a severity"),
        ({"since": "2026-01-02", "until": "2026-01-02"}, "is empty"),
        ({"since": "0001-01-01T00:00+09:00"}, "lies outside the years 1 to 9999 in UTC"),
    ],
)
def test_a_wrong_argument_fails_before_any_request(
    hook: DefenderEndpointHook, simulator: Simulator, options: dict[str, Any], what: str
) -> None:
    with pytest.raises(ConfigurationError, match=what):
        hook.alerts(**options)
    assert queries(simulator) == []


# -- tables


def test_a_table_has_a_row_an_alert(hook: DefenderEndpointHook) -> None:
    every = [*hook.alerts()]
    table = hook.alerts_table()
    assert table.column_names[: len(ALERT_COLUMNS)] == list(ALERT_COLUMNS)
    assert table["id"].to_pylist() == ids(every)
    assert table.schema.field("lastUpdateTime").type == pa.timestamp("us", "UTC")
    assert table.schema.field("incidentId").type == pa.string()
    assert [json.loads(text) for text in table["evidence"].to_pylist()] == [a["evidence"] for a in every]
    first = table["lastUpdateTime"][0].as_py()
    assert first == datetime.fromisoformat(every[0]["lastUpdateTime"][:26].rstrip("Z")).replace(
        tzinfo=timezone.utc
    )


def test_a_table_without_alerts_has_the_documented_columns(hook: DefenderEndpointHook) -> None:
    table = hook.alerts_table(since="2100-01-01", severity="High")
    assert (table.num_rows, table.column_names) == (0, list(ALERT_COLUMNS))


def test_columns_are_typed_by_their_values_and_nothing_is_lost() -> None:
    big = 2**70
    records: list[dict[str, Any]] = [
        {"id": 1, "at": "2026-01-02T03:04:05.1234567Z", "flag": True, "n": 1, "x": 1, "big": big, "mix": "a"},
        {"id": "b", "at": None, "flag": None, "n": -5, "x": 1.5, "deep": {"a": [1, None]}, "mix": {"b": "ü"}},
        {"list": ["ä", "\ud83d"], "half": "\ud83d", "mix": True, "none": None},
    ]
    table = records_table(records, {"id": "text", "at": "time"})
    types = {field.name: str(field.type) for field in table.schema}
    assert types == {
        "id": "string",
        "at": "timestamp[us, tz=UTC]",
        "flag": "bool",
        "n": "int64",
        "x": "double",
        "big": "string",
        "mix": "string",
        "deep": "string",
        "list": "string",
        "half": "string",
        "none": "string",
    }
    assert table["id"].to_pylist() == ["1", "b", None]
    assert table["at"][0].as_py() == datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=timezone.utc)
    assert table["n"].to_pylist() == [1, -5, None]
    assert table["x"].to_pylist() == [1.0, 1.5, None]
    assert table["big"].to_pylist() == [str(big), None, None]
    assert json.loads(table["deep"][1].as_py()) == {"a": [1, None]}
    assert json.loads(table["mix"][1].as_py()) == {"b": "ü"}
    assert table["mix"].to_pylist()[::2] == ["a", "true"]
    assert table["half"][2].as_py() == "?"
    assert json.loads(table["list"][2].as_py()) == ["ä", "\ud83d"]


@pytest.mark.parametrize("odd", ["no time", 7, {"a": 1}, True, "2026-13-01T00:00:00Z"])
def test_a_column_with_an_odd_value_is_text(odd: Any) -> None:
    records = [{"at": "2026-01-02T03:04:05Z"}, {"at": odd}, {"at": None}]
    column = records_table(records, {"at": "time"})["at"]
    assert column.type == pa.string()
    assert column.to_pylist() == [
        "2026-01-02T03:04:05Z",
        odd if isinstance(odd, str) else json.dumps(odd),
        None,
    ]
