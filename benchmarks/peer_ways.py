"""The same full work in several ways, each run in a process of its own by `bench_peers`.

Full work: every property of a table typed, the record's exact text, its SHA-256, and zstd Parquet in a folder
for each hour, from a file with a message of one record in each line. The package does more: ECS, the origin,
repeats, odd values, durable files and a commit. What the others do is what a careful engineer writes in an
afternoon; none of them takes a value of another type without failing or losing it.
"""

from __future__ import annotations

import hashlib
import resource
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

NAMESPACE, HUB = "contoso.servicebus.windows.net", "defender"
TENANT = "7c1d89ee-829c-4bc2-aaf7-d9ae2fc4ce38"
BATCH_MESSAGES = 2_000
PIECE_RECORDS = 20_000
ROW_GROUP_ROWS = 128 * 1024
_BEGIN, _END = len(b'{"records":['), -len(b"]}")


def properties_of(table: str) -> dict[str, str]:
    """The properties of a table and their types, as the package knows them."""
    from airflow_provider_defender import ecs

    types = ecs.find_mapping(f"event_hub/{table}").wire_shape.properties
    return {name: each if isinstance(each, str) else "dynamic" for name, each in types.items()}


# This package -------------------------------------------------------------------------------------


class MessageFile:
    """Stands for the hook of a hub: the messages of a file, at offsets from 0 on, in partition 0."""

    namespace, hub, tenant_id = NAMESPACE, HUB, TENANT
    log_name, log_origin = "event_hub-bench", {"source": "event_hub", "hub": HUB}
    waited_seconds = throttled_seconds = 0.0

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("rb") as file:
            self._count = sum(1 for _ in file)

    def partitions(self, **limits: Any) -> Sequence[int]:
        return [0]

    def watermarks(self, partitions: Sequence[int], **limits: Any) -> dict[int, Any]:
        from airflow_provider_defender.hooks._kafka.messages import Offsets

        return {0: Offsets(0, self._count)}

    def enqueued_at(self, offsets: Mapping[int, int], **limits: Any) -> dict[int, None]:
        return dict.fromkeys(offsets)

    def batches(self, ranges: Any, **limits: Any) -> Iterator[Any]:
        from airflow_provider_defender.hooks import MessageBatch

        messages, first = self.messages(), 0
        while values := list(islice(messages, BATCH_MESSAGES)):
            count = len(values)
            yield MessageBatch(
                values=[*values],
                partitions=[0] * count,
                offsets=list(range(first, first + count)),
                enqueued=[1_763_640_000_000] * count,
                reached={0: first + count},
                bytes=sum(map(len, values)),
            )
            first += count

    def messages(self) -> Iterator[bytes]:
        """The messages in their order."""
        with self._path.open("rb") as file:
            yield from (line[:-1] for line in file)


def by_package(source: Path, target: Path, table: str) -> int:
    """A drain: from the messages to a commit."""
    return drain(MessageFile(source), target)


def drain(hub: MessageFile, target: Path) -> int:
    """Drain a hub into a lake in this folder; return the number of rows."""
    import logging
    from datetime import datetime, timezone

    from fsspec.implementations.local import LocalFileSystem

    from airflow_provider_defender.ingest.run import Run
    from airflow_provider_defender.ingest.stages import DrainClock, Stages
    from airflow_provider_defender.lake import Lake
    from airflow_provider_defender.sources.event_hub import EventHub
    from airflow_provider_defender.sources.source import Limits
    from airflow_provider_defender.sources.window import Window

    lake, clock = Lake(LocalFileSystem(), str(target)), DrainClock()
    hook: Any = hub
    log = logging.getLogger("bench")
    run = Run(
        source=EventHub(hook=hook, lake=lake, logger=log),
        lake=lake,
        window=Window("offsets"),
        limits=Limits(clock),
        stages=Stages(clock, log),
        started=datetime.now(timezone.utc),
    )
    result = run.execute().result
    if result.rejects or result.duplicates:
        raise RuntimeError(f"{result.rejects} records were rejected, {result.duplicates} dropped")
    return result.rows.total()


# By hand ------------------------------------------------------------------------------------------


