"""The summary: what XCom, the asset's event, metrics and the log get of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

from airflow_provider_defender.ingest.summary import Summary, summarize
from airflow_provider_defender.sources.source import Result


class Figures:
    def as_dict(self) -> dict[str, Any]:
        return {"records": 3, "bytes": 12}

    def event_extra(self) -> dict[str, Any]:
        return {"hours": ["2026-11-20T12:00:00"]}

    def lines(self) -> Iterator[str]:
        yield "3 records read"

    def warnings(self) -> Iterator[str]:
        yield "look at this"

    def gauges(self) -> Mapping[str, float]:
        return {"defender.lag": 1.0}

    def seconds(self) -> Mapping[str, float]:
        return {"waited": 0.5}

    def states(self) -> Mapping[str, Any]:
        return {}


def made(**given: Any) -> Summary[Any]:
    result = Result(**given)
    read: Any = SimpleNamespace(figures=lambda of: Figures(), complete=True)
    stages: Any = SimpleNamespace(clock=SimpleNamespace(seconds={"reading": 1.23456}))
    return summarize(read, result, {"origin": "watermark"}, stages)


def commit(*partitions: str) -> Any:
    files = [SimpleNamespace(partition=each, dataset="alerts", rows=1, bytes=1) for each in partitions]
    return SimpleNamespace(number=7, log="the_log", digest="5d41", added=files)


def test_xcom_gets_all_of_it() -> None:
    summary = made(type_mismatches=Counter(a=2), unmapped_fields=Counter(b=1), commit=commit())
    assert summary.as_dict() == {
        "window": {"origin": "watermark"},
        "records": 3,
        "bytes": 12,
        "type_mismatches": {"a": 2},
        "unmapped_fields": {"b": 1},
        "commit": 7,
        "digest": "5d41",
        "complete": True,
        "seconds": {"reading": 1.235, "mapping": 0.0, "landing": 0.0, "committing": 0.0, "waited": 0.5},
    }


def test_the_asset_event_gets_what_others_act_on() -> None:
    assert made().event_extra() == {
        "window": {"origin": "watermark"},
        "records": 3,
        "commit": None,
        "digest": None,
        "complete": True,
        "hours": ["2026-11-20T12:00:00"],
    }


def test_the_log_and_the_asset_event_note_the_chain_digest_outside_of_the_lake() -> None:
    summary = made(commit=commit())
    lines = list(summary.lines())
    assert lines[1:3] == ["Commit 7 of the_log", "Chain digest: 5d41"]
    assert summary.event_extra()["digest"] == "5d41"


def test_only_the_names_that_come_most_often_are_kept() -> None:
    counts = Counter({f"name{number}": number for number in range(1, 31)})
    assert list(made(unmapped_fields=counts).unmapped_fields) == [
        f"name{number}" for number in range(30, 10, -1)
    ]


def test_run_partitions_are_days_or_hours() -> None:
    hours = commit("date=2026-11-20/hour=13", "date=2026-11-20/hour=02", "date=2026-11-20/hour=13", "odd")
    assert made(commit=hours).run_partitions == ["2026-11-20T02:00:00", "2026-11-20T13:00:00"]
    assert made(commit=commit("date=2026-11-22")).run_partitions == ["2026-11-22T00:00:00"]
    assert made().run_partitions == []


def test_the_log_tells_figures_stages_and_what_went_to_unmapped() -> None:
    lines = list(made(type_mismatches=Counter(a=2)).lines())
    assert lines[:2] == ["3 records read", "Time: reading 1.2 s, waited 0.5 s"]
    assert lines[2].startswith("Kept in `unmapped`: values that did not fit their column {'a': 2}")
    assert list(made().warnings()) == ["look at this"]
