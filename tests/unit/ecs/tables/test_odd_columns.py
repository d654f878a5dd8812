"""Every computed function on columns of odd values: it never raises, and gives what the fields are."""

from __future__ import annotations

import json
import random
from ipaddress import ip_address
from typing import Any

import pyarrow as pa
import pytest

from airflow_provider_defender.ecs import Mapping, Shape
from airflow_provider_defender.ecs.engine.shapes import ColumnType, arrow_type
from airflow_provider_defender.ecs.fields import ECS_FIELDS, EVENT_FIELDS, field_type
from airflow_provider_defender.ecs.tables.defender_for_cloud import DEFENDER_FOR_CLOUD
from airflow_provider_defender.ecs.tables.streaming import AZURE_MONITOR, STREAMING_TABLES

MAPPINGS = {mapping.dataset: mapping for mapping in (*STREAMING_TABLES, *DEFENDER_FOR_CLOUD, AZURE_MONITOR)}
ROWS = 120

_WORDS = """
    $id 1 x - host process file ip url filehash account 203.0.113.7 ::1 1.2.3 fe80::1%0
    https://a.example/b a@b http://203.0.113.9 S-1-5 T1059.001 (T1078) " \\
    HKEY_LOCAL_MACHINE\\x C:\\x\\y.exe 0x3b0 [ {"a":1} In Out
    /subscriptions/s/x arn:aws:x:r:1:z true [["1.1.1.1"]] LogonFailed ConnectionSuccess DnsQueryResponse
"""
ATOMS: list[Any] = [None, True, 1, -1, 1.5, 10**30, "", "\ud800", "é", '"a b" c', *_WORDS.split()]
_KEYS = """
    $id $ref Type Host Account ImageFile ParentProcess FileHashes Algorithm Value Address Location Url Name
    Directory HostName ProcessId CommandLine Image cve title link cvss base 3.0 UserName Sid IPAddress
    RecipientSmtpAddress AadTenantId DnsDomain UPNSuffix DnsQueryType Result
"""
KEYS = _KEYS.split()
NUMBERS = [None, 0, 1, -5, 17_679_526_314_821_337, 2**63 - 1, -(2**63)]


def _value(source: random.Random, depth: int = 0) -> Any:
    draw = source.random()
    if depth > 4 or draw < 0.4:
        return source.choice(ATOMS)
    if draw < 0.7:
        return [_value(source, depth + 1) for _ in range(source.randrange(5))]
    return {source.choice(KEYS): _value(source, depth + 1) for _ in range(source.randrange(6))}


def _text(source: random.Random) -> str | None:
    draw = source.random()
    if draw < 0.15:
        return None
    if draw < 0.5:
        return str(source.choice(ATOMS)).encode(errors="replace").decode()
    text = json.dumps(_value(source))
    return text[: source.randrange(len(text))] if draw > 0.95 else text


def _column(source: random.Random, arrow_type: pa.DataType, length: int) -> pa.Array:
    if pa.types.is_string(arrow_type):
        return pa.array([_text(source) for _ in range(length)], arrow_type)
    if pa.types.is_boolean(arrow_type):
        return pa.array([source.choice([None, True, False]) for _ in range(length)], arrow_type)
    return pa.array([source.choice(NUMBERS) for _ in range(length)], pa.int64()).cast(arrow_type)


def _type_of(mapping: Mapping, name: str) -> pa.DataType:
    """The Arrow type of an input: a property, by dotted name, or a key inside one."""
    base, _, ticks = name.partition("#")
    if ticks:
        return pa.int64()
    for column, keys in mapping.inside.items():
        if base.startswith(f"{column}."):
            return arrow_type(keys.properties[base[len(column) + 1 :]])
    kind: ColumnType = mapping.shape
    for part in base.split("."):
        assert isinstance(kind, Shape)
        kind = kind.properties[part]
    return arrow_type(kind)


def _check(field: str, column: pa.Array, length: int) -> None:
    column.validate(full=True)
    assert column.type == field_type(field), field
    assert len(column) == length, field
    if pa.types.is_list(column.type) and not field.endswith(".args"):  # arguments may repeat
        for value in column.to_pylist():
            assert value is None or (value and None not in value and len(set(value)) == len(value)), field
    if ({**ECS_FIELDS, **EVENT_FIELDS}[field]).startswith("ip"):
        for value in column.to_pylist():
            for text in value if isinstance(value, list) else [value]:
                assert text is None or ip_address(text)


@pytest.mark.parametrize("dataset", MAPPINGS)
@pytest.mark.parametrize("length", [0, 1, ROWS])
def test_odd_columns(dataset: str, length: int) -> None:
    mapping = MAPPINGS[dataset]
    source = random.Random(f"{dataset} {length}")
    for entry in mapping.computed:
        result = entry.function(*(_column(source, _type_of(mapping, name), length) for name in entry.inputs))
        columns = result if isinstance(result, tuple) else (result,)
        for field, column in zip(entry.fields, columns, strict=True):
            _check(field, column, length)