class HandWritten:
    """msgspec reads each record into a typed class, Arrow takes the columns."""

    def __init__(self, table: str) -> None:
        import msgspec
        import pyarrow as pa

        self._types = properties_of(table)
        python: Mapping[str, Any] = {
            "long": int | None,
            "int": int | None,
            "boolean": bool | None,
            "double": float | None,
            "dynamic": msgspec.Raw,
            "identifier": int | str | None,
        }
        self._arrow = {"long": pa.int64(), "int": pa.int32(), "boolean": pa.bool_(), "double": pa.float64()}
        types = enumerate(self._types.values())
        fields = [(f"p{number}", python.get(each, str | None), None) for number, each in types]
        names = {f"p{number}": name for number, name in enumerate(self._types)}
        properties = msgspec.defstruct("Properties", fields, rename=names, gc=False)
        record: Any = msgspec.defstruct("Record", [("properties", properties)], gc=False)
        self._decode = msgspec.json.Decoder(record).decode
        self._values = msgspec.structs.astuple

    def table(self, lines: Sequence[bytes]) -> pa.Table:
        """The rows of messages."""
        import pyarrow as pa

        raw = [line[_BEGIN:_END] for line in lines]
        objects = [self._values(self._decode(text).properties) for text in raw]
        values = zip(*objects, strict=True)
        columns = [
            self._column(kind, list(each)) for kind, each in zip(self._types.values(), values, strict=True)
        ]
        digests = [hashlib.sha256(text).hexdigest() for text in raw]
        columns += [pa.array(raw, pa.string()), pa.array(digests, pa.string())]
        return pa.table(columns, names=[*self._types, "raw", "sha256"])

    def _column(self, kind: str, values: list[Any]) -> pa.Array:
        import pyarrow as pa
        import pyarrow.compute as pc

        if kind == "time":
            texts = pc.utf8_slice_codeunits(pa.array(values, pa.string()), 0, 26)  # seven digits to six
            return texts.cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))
        if kind == "dynamic":
            values = [None if value is None or value == b"null" else bytes(value) for value in values]
        elif kind == "identifier":
            values = [None if value is None else str(value) for value in values]
        return pa.array(values, self._arrow.get(kind, pa.string()))


class TimeFiles:
    """A Parquet file for each hour or day of a column, written by large row groups."""

    def __init__(self, target: Path, column: str = "Timestamp", unit: str = "hour") -> None:
        self._target = target
        self._column = column
        self._unit = unit
        self._waiting: dict[Any, list[pa.Table]] = {}
        self._writers: dict[Any, pq.ParquetWriter] = {}

    def add(self, rows: pa.Table) -> int:
        """Take rows; returns their number."""
        import pyarrow.compute as pc

        hours = pc.floor_temporal(rows[self._column], unit=self._unit)
        for hour in pc.unique(hours):
            waiting = self._waiting.setdefault(hour.as_py(), [])
            waiting.append(rows.filter(pc.equal(hours, hour)))
            if sum(map(len, waiting)) >= ROW_GROUP_ROWS:
                self._write(hour.as_py())
        return len(rows)

    def close(self) -> None:
        for hour in list(self._waiting):
            self._write(hour)
        for writer in self._writers.values():
            writer.close()

    def _write(self, hour: Any) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        whole = pa.concat_tables(self._waiting.pop(hour))
        if hour not in self._writers:
            folder = self._target / f"date={hour:%Y-%m-%d}"
            if self._unit == "hour":
                folder /= f"hour={hour:%H}"
            folder.mkdir(parents=True)
            path = folder / "rows.parquet"
            self._writers[hour] = pq.ParquetWriter(
                path, whole.schema, compression="zstd", compression_level=1
            )
        self._writers[hour].write_table(whole)


def by_hand(source: Path, target: Path, table: str) -> int:
    """msgspec, Arrow, and its writer of Parquet."""
    mapper, files, rows = HandWritten(table), TimeFiles(target), 0
    with source.open("rb") as file:
        while lines := [line[:-1] for line in islice(file, PIECE_RECORDS)]:
            rows += files.add(mapper.table(lines))
    files.close()
    return rows


# Engines ------------------------------------------------------------------------------------------


