"""The events in the demo: what a run of the DAG did, what is in the lake, and whether it is complete."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airflow_provider_defender._plural import counted
from airflow_provider_defender.simulator.demo.airflow import LocalAirflow, LocalAirflowError
from airflow_provider_defender.simulator.demo.output import say, table

__all__ = ["EventRuns", "LandedEvents"]

_DAG = "defender_events"
_PLACE = ("landing.kafka.partition", "landing.kafka.offset", "landing.kafka.record")
_TABLES_SHOWN = 8
#: Tables of which a row is shown, each with its most informative column.
_SHOWN_TABLES = {
    "DeviceProcessEvents": "process.name",
    "IdentityLogonEvents": "source.ip",
    "EmailEvents": "email.subject",
}


class EventRuns:
    """The runs of the events DAG, each with several mapped tasks, from their summaries."""

    def __init__(self, airflow: LocalAirflow) -> None:
        self._airflow = airflow
        self._ends: dict[str, list[int]] = {}
        self._lag: dict[str, int] = {}
        self.dropped = 0

    def show(self, run_id: str) -> None:
        """Print what a run did, and remember its offsets."""
        groups = self._airflow.result(_DAG, run_id, "partitions")
        summaries = [
            self._airflow.result(_DAG, run_id, "land_events", map_index=number)
            for number in range(len(groups))
        ]
        for summary in summaries:
            for partition, offsets in summary["hub_partitions"].items():
                self._ends.setdefault(partition, [offsets["from"]]).append(offsets["to"])
                self._lag[partition] = offsets["lag"]
        total = {
            key: sum(summary[key] for summary in summaries) for key in ("messages", "duplicates", "rejects")
        }
        rows = sum(sum(summary["rows"].values()) for summary in summaries)
        files = sum(summary["files"] for summary in summaries)
        self.dropped += total["duplicates"]
        say(
            f"    events: {counted(total['messages'], 'message')} read by {counted(len(groups), 'task')}, "
            f"landed as {counted(rows, 'row')} in {counted(files, 'file')};\n            "
            f"{counted(total['duplicates'], 'duplicate')} dropped, "
            f"{counted(total['rejects'], 'unreadable record')} put into quarantine"
        )

    def show_offsets(self) -> None:
        """Print the position of each hub partition before and after each run."""
        runs = max(map(len, self._ends.values())) - 1
        header = ("partition", "before", *(f"after run {number}" for number in range(1, runs + 1)), "lag")
        table(header, ((name, *ends, self._lag[name]) for name, ends in sorted(self._ends.items())))


@dataclass
class LandedEvents:
    """The contents of the lake's event datasets, as a plain reader of `*.parquet` finds them."""

    lake: Path
    rows: Counter[str] = field(default_factory=Counter)
    files: Counter[str] = field(default_factory=Counter)
    distinct: Counter[str] = field(default_factory=Counter)
    doubled: int = 0
    quarantined: int = 0

    @classmethod
    def read(cls, lake: Path) -> LandedEvents:
        """Count rows, distinct rows by their key, and rows that occur twice by their place."""
        import pyarrow.parquet as pq

        landed = cls(lake)
        places: Counter[tuple[Any, ...]] = Counter()
        for dataset, files in landed._datasets():
            keys: set[str] = set()
            for path in files:
                landing = pq.ParquetFile(path).read(columns=["landing.key", *_PLACE])["landing"].to_pylist()
                keys.update(row["key"] for row in landing)
                places.update(tuple(row["kafka"].values()) for row in landing)
                landed.rows[dataset] += len(landing)
            landed.files[dataset] = len(files)
            landed.distinct[dataset] = len(keys)
        landed.doubled = sum(count - 1 for count in places.values())
        landed.quarantined = sum(
            pq.read_metadata(path).num_rows
            for path in (lake / "_defender").glob("event_hub-*/quarantine/**/*.parquet")
        )
        return landed

    def _datasets(self) -> Iterator[tuple[str, list[Path]]]:
        for folder in sorted((self.lake / "events").iterdir()):
            yield folder.name, sorted(folder.glob("date=*/hour=*/*.parquet"))

    def show_tables(self) -> None:
        """Write rows and files of the largest tables."""
        largest = [name for name, _ in self.rows.most_common(_TABLES_SHOWN)]
        lines = [(f"events/{name}", self.rows[name], self.files[name]) for name in largest]
        rest = self.rows.keys() - set(largest)
        if rest:
            rows, files = (sum(counts[name] for name in rest) for counts in (self.rows, self.files))
            lines.append((f"… and {len(rest)} more", rows, files))
        table(("table", "rows", "files"), lines)

    def show_rows(self) -> None:
        """Write one row each of three tables."""
        rows = []
        for name, column in _SHOWN_TABLES.items():
            row = self._telling_row(name, column)
            about = f"{column} {_leaf(row, column)}"
            columns = (_leaf(row, each) for each in ("event.action", "host.name", "user.name"))
            rows.append((f"{row['@timestamp']:%Y-%m-%d %H:%M:%S}", name, *columns, about))
        table(("@timestamp", "table", "event.action", "host.name", "user.name", "and, for example"), rows)

    def _telling_row(self, dataset: str, column: str) -> dict[str, Any]:
        """The first row of a dataset's newest file that has a value in a column, else just the first."""
        import pyarrow.parquet as pq

        newest = sorted((self.lake / "events" / dataset).glob("date=*/hour=*/*.parquet"))[-1]
        rows: list[dict[str, Any]] = pq.read_table(newest, partitioning=None).to_pylist()
        return next((row for row in rows if _leaf(row, column) and _leaf(row, "event.action")), rows[0])

    def check(self, truth: Mapping[str, Any], dropped: int) -> None:
        """Compare with what the exporter has sent.

        Raises LocalAirflowError, which says what is missing, superfluous or duplicated.
        """
        sent, broken = Counter(truth["rows"]), sum(truth["broken"].values())
        wrong = [
            f"{name}: {self.distinct[name]} different rows instead of {sent[name]}"
            for name in sorted(sent | self.distinct)
            if sent[name] != self.distinct[name]
        ]
        if self.doubled:
            wrong.append(f"{self.doubled} rows stand twice in the lake")
        if self.rows.total() + dropped != truth["records"]:
            wrong.append(f"{self.rows.total()} rows and {dropped} duplicates of {truth['records']} records")
        if self.quarantined != broken:
            wrong.append(f"{self.quarantined} in quarantine instead of {broken}")
        if wrong:
            raise LocalAirflowError("The lake does not hold what the exporter sent: " + "; ".join(wrong))
        landed_again = truth["duplicates"] - dropped
        say(
            f"    Checked: every message was read exactly once: {counted(truth['records'], 'record')}, "
            f"and {broken} unreadable in quarantine.\n"
            f"    The exporter sent {truth['duplicates']} of the records a second time: {dropped} within one "
            f"run, which dropped them, and {landed_again}\n"
            "    in different runs, so these landed. The view events shows each record once, by landing.key."
        )


def _leaf(row: Mapping[str, Any], path: str) -> Any:
    """A leaf of a nested row by its dotted name; None if the dataset lacks it."""
    value: Any = row
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value
