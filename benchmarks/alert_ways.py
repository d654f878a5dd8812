"""The same full work for alerts in several ways, each run in a process of its own by `bench_peers`.

Full work: every property of an alert and of its evidence typed, a row for each evidence item, the alert's
text, its SHA-256, and zstd Parquet in a folder for each day of its creation, from a file with a page of the
Endpoint API in each line. The package does more: ECS, the origin, versions, odd values, durable files and a
commit. DuckDB and Tenzir write the text of an alert anew from what they have parsed, since neither can cut it
out of a page. Here that gives the same bytes; with other escapes, spaces or numbers it would not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.bench_memory import SPAN, START, TENANT, alert_bodies
from benchmarks.peer_ways import TimeFiles, run_tenzir

if TYPE_CHECKING:
    import pyarrow as pa

PAGE_ALERTS = 2_000
"""Fewer than the API's most, 10,000: DuckDB holds a page for each of its threads."""

EVIDENCE = 3
_LONGEST_PAGE = 64 * 1024 * 1024
_PIECE_ALERTS = 20_000


def write_pages(path: Path, alerts: int) -> int:
    """A file with a page of alerts in each line; its size in bytes."""
    bodies = alert_bodies(alerts, EVIDENCE)
    with path.open("wb") as file:
        for first in range(0, alerts, PAGE_ALERTS):
            page = islice(bodies, min(PAGE_ALERTS, alerts - first))
            file.write(b'{"value":[' + b",".join(page) + b"]}\n")
        return file.tell()


def shape() -> Mapping[str, Any]:
    """The properties of an alert and their types, as the package knows them."""
    from airflow_provider_defender import ecs

    return ecs.find_mapping("endpoint_alerts").wire_shape.properties


# This package -------------------------------------------------------------------------------------


class PageFile:
    """Stands for the hook of the Endpoint API: the pages of a file."""

    tenant_id = TENANT

    def __init__(self, path: Path) -> None:
        self._path = path

    def alert_pages(self, **asked: Any) -> Iterator[Any]:
        from airflow_provider_defender.hooks._rest.pages import Page, read_page

        with self._path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                yield Page(read_page(line).value, START + SPAN, number)


def by_package(source: Path, target: Path, table: str) -> int:
    """A drain: from the pages to a commit."""
    import logging

    from fsspec.implementations.local import LocalFileSystem

    from airflow_provider_defender.clock import Clock
    from airflow_provider_defender.ingest.run import Run
    from airflow_provider_defender.ingest.stages import DrainClock, Stages
    from airflow_provider_defender.lake import Lake
    from airflow_provider_defender.sources.endpoint_alerts import EndpointAlerts
    from airflow_provider_defender.sources.source import Limits
    from airflow_provider_defender.sources.window import Window

    hook: Any = PageFile(source)
    clock = DrainClock()
    run = Run(
        source=EndpointAlerts(hook=hook, lookback=SPAN, clock=Clock(now=lambda: START + SPAN)),
        lake=Lake(LocalFileSystem(), str(target)),
        window=Window("watermark"),
        limits=Limits(clock),
        stages=Stages(clock, logging.getLogger("bench")),
        started=START + SPAN,
    )
    result = run.execute().result
    if result.rejects:
        raise RuntimeError(f"{result.rejects} alerts were rejected")
    return result.rows.total()


# By hand ------------------------------------------------------------------------------------------


class HandWritten:
    """msgspec reads each alert into a typed class, Arrow takes the columns and repeats them by evidence."""

    def __init__(self) -> None:
        import msgspec

        alert, self._item = shape(), shape()["evidence"].item
        self._types = {name: each for name, each in alert.items() if name != "evidence"}
        page: Any = msgspec.defstruct("Page", [("value", list[msgspec.Raw])], gc=False)
        self._page = msgspec.json.Decoder(page).decode
        self._decode = msgspec.json.Decoder(_struct(alert)).decode
        self._values = msgspec.structs.astuple

    def records(self, line: bytes) -> list[bytes]:
        """The text of each alert of a page."""
        return [bytes(each) for each in self._page(line).value]

    def table(self, raw: Sequence[bytes]) -> pa.Table:
        """The rows of alerts, one for each evidence item."""
        import pyarrow as pa

        alerts = [self._decode(text) for text in raw]
        names = {name: f"p{number}" for number, name in enumerate(shape())}
        columns = {
            name: _column(kind, [getattr(alert, names[name]) for alert in alerts])
            for name, kind in self._types.items()
        }
        columns["raw"] = pa.array(raw, pa.string())
        columns["sha256"] = pa.array([hashlib.sha256(text).hexdigest() for text in raw], pa.string())
        evidence = [getattr(alert, names["evidence"]) or [None] for alert in alerts]
        owner = [number for number, each in enumerate(evidence) for _ in each]
        rows = pa.table(columns).take(pa.array(owner, pa.int64()))
        properties = self._item.properties
        nothing = (None,) * len(properties)
        items = [nothing if each is None else self._values(each) for each in chain.from_iterable(evidence)]
        for (name, kind), values in zip(properties.items(), zip(*items, strict=True), strict=True):
            rows = rows.append_column(f"evidence_{name}", _column(kind, list(values)))
        return rows


def _struct(properties: Mapping[str, Any]) -> Any:
    import msgspec

    fields = [(f"p{number}", _python(kind), None) for number, kind in enumerate(properties.values())]
    names = {f"p{number}": name for number, name in enumerate(properties)}
    return msgspec.defstruct("Shape", fields, rename=names, gc=False)


