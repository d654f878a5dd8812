"""A lake with two logs in the same partitions, whose files come, are compacted and go."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from airflow_provider_defender.lake import Commit, Lake, Log, VersionsLedger, VersionsPosition
from airflow_provider_defender.lake.log.snapshot import LoggedFile
from airflow_provider_defender.landing import Partitioning
from tests.unit.lake.support import START, alerts, version

ENDPOINT = "endpoint_alerts-tenant"
GRAPH = "graph_alerts-tenant"
DEVICES = "events/DeviceInfo"
PARTITIONING = {"alerts": Partitioning.DAY, "incidents": Partitioning.DAY, DEVICES: Partitioning.HOUR}

_KEYS = count()


@contextmanager
def restored(root: Path) -> Iterator[None]:
    """At its end, the logs of a lake are restored to what they were at its beginning."""
    backup = root.with_name(f"{root.name}-backup")
    shutil.copytree(root / "_defender", backup)
    yield
    shutil.rmtree(root / "_defender")
    backup.rename(root / "_defender")


def open_log(lake: Lake, name: str = ENDPOINT) -> Log[VersionsPosition]:
    return lake.log(name, VersionsPosition, origin={"source": name})


def new_rows(moments: Sequence[datetime]) -> pa.Table:
    """A row for each moment, with a key that no other row has."""
    return alerts((f"k{next(_KEYS)}", version(moment), moment) for moment in moments)


def land(
    lake: Lake, dataset: str = "alerts", *, log: str = ENDPOINT, rows: pa.Table | None = None
) -> Commit[VersionsPosition]:
    """Land rows in one commit; one row at START by default."""
    opened = open_log(lake, log)
    with opened.begin(opened.head(), VersionsLedger(), kind="backfill") as transaction:
        transaction.write(dataset, new_rows([START]) if rows is None else rows, PARTITIONING[dataset])
        commit = transaction.commit()
    assert commit is not None
    return commit


def inputs_of(lake: Lake, dataset: str, log: str) -> list[LoggedFile]:
    return list(open_log(lake, log).snapshot().files(dataset))


def compact(
    lake: Lake, dataset: str = "alerts", *, log: str = ENDPOINT, files: Sequence[str] | None = None
) -> Commit[VersionsPosition]:
    """Merge files of a log's dataset, all of them by default, partition by partition, in one commit."""
    if files is None:
        files = [each.file.path for each in inputs_of(lake, dataset, log)]
    return _maintain(lake, dataset, log, files, "compaction")


def retire(
    lake: Lake, dataset: str = "alerts", *, log: str = ENDPOINT, files: Sequence[str] | None = None
) -> Commit[VersionsPosition]:
    """Remove files of a log's dataset, all of them by default."""
    if files is None:
        files = [each.file.path for each in inputs_of(lake, dataset, log)]
    return _maintain(lake, dataset, log, files, "retention")


def _maintain(lake: Lake, dataset: str, log: str, files: Sequence[str], kind: str) -> Commit[Any]:
    opened = open_log(lake, log)
    with opened.begin(opened.head(), VersionsLedger(), kind=kind) as transaction:
        for path in files if kind == "compaction" else ():
            with lake.storage.open_input(path) as source:
                transaction.write(dataset, pq.ParquetFile(source).read(), PARTITIONING[dataset])
        transaction.remove(files)
        commit = transaction.commit()
    assert commit is not None
    return commit


def goes_on(lake: Lake, chance: random.Random, steps: int) -> None:
    """Steps of a random history: two logs land, are compacted, and lose files by retention."""
    for _ in range(steps):
        log, dataset = chance.choice([ENDPOINT, GRAPH]), chance.choice(["alerts", "alerts", DEVICES])
        files = [each.file.path for each in inputs_of(lake, dataset, log)]
        some = chance.sample(files, chance.randint(0, len(files)))
        what = chance.random()
        if what < 0.2 and some:
            compact(lake, dataset, log=log, files=some)
        elif what < 0.35 and some:
            retire(lake, dataset, log=log, files=some)
        else:
            moments = [START + timedelta(hours=chance.randrange(30)) for _ in range(chance.randint(1, 3))]
            land(lake, dataset, log=log, rows=new_rows(moments))
