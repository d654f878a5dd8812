"""Reading, computing, comparing and writing golden cases.

A case is a JSON file under `tests/golden/<source>/`, in folders of any depth:

- `about`: one sentence, optional.
- `record`: what the source sends, or `text`: the same as a text, if no JSON value can stand for it.
- `leaves`: optional, for cases of many records: beginnings of the names of the leaves that the rows have.
- `input`: a digest of all that the rows depend on; `python -m tests.golden --rewrite` writes it.
- `rows`: by dataset, each row's leaves that are not null, by dotted name, sorted.
- `rejects`: the errors of records that cannot land; only where there are any.

A record of `event_hub` is one record of the Streaming API, or the whole message if it has `records`.
Under `<source>/evidence/` the record is a single evidence item. It is put into the alert of the case
`<source>/alert.json`, whose own evidence must be empty, and the rows are reduced to the leaves that differ
from that alert's. `alert` in such a case changes the alert's properties; items of an `evidence` there are
further evidence behind the case's own, whose rows are left out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from airflow_provider_defender import ecs

FOLDER = Path(__file__).parent
TENANT = "a839b112-1253-6432-9bf6-94542403f21c"

Case = dict[str, Any]
Row = dict[str, Any]

_WIDTH = 110
_HUB = "event_hub"
_EVIDENCE = "evidence"
_INPUT = ("record", "text", "alert")


def paths(folder: Path = FOLDER, filters: Sequence[str] = ()) -> list[Path]:
    """The cases whose path below the folder has one of the texts in it, or all cases."""
    found = sorted(folder.glob("*/**/*.json"))
    names = {path: path.relative_to(folder).as_posix() for path in found}
    return [path for path in found if not filters or any(text in names[path] for text in filters)]


def read(path: Path) -> Case:
    """A case as it is written."""
    case: Case = json.loads(path.read_text("utf-8"))
    return case


def produce(path: Path, folder: Path = FOLDER) -> Case:
    """The case with the rows that its record becomes now.

    Raises:
        ValueError: the case has neither a record nor a text, or it is none that can be used here.
    """
    case = read(path)
    source, *place = path.relative_to(folder).parts
    if ("record" in case) == ("text" in case):
        raise ValueError(f"{path}: a case has either a record or a text")
    if place[0] == _EVIDENCE and "text" in case:
        raise ValueError(f"{path}: a case of a single evidence item has a record, not a text")
    if place[0] == _EVIDENCE:
        base = _base(folder / source / "alert.json")
        changed = {**base, **case.get("alert", {})}
        further = changed[_EVIDENCE]
        plain = _map_once(source, _encode({**changed, _EVIDENCE: []}))
        mapped = _map(source, _encode({**changed, _EVIDENCE: [case["record"], *further]}))
        rows = {name: _differences(made[:1], plain[0][name]) for name, made in mapped[0].items()}
        known, rejects = [case["record"], case.get("alert"), base], mapped[1]
    else:
        rows, rejects = _map(source, case["text"].encode() if "text" in case else _encode(case["record"]))
        known = [case.get("record"), case.get("text")]
    if leaves := tuple(case.get("leaves", ())):
        rows = {name: [_only(row, leaves) for row in made] for name, made in rows.items()}
    head = {name: case[name] for name in ("about", "leaves", *_INPUT) if name in case}
    tail = {"rejects": rejects} if rejects else {}
    return {**head, "input": _digest(known), "rows": rows, **tail}


def is_fresh(path: Path, folder: Path = FOLDER) -> bool:
    """Whether the case's rows were written for the record that it has now."""
    return bool(read(path).get("input") == produce(path, folder)["input"])


def changes(old: Case, new: Case) -> list[str]:
    """What differs between two versions of a case, one line a leaf."""
    lines = []
    if old.get("input") != new["input"]:
        lines.append("* the record is new, or has been changed")
    lines += _line_changes("rejects", {"rejects": old.get("rejects")}, {"rejects": new.get("rejects")})
    before, after = old.get("rows", {}), new["rows"]
    for dataset in sorted({*before, *after}):
        was, now = before.get(dataset, []), after.get(dataset, [])
        for number in range(max(len(was), len(now))):
            place = f"{dataset}[{number}]"
            lines += _line_changes(
                place, *(each[number] if number < len(each) else {} for each in (was, now))
            )
    return lines


