"""The alerts and incidents in the demo: what a run did, what is in the lake, and whether it is complete."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from airflow_provider_defender._plural import counted
from airflow_provider_defender.simulator.demo.airflow import LocalAirflowError
from airflow_provider_defender.simulator.demo.output import say, table
from airflow_provider_defender.timestamps import parse_ticks

__all__ = ["check_landed", "show_partitions", "show_run"]

_Truth = Mapping[str, Any]


def show_run(what: str, name: str, summary: Mapping[str, Any]) -> None:
    """Print what a run did; `what` it reads is "alert" or "incident"."""
    say(
        f"    {name}: {counted(summary['records'], what)} read, {summary['versions']} of them new, "
        f"landed as {counted(summary['rows'], 'row')} in {counted(summary['files'], 'file')}"
    )
    before, after = summary["watermark_before"], summary["watermark_after"]
    if before != after:
        say(f"    {' ' * len(name)}  watermark {before or 'not set'} → {after}")
    else:
        say(f"    {' ' * len(name)}  watermark stays at {after}")


def show_partitions(lake: Path) -> None:
    """Print files, rows and sizes of each day of the alerts and the incidents."""
    import pyarrow.parquet as pq

    rows = []
    for partition in sorted((*(lake / "alerts").glob("date=*"), *(lake / "incidents").glob("date=*"))):
        files = sorted(partition.glob("*.parquet"))
        found = sum(pq.read_metadata(file).num_rows for file in files)
        size = sum(file.stat().st_size for file in files)
        rows.append((f"{partition.parent.name}/{partition.name}", len(files), found, f"{size / 1000:.0f} kB"))
    table(("partition", "files", "rows", "size"), rows)


def check_landed(lake: Path, truth: _Truth, since: int, watermarks: Mapping[str, str]) -> None:
    """Compare the lake with what the tenant knows of its "alerts" and "incidents".

    `watermarks` says up to which time each has been read, `since` (ticks) from which on. Of every record that
    changed in between, the state as of the watermark must have landed, or a later one.

    Raises LocalAirflowError, which says what is missing or twice.
    """
    compared = {name: _compared(lake, truth[name], since, name, mark) for name, mark in watermarks.items()}
    texts = (counted(count, name.removesuffix("s")) for name, count in compared.items())
    say(f"    Checked: the latest states of {' and '.join(texts)} have landed, each exactly once.")


def _compared(lake: Path, versions: Iterable[_Truth], since: int, dataset: str, watermark: str) -> int:
    landed, doubled = _landed(lake, dataset)
    until = _ticks(watermark)
    expected: dict[str, int] = {}
    for version in versions:
        updated, visible = _ticks(version["lastUpdateDateTime"]), _ticks(version["visibleFrom"])
        if since <= updated <= until and visible <= until and not version["superseded"]:
            expected[version["id"]] = max(updated, expected.get(version["id"], 0))
    missing = sorted(key for key, updated in expected.items() if landed.get(key, 0) < updated)
    if missing or doubled:
        raise LocalAirflowError(
            f"The lake does not hold what the tenant shows: of {dataset}, {len(missing)} latest states are "
            f"missing ({', '.join(missing[:3])}), and {doubled} rows are there twice."
        )
    return len(expected)


def _landed(lake: Path, dataset: str) -> tuple[dict[str, int], int]:
    """The latest update time of each id in the lake (ticks), and how many rows are there twice."""
    import pyarrow.parquet as pq

    newest: dict[str, int] = {}
    rows: Counter[tuple[str, str, int]] = Counter()
    for path in (lake / dataset).glob("date=*/*.parquet"):
        columns = ["landing.key", "landing.version", "landing.item"]
        for row in pq.ParquetFile(path).read(columns=columns)["landing"].to_pylist():
            rows[row["key"], row["version"], row["item"]] += 1
            record = row["key"].partition("/")[2]
            newest[record] = max(newest.get(record, 0), _ticks(row["version"]))
    return newest, sum(count - 1 for count in rows.values())


def _ticks(text: str) -> int:
    return parse_ticks(text) or 0
