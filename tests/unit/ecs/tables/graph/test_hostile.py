"""Whatever stands in a record of Graph: nothing raises, nothing is lost, every row is there."""

from __future__ import annotations

import gc
import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_defender import ecs
from airflow_provider_defender.ecs.tables.graph.evidence import EVIDENCE
from airflow_provider_defender.ecs.tables.graph.shape import TYPE_PREFIX, alert_shape
from tests.helpers.breadth import first_in_make_test
from tests.unit.ecs.tables.graph.test_alerts import alert

PARTS = 5
"""Of the odd alerts, of which `make test` maps one."""
ODD: list[Any] = [
    None, "", "-", " ", "N/A", "null", "00000000-0000-0000-0000-000000000000", "\x00", "\ud800", "x" * 70_000,
    "://[", "a@", "\\", "/", ":", "a:b:c", "1e999", "%00", "::", "0.0.0.0", "::ffff:1.2.3.4", "[::1]:99999",
    0, -1, 1, 2**31, 2**63, 2**64, 10**400, 1.5, -0.0, True, False,
    [], [None], [[]], [1, "a", None, {"a": []}], {}, {"a": 1}, {"ipAddress": []}, [{"accountName": {}}],
    {"@odata.type": 5}, "2026-13-01T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.9999999Z",
]  # fmt: skip
_SAMPLES = {
    "string": "text",
    "dynamic": "text",
    "long": 7,
    "double": 1.5,
    "boolean": True,
    "time": "2026-11-01T10:00:00.1234567Z",
}
_ACCOUNT = {
    "accountName": "jane",
    "userSid": "S-1-5-21-1",
    "resourceAccessEvents": [{"ipAddress": "192.0.2.1"}],
}
_FILE = {"fileName": "a.exe", "filePath": "C:\\b", "fileSize": 7, "sha1": "a" * 40, "signer": "Contoso"}
_NESTED: dict[str, Any] = {
    **_FILE,
    **_ACCOUNT,
    "userAccount": _ACCOUNT,
    "fileDetails": _FILE,
    "imageFile": _FILE,
    "emailAddress": "jane@contoso.com",
    "domainName": "contoso.com",
    "ipAddress": "192.0.2.7",
    "location": {"city": "Delft"},
    "deviceDnsName": "PC",
    "ipInterfaces": ["192.0.2.8"],
    "name": "name",
    "namespace": {"name": "n", "cluster": {"name": "c", "cloudResource": {"resourceId": "r"}}},
    "resourceId": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/v",
}


def _full(name: str) -> dict[str, Any]:
    """An item of a type with all properties that any type has."""
    item = alert_shape().properties["evidence"].item  # type: ignore[union-attr]
    values: dict[str, Any] = {"@odata.type": f"{TYPE_PREFIX}{name}"}
    for property_name, kind in item.properties.items():  # type: ignore[union-attr]
        if isinstance(kind, ecs.ListOf):
            values[property_name] = ["text"]
        elif property_name != "odata_type":
            values[property_name] = [_NESTED] if kind == "json" and property_name.endswith("s") else _NESTED
            values[property_name] = _SAMPLES.get(kind, values[property_name])  # type: ignore[arg-type]
    return values


def _mutations(value: Any) -> Iterator[Any]:
    """The object with each of its properties, also inside it, replaced by each odd value or left out."""
    for key, inner in value.items():
        for odd in ODD:
            yield {**value, key: odd}
        yield {other: each for other, each in value.items() if other != key}
        if isinstance(inner, dict):
            yield from ({**value, key: each} for each in _few(_mutations(inner)))
        elif isinstance(inner, list) and inner and isinstance(inner[0], dict):
            yield from ({**value, key: [each]} for each in _few(_mutations(inner[0])))


def _few(values: Iterator[Any]) -> Iterator[Any]:
    return (value for number, value in enumerate(values) if number % 7 == 0)


def _read_by(name: str) -> set[str]:
    """The properties of a full item that the type's function reads."""
    read: set[str] = set()

    class Watched(dict[str, Any]):
        def get(self, key: str, default: Any = None) -> Any:
            read.add(key)
            return super().get(key, default)

    from airflow_provider_defender.ecs.tables.graph.alert import Alert

    EVIDENCE[name](Watched(_full(name)), Alert({}, []))
    return read & _full(name).keys()


@pytest.mark.parametrize("name", EVIDENCE)
def test_odd_values_of_evidence_stop_nothing(name: str) -> None:
    full = _full(name)
    item = {key: full[key] for key in ("@odata.type", "roles", "createdDateTime", *sorted(_read_by(name)))}
    records = [
        json.dumps(alert(each, number=number)).encode() for number, each in enumerate(_mutations(item))
    ]
    result = ecs.map_records("graph_alerts", records)
    assert not len(result.rejects)
    assert len(result.tables["alerts"]) == len(records)
    assert not [path for path in result.type_mismatches if path.startswith("(derived")]
    originals = result.tables["alerts"].column("event").combine_chunks().field("original").to_pylist()
    assert originals == [record.decode() for record in records]


@pytest.mark.parametrize("part", first_in_make_test(range(PARTS)))
def test_odd_values_of_an_alert_stop_nothing(part: int) -> None:
    shape = alert_shape().properties
    values = {name: _SAMPLES.get(kind, ["text"]) for name, kind in shape.items() if isinstance(kind, str)}
    base = {**values, **alert(_full("userEvidence"))}
    keyed = {key: value for key, value in base.items() if key not in ("id", "createdDateTime")}
    times = {"id": "da1", "createdDateTime": base["createdDateTime"]}
    records = [json.dumps({**each, **times}).encode() for each in _mutations(keyed)]
    records = records[part::PARTS]
    result = ecs.map_records("graph_alerts", records)
    assert not len(result.rejects)
    assert not [path for path in result.type_mismatches if path.startswith("(derived")]
    firsts = [row for row in result.tables["alerts"].column("landing").to_pylist() if row["item"] == 0]
    assert len(firsts) == len(records)


def _lengthened(value: Any, texts: Iterator[str]) -> Any:
    """The same value with long texts, each another one; but for the names of types."""
    if isinstance(value, dict):
        return {
            key: each if key == "@odata.type" else _lengthened(each, texts) for key, each in value.items()
        }
    if isinstance(value, list):
        return [_lengthened(each, texts) for each in value]
    return value + next(texts) if isinstance(value, str) else value


def test_what_is_kept_for_the_next_alerts_is_bounded_by_bytes() -> None:
    """Parts of rows are kept, since they come again; long texts, such as command lines, are not."""
    texts = (f"{number:08}" * 500 for number in range(10**6))
    kinds = ("processEvidence", "urlEvidence", "deviceEvidence")

    def mapped() -> int:
        record = alert(*(_lengthened(_full(name), texts) for name in kinds))
        record["serviceSource"] = next(texts)
        body = json.dumps(record).encode()
        assert ecs.map_records("graph_alerts", [body]).rejects.num_rows == 0
        return len(body)

    mapped()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        sent = sum(mapped() for _ in range(2))
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sent > 3_000_000
    assert after - before < 100_000