def _line_changes(place: str, before: Row, after: Row) -> Iterator[str]:
    for name in sorted({*before, *after}):
        was, now = (json.dumps(row.get(name), ensure_ascii=False) for row in (before, after))
        if was == now:
            continue
        if before.get(name) is None:
            yield f"+ {place} {name} = {now}"
        elif after.get(name) is None:
            yield f"- {place} {name} = {was}"
        else:
            yield f"~ {place} {name} = {was} → {now}"


def write(path: Path, case: Case) -> None:
    """Write a case so that values short enough stand on one line."""
    path.write_text(_pretty(case) + "\n", "utf-8")


def _base(path: Path) -> dict[str, Any]:
    record: dict[str, Any] = read(path)["record"]
    if record.get(_EVIDENCE) != []:
        raise ValueError(f"{path}: the alert for cases of single evidence items has none of its own")
    return record


def rows_of(source: str, record: Any) -> dict[str, list[Row]]:
    """The rows of one record by dataset.

    Raises:
        ValueError: the record cannot land.
    """
    rows, rejects = _map(source, _encode(record))
    if rejects:
        raise ValueError(f"{source}: {'; '.join(rejects)}")
    return rows


def _encode(record: Any) -> bytes:
    try:
        return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:  # lone surrogates, which only escapes can stand for
        return json.dumps(record, separators=(",", ":")).encode()


def _digest(known: list[Any]) -> str:
    return hashlib.sha256(_encode(known)).hexdigest()[:16]


def _map(source: str, record: bytes) -> tuple[dict[str, list[Row]], list[str]]:
    """The rows of one record by dataset, and the errors of what cannot land."""
    if source == _HUB:
        mapped = _map_message(record)
    else:
        origin = pa.table({"tenant": [TENANT], "log": [f"{source}-{TENANT}"]})
        mapped = ecs.map_records(source, [record], origins=origin, keep_original=False)
    rows = {name: list(map(_leaves, table.to_pylist())) for name, table in sorted(mapped.tables.items())}
    return rows, [row["error"] for row in mapped.rejects.to_pylist()]


@lru_cache(maxsize=8)
def _map_once(source: str, record: bytes) -> tuple[dict[str, list[Row]], list[str]]:
    """`_map` for the alert around items of evidence, which most cases have in common."""
    return _map(source, record)


def _map_message(record: bytes) -> ecs.MappedRecords:
    value = json.loads(record)
    if not isinstance(value, dict) or "records" not in value:
        record = _encode({"records": [value]})
    enqueued = datetime(2026, 1, 9, 10, 0, 21, tzinfo=timezone.utc)
    origin = pa.table(
        {
            "namespace": ["contoso.servicebus.windows.net"],
            "hub": ["defender"],
            "partition": pa.array([0], pa.int32()),
            "offset": pa.array([0], pa.int64()),
            "enqueued": pa.array([enqueued], pa.timestamp("us", tz="UTC")),
        }
    )
    return ecs.map_records(_HUB, [record], origins=origin, keep_original=False)


def _only(row: Row, leaves: tuple[str, ...]) -> Row:
    return {name: value for name, value in row.items() if name.startswith(leaves)}


def _differences(rows: list[Row], plain: list[Row]) -> list[Row]:
    """The leaves that the alert without evidence does not have; null for one that only it has."""
    (without,) = plain
    return [
        {
            name: row.get(name)
            for name in sorted({*row, *without})
            if json.dumps(row.get(name)) != json.dumps(without.get(name))
        }
        for row in rows
    ]


def _leaves(row: dict[str, Any], prefix: str = "") -> Row:
    """A row's values that are not null, by dotted name, sorted."""
    leaves: Row = {}
    for name, value in row.items():
        if isinstance(value, dict):
            leaves.update(_leaves(value, f"{prefix}{name}."))
        elif value is not None:
            leaves[prefix + name] = _plain(value)
    return leaves if prefix else dict(sorted(leaves.items()))


def _plain(value: Any) -> Any:
    """A value as JSON has it; times in UTC."""
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items() if each is not None}
    return value


def _pretty(value: Any, indent: int = 0, taken: int = 0) -> str:
    line = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, (dict, list)) or not value or (indent and indent + taken + len(line) < _WIDTH):
        return line
    inner = " " * (indent + 2)
    if isinstance(value, list):
        parts = [inner + _pretty(each, indent + 2) for each in value]
        return "[\n" + ",\n".join(parts) + "\n" + " " * indent + "]"
    heads = [f"{json.dumps(name, ensure_ascii=False)}: " for name in value]
    parts = [
        inner + head + _pretty(each, indent + 2, len(head))
        for head, each in zip(heads, value.values(), strict=True)
    ]
    return "{\n" + ",\n".join(parts) + "\n" + " " * indent + "}"