def by_duckdb(source: Path, target: Path, table: str) -> int:
    """One SQL statement; every column from the record's JSON."""
    import duckdb

    types = {"long": "BIGINT", "int": "INTEGER", "boolean": "BOOLEAN", "double": "DOUBLE", "dynamic": "JSON"}
    own = properties_of(table)
    first = {name.lower(): name for name in reversed(own)}
    twins = [name for name in own if first[name.lower()] != name]  # SQL ignores case
    columns_by_hand = "".join(
        f", (raw ->> '$.properties.{name}')::{types.get(own.pop(name), 'VARCHAR')} AS {name}_2"
        for name in twins
    )
    structure = ", ".join(f'"{name}": "{types.get(each, "VARCHAR")}"' for name, each in own.items())
    columns = ", ".join(
        f'p."{name}"::TIMESTAMPTZ AS "{name}"' if each == "time" else f'p."{name}" AS "{name}"'
        for name, each in own.items()
    )
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    found = connection.execute(
        f"""
        COPY (
            SELECT {columns}{columns_by_hand}, raw, sha256(raw) AS sha256,
                   strftime(p."Timestamp"::TIMESTAMP, '%Y-%m-%d') AS date,
                   strftime(p."Timestamp"::TIMESTAMP, '%H') AS hour
            FROM (
                SELECT raw, json_transform(raw, '{{"properties": {{{structure}}}}}').properties AS p
                FROM (
                    SELECT substr(line, {_BEGIN + 1}, length(line) - {_BEGIN - _END}) AS raw
                    FROM read_csv(?, header = false, columns = {{'line': 'VARCHAR'}}, delim = '\x01',
                                  quote = '', escape = '', max_line_size = 33554432, auto_detect = false)
                )
            )
        ) TO '{target}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, PARTITION_BY (date, hour))
        """,
        [str(source)],
    ).fetchone()
    return int(found[0]) if found else 0


def tenzir_pipeline(source: Path, target: Path, table: str) -> str:
    """The pipeline in Tenzir's language. Columns are converted, or two batches could differ in type."""
    casts = {
        "long": "int(p.{0}?)",
        "int": "int(p.{0}?)",
        "double": "float(p.{0}?)",
        "boolean": "p.{0}?",
        "time": "time(p.{0}?)",
        "dynamic": "p.{0}?.print_ndjson()",
    }
    columns = ",\n  ".join(
        f"{name}: {casts.get(each, 'string(p.{0}?)').format(name)}"
        for name, each in properties_of(table).items()
    )
    return f"""
from_file "{source}" {{
  read_lines
}}
raw = line.slice(begin={_BEGIN}, end={_END})
p = raw.parse_json().properties
this = {{
  {columns},
  raw: raw,
  sha256: raw.hash_sha256(),
}}
date = Timestamp.format_time("%Y-%m-%d")
hour = Timestamp.format_time("%H")
to_file "{target}/**/{{uuid}}.parquet", partition_by=[date, hour] {{
  write_parquet compression_type="zstd", compression_level=1
}}
"""


def by_tenzir(source: Path, target: Path, table: str, program: Path) -> int:
    """Tenzir's own program, in a process of its own."""
    return run_tenzir(program, tenzir_pipeline(source, target, table), target)


def run_tenzir(program: Path, pipeline: str, target: Path) -> int:
    """Run a pipeline; return the number of rows in the files that it has written."""
    import pyarrow.parquet as pq

    subprocess.run([program, pipeline], check=True, capture_output=True)
    return sum(pq.read_metadata(path).num_rows for path in target.rglob("*.parquet"))


WAYS: Mapping[str, Callable[..., int]] = {
    "package": by_package,
    "hand": by_hand,
    "duckdb": by_duckdb,
    "tenzir": by_tenzir,
}


def timed(do: Callable[..., int], way: str, work: Mapping[str, Any]) -> dict[str, Any]:
    """Rows, seconds, CPU seconds with those of children, peak memory and bytes written.

    A first run over a few messages loads what the way needs, so that imports are not timed. Those of a child
    are: Tenzir's start takes 0.1 s.
    """
    warm, source, target = Path(work["warm"]), Path(work["source"]), Path(work["target"])
    target.mkdir(exist_ok=True)
    more = [Path(work["tenzir"])] if way == "tenzir" else []
    do(warm, target / "warm", work["table"], *more)
    begun, before = time.perf_counter(), _cpu()
    rows = do(source, target / "rows", work["table"], *more)
    spent = SimpleNamespace(wall=time.perf_counter() - begun, cpu=_cpu() - before)
    peaks = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    files = [path for path in (target / "rows").rglob("*.parquet") if path.is_file()]
    return {
        "rows": rows,
        "wall": spent.wall,
        "cpu": spent.cpu,
        "peak_bytes": 1024 * (peaks[1] if way == "tenzir" else peaks[0]),
        "files": len(files),
        "written_bytes": sum(path.stat().st_size for path in files),
    }


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)
