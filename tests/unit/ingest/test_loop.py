"""The loop, with a source, a mapping and a lake that the tests make up."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from airflow_provider_defender.ecs import Identity, MappedRecords
from airflow_provider_defender.exceptions import MessagesLost, TryAgain
from airflow_provider_defender.ingest.loop import ingest
from airflow_provider_defender.ingest.stages import DrainClock, Stages
from airflow_provider_defender.lake import CommitConflict, CommitStateUnknown, NotPublished
from airflow_provider_defender.landing import Partitioning
from airflow_provider_defender.sources.source import Batch, Result
from airflow_provider_defender.timestamps import parse_ticks

ONE = pa.table({"tenant": ["t"]})
NO_REJECTS = pa.table({"error": pa.array([], pa.string())})
COMMIT: Any = SimpleNamespace(number=3)


@dataclass
class Read:
    batches: Sequence[Batch | Exception]
    lost: bool = False
    interruption: Any = None
    asked_after: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[Batch]:
        for batch in self.batches:
            if isinstance(batch, Exception):
                raise batch
            yield batch

    def change(self, result: Result) -> str:
        return f"{sum(result.rows.values())} rows, {result.duplicates} duplicates"

    def gap(self, result: Result) -> MessagesLost | None:
        return MessagesLost("gone") if self.lost else None

    def progress(self) -> str:
        return "some read"


class Mapper:
    """A row a record; the last one comes with `finish`."""

    def __init__(self) -> None:
        self.kept: list[Any] = []
        self.given: list[tuple[Any, Any, Any]] = []

    def map(
        self, records: Sequence[Any], origins: Any = None, identities: Any = None
    ) -> Iterator[MappedRecords]:
        self.given.append((list(records), origins, identities))
        self.kept += records
        while len(self.kept) > 1:
            yield self._mapped(self.kept.pop(0))

    def finish(self) -> Iterator[MappedRecords]:
        if self.kept:
            yield self._mapped(self.kept.pop())

    def _mapped(self, record: Any) -> MappedRecords:
        broken = record == "broken"
        tables = {} if broken else {"alerts": pa.table({"record": [record]})}
        rejects = pa.table({"error": ["broken"]}) if broken else NO_REJECTS
        return MappedRecords(tables, rejects, 1, {"a": 1}, {"b": 2}, 0, 1)


class Transaction:
    def __init__(self, known: Sequence[str] = (), error: Exception | None = None) -> None:
        self.known = set(known)
        self.error = error
        self.written: list[tuple[str, str, Partitioning]] = []
        self.rejects = 0
        self.change: Any = None

    def select_new(
        self, versions: Iterable[tuple[str, str]], ticks: Sequence[int | None] | None = None
    ) -> list[bool]:
        pairs = list(versions)
        assert all(len(pair) == 2 for pair in pairs)
        assert ticks == [parse_ticks(version) for _, version in pairs]
        return [key not in self.known for key, _ in pairs]

    def write(self, dataset: str, table: pa.Table, partitioning: Partitioning) -> None:
        self.written += [(dataset, row["record"], partitioning) for row in table.to_pylist()]

    def quarantine(self, rejects: pa.Table) -> None:
        self.rejects += rejects.num_rows

    def commit(self, change: Any) -> Any:
        self.change = change
        if self.error is not None:
            raise self.error
        return COMMIT


def identities(*keys: str) -> list[Identity]:
    return [Identity(key, "v") for key in keys]


def run(read: Any, transaction: Any = None, mapper: Any = None, logger: Any = None) -> Result:
    stages = Stages(DrainClock(), logger or logging.getLogger("tests.loop"))
    given: Any = transaction or Transaction()
    return ingest(read, mapper or Mapper(), given, stages)


def test_everything_that_is_read_is_mapped_written_and_committed_once() -> None:
    transaction = Transaction()
    result = run(Read([Batch(["a", "b"], ONE), Batch(["broken", "c"], ONE)]), transaction)
    assert [record for _, record, _ in transaction.written] == ["a", "b", "c"]
    assert {partitioning for _, _, partitioning in transaction.written} == {Partitioning.DAY}
    assert (dict(result.rows), result.rejects, transaction.rejects) == ({"alerts": 3}, 1, 1)
    assert (result.duplicates, dict(result.type_mismatches), dict(result.unmapped_fields)) == (
        4,
        {"a": 4},
        {"b": 8},
    )
    assert transaction.change == "3 rows, 4 duplicates"
    assert (result.commit, result.unfinished) == (COMMIT, None)


def test_what_has_landed_is_not_mapped_again() -> None:
    mapper, origins = Mapper(), pa.table({"tenant": ["x", "y", "z"]})
    batches = [
        Batch(["a", "b", "c"], origins, identities("a", "b", "c")),
        Batch(["d", "b"], ONE, identities("d", "b")),
    ]
    result = run(Read(batches), Transaction(known=["b"]), mapper)
    [(first, its_origins, its_identities), (second, one_origin, _)] = mapper.given
    assert (first, second, result.new) == (["a", "c"], ["d"], 3)
    assert its_origins["tenant"].to_pylist() == ["x", "z"]
    assert [each.key for each in its_identities] == ["a", "c"]
    assert one_origin is ONE


def test_what_the_source_could_not_even_read_goes_to_quarantine() -> None:
    transaction = Transaction()
    result = run(Read([Batch([], ONE, rejects=pa.table({"error": ["too large"]}))]), transaction)
    assert (result.rejects, transaction.rejects) == (1, 1)


def test_an_error_of_the_source_commits_nothing() -> None:
    transaction = Transaction()
    with pytest.raises(TryAgain):
        run(Read([Batch(["a"], ONE), TryAgain("gone")]), transaction)
    assert transaction.change is None


@pytest.mark.parametrize("error", [NotPublished("not moved", COMMIT), CommitStateUnknown("who knows")])
def test_a_commit_that_may_count_is_no_error_yet_where_a_gap_is_to_be_told(error: Exception) -> None:
    with pytest.raises(type(error)):
        run(Read([Batch(["a"], ONE)]), Transaction(error=error))
    result = run(Read([Batch(["a"], ONE)], lost=True), Transaction(error=error))
    assert result.unfinished is error
    assert result.commit is (COMMIT if isinstance(error, NotPublished) else None)


def test_a_conflict_is_an_error_also_where_a_gap_is_to_be_told() -> None:
    with pytest.raises(CommitConflict):
        run(Read([Batch(["a"], ONE)], lost=True), Transaction(error=CommitConflict("faster")))


def test_the_log_tells_progress_and_when_the_commit_begins(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DrainClock, "report_every", 0.0)
    with caplog.at_level(logging.INFO, "tests.loop"):
        run(Read([Batch(["a", "b"], ONE)]))
    texts = [record.getMessage() for record in caplog.records]
    assert texts[0].startswith("some read, 1 row staged, 0 rejected, ")
    assert texts[1].startswith("2 rows staged after ")
    assert texts[2].startswith("The commit is done, in ")


def test_one_batch_is_held_at_a_time() -> None:
    import weakref

    class Watched(list[str]):
        """A list that can be watched."""

    alive: list[int] = []

    class Watching(Read):
        def __iter__(self) -> Iterator[Batch]:
            seen: list[weakref.ref[Watched]] = []
            for name in "abc":
                alive.append(sum(each() is not None for each in seen))
                records = Watched([name])
                seen.append(weakref.ref(records))
                batch = Batch(records, ONE)
                del records
                yield batch
                del batch

    class Forgetful(Mapper):
        def map(
            self, records: Sequence[Any], origins: Any = None, identities: Any = None
        ) -> Iterator[MappedRecords]:
            yield from (self._mapped(record) for record in records)

    run(Watching([]), mapper=Forgetful())
    assert alive == [0, 0, 0]
