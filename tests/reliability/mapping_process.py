"""Maps one large record, in a process of its own: its peak memory in bytes, and what came of it.

Arguments: the record's shape, a name in `SHAPES`, and its size in bytes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator

from airflow_provider_defender import ecs
from tests.unit.ecs.helpers.alert_records import ALERT, ORIGINS, record
from tests.unit.ecs.helpers.hub_messages import CLOUD_ALERT, event, logon, message, origins, process, text

LONG = "x"
ESCAPES = '"'


def _alert(filler: str) -> Callable[[int], bytes]:
    return lambda size: record(ALERT | {"description": filler * (size // len(json.dumps(filler)[1:-1]))})


SHAPES: dict[str, Callable[[int], bytes]] = {
    "alert": _alert(LONG),
    "alert of escapes": _alert(ESCAPES),
    "alert of small values": lambda size: record(ALERT | {"domains": ["a.example"] * (size // 12)}),
    "alert of unknown values": lambda size: record(ALERT | {"new": [{"a": 1}] * (size // 8)}),
    "alert of items": lambda size: record(ALERT | {"evidence": [{}] * (size // 3)}),
    "message": lambda size: message(process(ProcessCommandLine=LONG * size)),
    "message of words": lambda size: message(process(ProcessCommandLine="a " * (size // 2))),
    "message of escapes": lambda size: message(logon(AdditionalFields=ESCAPES * (size // 2))),
    "message of fields": lambda size: message(logon(AdditionalFields={"a": ["b"] * (size // 4)})),
    "message of an unknown table": lambda size: message(event("Own", {"a": LONG * size})),
    "message of Defender for Cloud": lambda size: text(CLOUD_ALERT | {"Entities": [{"a": 1}] * (size // 8)}),
    "message of records": lambda size: message(*[process(ReportId=each) for each in range(size // 1600)]),
    "message of nothing": lambda size: b'{"records":[' + b"1," * (size // 2) + b"1]}",
    "messages without end": lambda size: b"{}" * (size // 2),
    "message of rubbish": lambda size: b"x" * size,
}


def mapped(shape: str, value: bytes) -> Iterator[ecs.MappedRecords]:
    if shape.startswith("alert"):
        yield from ecs.map_batches("endpoint_alerts", [value], origins=ORIGINS)
        return
    mapper = ecs.EventMapper()
    yield from mapper.map([value], origins(1))
    yield from mapper.finish()


def main(shape: str, size: int) -> None:
    list(mapped(shape, SHAPES[shape](1000)))
    value = SHAPES[shape](size)
    before = _memory_used()
    rows = rejects = kept = 0
    error = ""
    for part in mapped(shape, value):
        rows += sum(table.num_rows for table in part.tables.values())
        rejects += part.rejects.num_rows
        kept += sum(map(len, part.rejects.column("bytes").to_pylist()))
        error = error or "".join(part.rejects.column("error").to_pylist()[:1])
        del part
    found = {
        "size": len(value),
        "peak": _status("VmHWM") - before,
        "rows": rows,
        "rejects": rejects,
        "kept": kept,
    }
    print(json.dumps(found | {"error": error[:200]}))


def _memory_used() -> int:
    """What is in use now; from now on the peak is counted anew."""
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    return _status("VmRSS")


def _status(name: str) -> int:
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