def _python(kind: Any, *, top: bool = True) -> Any:
    """The type in which a property is read; times within lists and objects are parsed at once."""
    from datetime import datetime

    if hasattr(kind, "item"):
        item = kind.item
        inner: Any = _struct(item.properties) if _is_evidence(item) else _python(item, top=False)
        return list[inner] | None
    if hasattr(kind, "properties"):
        import msgspec

        return (
            msgspec.defstruct(
                "Object", [(name, _python(each, top=False), None) for name, each in kind.properties.items()]
            )
            | None
        )
    if kind == "time" and not top:
        return datetime | None
    return {"long": int | None, "identifier": int | str | None}.get(kind, str | None)


def _is_evidence(kind: Any) -> bool:
    return "entityType" in getattr(kind, "properties", ())


def _arrow(kind: Any) -> pa.DataType:
    import pyarrow as pa

    if hasattr(kind, "item"):
        return pa.list_(_arrow(kind.item))
    if hasattr(kind, "properties"):
        return pa.struct([(name, _arrow(each)) for name, each in kind.properties.items()])
    return {"long": pa.int64(), "time": pa.timestamp("us", "UTC")}.get(kind, pa.string())


def _column(kind: Any, values: list[Any]) -> pa.Array:
    import msgspec
    import pyarrow as pa
    import pyarrow.compute as pc

    if kind == "time":
        texts = pc.utf8_rtrim(pa.array(values, pa.string()), "Z")
        texts = pc.utf8_slice_codeunits(texts, 0, 26)  # seven digits to six
        return texts.cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))
    if kind == "identifier":
        values = [None if value is None else str(value) for value in values]
    elif not isinstance(kind, str):
        from datetime import datetime

        values = [msgspec.to_builtins(value, builtin_types=(datetime,)) for value in values]
    return pa.array(values, _arrow(kind))


def by_hand(source: Path, target: Path, table: str) -> int:
    """msgspec, Arrow, and its writer of Parquet."""
    mapper, files, rows = HandWritten(), TimeFiles(target, "alertCreationTime", "day"), 0
    waiting: list[bytes] = []
    with source.open("rb") as file:
        for line in file:
            waiting += mapper.records(line)
            if len(waiting) >= _PIECE_ALERTS:
                rows, waiting = rows + files.add(mapper.table(waiting)), []
    if waiting:
        rows += files.add(mapper.table(waiting))
    files.close()
    return rows


# Engines ------------------------------------------------------------------------------------------


def _sql(kind: Any) -> Any:
    """DuckDB's type of a property, as `json_transform` takes it."""
    if hasattr(kind, "item"):
        return [_sql(kind.item)]
    if hasattr(kind, "properties"):
        return {name: _sql(each) for name, each in kind.properties.items()}
    return {"long": "BIGINT", "time": "TIMESTAMPTZ"}.get(kind, "VARCHAR")


def by_duckdb(source: Path, target: Path, table: str) -> int:
    """One SQL statement; every column from the alert's JSON."""
    import json

    import duckdb

    alert = shape()
    item = alert["evidence"].item.properties
    structure = json.dumps({name: _sql(each) for name, each in alert.items()})
    columns = [f'p."{name}" AS "{name}"' for name in alert if name != "evidence"]
    columns += [f'e."{name}" AS "evidence_{name}"' for name in item]
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    found = connection.execute(
        f"""
        COPY (
            SELECT {", ".join(columns)}, raw, sha256(raw) AS sha256,
                   strftime(p."alertCreationTime"::TIMESTAMP, '%Y-%m-%d') AS date
            FROM (
                SELECT raw, p, unnest(p.evidence) AS e
                FROM (
                    SELECT raw::VARCHAR AS raw, json_transform(raw, '{structure}') AS p
                    FROM (
                        SELECT unnest(json -> '$.value[*]') AS raw
                        FROM read_ndjson_objects(?, maximum_object_size = {_LONGEST_PAGE})
                    )
                )
            )
        ) TO '{target}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, PARTITION_BY (date))
        """,
        [str(source)],
    ).fetchone()
    return int(found[0]) if found else 0


def tenzir_pipeline(source: Path, target: Path) -> str:
    """The pipeline in Tenzir's language. Columns are converted, or two batches could differ in type."""
    casts = {"long": "int({0}?)", "time": "time({0}?)"}

    def column(kind: Any, place: str) -> str:
        # Lists and objects stay as they are: their texts are texts, and their types do not differ.
        return (casts.get(kind, "string({0}?)") if isinstance(kind, str) else "{0}?").format(place)

    alert = shape()
    columns = [f"{name}: {column(kind, f'p.{name}')}" for name, kind in alert.items() if name != "evidence"]
    items = [
        f"evidence_{name} = {column(kind, f'evidence.{name}')}"
        for name, kind in alert["evidence"].item.properties.items()
    ]
    lines = "\n".join(items)
    return f"""
from_file "{source}" {{
  read_lines
}}
p = line.parse_json(raw=true).value
drop line
unroll p
raw = p.print_ndjson()
this = {{
  {", ".join(columns)},
  evidence: p.evidence,
  raw: raw,
  sha256: raw.hash_sha256(),
}}
unroll evidence
{lines}
drop evidence
date = alertCreationTime.format_time("%Y-%m-%d")
to_file "{target}/**/{{uuid}}.parquet", partition_by=[date] {{
  write_parquet compression_type="zstd", compression_level=1
}}
"""


def by_tenzir(source: Path, target: Path, table: str, program: Path) -> int:
    """Tenzir's own program, in a process of its own."""
    return run_tenzir(program, tenzir_pipeline(source, target), target)


WAYS: Mapping[str, Callable[..., int]] = {
    "package": by_package,
    "hand": by_hand,
    "duckdb": by_duckdb,
    "tenzir": by_tenzir,
}
