"""The schema of a Delta table: that of its files, together."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from airflow_provider_defender.lake.errors import TableUnusable
from airflow_provider_defender.lake.storage.storage import Storage

__all__ = ["PARTITION_TYPES", "delta_type", "file_schema", "merged_fields", "new_field"]

Field = dict[str, Any]
"""A field of a schema, in Delta's JSON."""

PARTITION_TYPES = {"date": "date", "hour": "integer"}
"""The types of the columns that are only in the names of the folders."""


def file_schema(storage: Storage, path: str) -> pa.Schema:
    """The Arrow schema of a Parquet file, from its footer. Raises `FileNotFoundError`."""
    with storage.open_input(path) as source:
        return pq.read_schema(source).remove_metadata()


def delta_type(schema: pa.Schema, path: str) -> list[Field]:
    """The fields of a file's schema in Delta's JSON; every one can be null, as older files may lack it.

    Raises `TableUnusable` if Delta has no such type.
    """
    from deltalake import Schema

    try:
        fields = json.loads(Schema.from_arrow(schema).to_json())["fields"]
    except Exception as error:  # the library raises a bare Exception
        reason = str(error).partition("\n")[0]
        raise TableUnusable(f"{path} cannot be in a Delta table: {reason}") from error
    return [_nullable(field) for field in fields]


def new_field(name: str, kind: Any) -> Field:
    """A field without restrictions."""
    return {"name": name, "type": kind, "nullable": True, "metadata": {}}


def _nullable(field: Mapping[str, Any]) -> Field:
    return new_field(field["name"], _nullable_type(field["type"]))


def _nullable_type(kind: Any) -> Any:
    if not isinstance(kind, dict):
        return kind
    if kind["type"] == "struct":
        return {"type": "struct", "fields": [_nullable(field) for field in kind["fields"]]}
    if kind["type"] == "array":
        return {"type": "array", "elementType": _nullable_type(kind["elementType"]), "containsNull": True}
    return {**kind, "valueType": _nullable_type(kind["valueType"]), "valueContainsNull": True}


def merged_fields(
    table: list[Field], file: list[Field], mismatch: Callable[[str, Any, Any], Exception], at: str = ""
) -> list[Field]:
    """The table's fields and, after them, those that only the file has; likewise within structs.

    `mismatch`: makes the error for a column, by its name with dots, whose types in table and file differ.
    """
    fields = {field["name"]: field for field in table}
    for field in file:
        name = field["name"]
        if name in fields:
            kind = _merged_type(fields[name]["type"], field["type"], mismatch, f"{at}{name}")
            fields[name] = {**fields[name], "type": kind}
        else:
            fields[name] = field
    return list(fields.values())


def _merged_type(table: Any, file: Any, mismatch: Callable[[str, Any, Any], Exception], at: str) -> Any:
    if table == file:
        return table
    if not isinstance(table, dict) or not isinstance(file, dict) or table["type"] != file["type"]:
        raise mismatch(at, table, file)
    if table["type"] == "struct":
        fields = merged_fields(table["fields"], file["fields"], mismatch, f"{at}.")
        return {**table, "fields": fields}
    inner = "elementType" if table["type"] == "array" else "valueType"
    return {**table, inner: _merged_type(table[inner], file[inner], mismatch, at)}
