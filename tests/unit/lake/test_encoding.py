"""Encoding of small files by Rust's library: as good as by Arrow's, whatever the rows."""

from __future__ import annotations

from datetime import datetime, timezone
from io import BytesIO
from pathlib import Path
from typing import Any

import duckdb
import polars
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_defender.lake import encoding
from airflow_provider_defender.lake.encoding import is_small, new_writer, write_small

UTC = timezone.utc
TEXTS = st.text(max_size=3) | st.sampled_from(["", "\0", "a\0b", "é" * 40, "\U0010ffff" * 31, "z" * 5000])
LEAVES: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.bool_(), st.booleans()),
    (pa.int32(), st.integers(-(2**31), 2**31 - 1)),
    (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    (pa.float64(), st.floats(allow_nan=False)),
    (pa.string(), TEXTS),
    (pa.binary(), st.binary(max_size=3) | st.sampled_from([b"\xff" * 100, b"\0" * 2000])),
    (pa.timestamp("us", "UTC"), st.datetimes(timezones=st.just(UTC))),
]


def nested(
    of: st.SearchStrategy[tuple[pa.DataType, st.SearchStrategy[Any]]],
) -> st.SearchStrategy[tuple[pa.DataType, st.SearchStrategy[Any]]]:
    def as_struct(parts: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]]) -> Any:
        kind = pa.struct([(name, part[0]) for name, part in parts.items()])
        return kind, st.fixed_dictionaries({name: st.none() | part[1] for name, part in parts.items()})

    lists = of.map(lambda part: (pa.list_(part[0]), st.lists(st.none() | part[1], max_size=3)))
    names = st.sampled_from(["a", "b.c", "element", "list", "ü"])
    return lists | st.dictionaries(names, of, min_size=1, max_size=3).map(as_struct)


KINDS = st.recursive(st.sampled_from(LEAVES), nested, max_leaves=5)


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    """Tables of any of our types; pieces of larger ones, cut anywhere, some in several chunks."""
    columns = {}
    rows = draw(st.integers(1, 12))
    for name in draw(st.lists(st.sampled_from(["@timestamp", "x", "y.z", "n"]), unique=True, min_size=1)):
        kind, values = draw(KINDS)
        items = [draw(st.none() | values) for _ in range(rows)]
        columns[name] = pa.array(items, kind)
    table = pa.table(columns)
    first = draw(st.integers(0, rows - 1))
    second = draw(st.integers(0, rows - 1))
    pieces = [table.slice(first), table.slice(second, 2)][: draw(st.integers(1, 2))]
    inner = pa.concat_tables(pieces)
    if draw(st.booleans()):  # an offset in a part only
        return inner
    structs = [pa.StructArray.from_arrays(batch.columns, batch.schema.names) for batch in inner.to_batches()]
    return pa.table({"whole": pa.chunked_array(structs)}).slice(draw(st.integers(0, inner.num_rows - 1)))


def small(table: pa.Table) -> BytesIO:
    file = BytesIO()
    write_small(file, table, 1)
    return file


def by_arrow(table: pa.Table) -> BytesIO:
    file = BytesIO()
    with new_writer(file, table, 1) as writer:
        writer.write_table(table)
    return file


def schema_of(file: BytesIO) -> list[str]:
    """What the Parquet schema says of each leaf, and of what it is in; without the root's name."""
    schema = pq.ParquetFile(file).schema
    return str(schema).splitlines()[2:] + [str(schema.column(n)) for n in range(len(schema.names))]


def leaf_values(array: pa.Array) -> list[list[Any]]:
    """The values of each leaf that are not null."""
    if pa.types.is_list(array.type):
        return leaf_values(array.flatten())
    if pa.types.is_struct(array.type):
        return [values for part in array.flatten() for values in leaf_values(part)]
    return [[value for value in array.to_pylist() if value is not None]]


def comparable(value: Any) -> Any:
    return value.encode() if isinstance(value, str) else value


def check_statistics(table: pa.Table, file: BytesIO) -> None:
    """Bounds hold for all values, and are exact unless they are long texts; nulls are counted."""
    group = pq.ParquetFile(file).metadata.row_group(0)
    leaves = [values for column in table.columns for values in leaf_values(column.combine_chunks())]
    assert len(leaves) == group.num_columns
    for number, values in enumerate(leaves):
        statistics = group.column(number).statistics
        assert statistics.null_count == group.column(number).num_values - len(values)
        assert statistics.has_min_max == bool(values)
        if not values:
            continue
        bounds = comparable(statistics.min), comparable(statistics.max)
        least, most = min(map(comparable, values)), max(map(comparable, values))
        assert bounds[0] <= least
        assert most <= bounds[1]
        if not isinstance(least, bytes) or max(len(least), len(most)) <= 64:
            assert bounds == (least, most)


@settings(max_examples=150, deadline=None)
@given(tables())
def test_small_files_are_the_same_to_readers_as_those_of_arrow(table: pa.Table) -> None:
    file, other = small(table), by_arrow(table)
    assert pq.read_table(file).equals(table)
    assert schema_of(file) == schema_of(other)
    assert not pq.ParquetFile(file).metadata.metadata
    check_statistics(table, file)


INNER = pa.struct(
    [("a", pa.string()), ("in", pa.list_(pa.struct([("x", pa.int32()), ("y", pa.list_(pa.string()))])))]
)
EXAMPLE = pa.table(
    {
        "text": ["", "\0", "a\0b", "\U0010ffff" * 30, None, "z" * 5000],
        "bytes": [b"", b"\0", b"\xff" * 100, b"x", None, b"y" * 3000],
        "double": [-0.0, 0.0, float("nan"), float("inf"), None, 1e308],
        "int32": pa.array([-(2**31), 2**31 - 1, 0, 1, None, 3], pa.int32()),
        "int64": [-(2**63), 2**63 - 1, 0, 1, None, 3],
        "time": pa.array(
            [
                datetime(1, 1, 1, tzinfo=UTC),
                datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
                None,
                datetime(1970, 1, 1, tzinfo=UTC),
                datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
                None,
            ],
            pa.timestamp("us", "UTC"),
        ),
        "boolean": [True, False, None, None, True, False],
        "list": pa.array([[], None, [None], ["a", None], ["", ""], []], pa.list_(pa.string())),
        "struct": pa.array(
            [
                None,
                {"a": None, "in": None},
                {"a": "x", "in": []},
                {"a": "", "in": [None]},
                {"a": "q", "in": [{"x": 1, "y": None}, {"x": None, "y": []}, {"x": 2, "y": [None, "k"]}]},
                None,
            ],
            INNER,
        ),
        "nothing": pa.array([None] * 6, INNER),
    }
)


@pytest.mark.parametrize(("first", "rows"), [(0, 6), (0, 1), (5, 1), (1, 3)])
def test_other_readers_find_the_same_rows_too(tmp_path: Path, first: int, rows: int) -> None:
    table = EXAMPLE.slice(first, rows)
    ours, other = tmp_path / "ours.parquet", tmp_path / "other.parquet"
    ours.write_bytes(small(table).getvalue())
    other.write_bytes(by_arrow(table).getvalue())
    found = [duckdb.execute(f"from '{path}'").fetchall() for path in (ours, other)]
    assert str(found[0]) == str(found[1])  # as texts, since a NaN equals nothing
    frames = [polars.read_parquet(path) for path in (ours, other)]
    assert frames[0].equals(frames[1])
    assert frames[0].schema == frames[1].schema


LONG = ["\U0010ffff" * 30, "\U0010ffff" * 31, "é" * 40, "é" * 40 + "a", "z" * 5000, "z" * 64, "z" * 65]


@pytest.mark.parametrize("value", LONG)
def test_readers_find_long_texts_by_their_shortened_bounds(tmp_path: Path, value: str) -> None:
    path = tmp_path / "long.parquet"
    path.write_bytes(small(pa.table({"text": [value] * 3, "number": [1, 2, 3]})).getvalue())
    for sought in LONG:
        equal = 3 * (value == sought)
        greater = 3 * (value.encode() > sought.encode())
        for sign, expected in (("=", equal), (">", greater), ("<", 3 - equal - greater)):
            [found] = duckdb.execute(
                f"select count(*) from '{path}' where text {sign} ?", [sought]
            ).fetchall()
            assert found == (expected,)
            arrow_sign = "==" if sign == "=" else sign
            assert pq.read_table(path, filters=[("text", arrow_sign, sought)]).num_rows == expected
        text = polars.col("text")
        assert polars.scan_parquet(path).filter(text == sought).collect().height == equal
        assert polars.scan_parquet(path).filter(text > sought).collect().height == greater
    [bounds] = duckdb.execute(f"select min(text), max(text) from '{path}'").fetchall()
    assert bounds == (value, value)


def test_compressed_and_dictionary_columns_are_those_of_arrow() -> None:
    """However deep they lie, and with points in their names."""
    rows = [{"long": f"{n}" * 3000, "a.b": "x" * 200, "number": n % 2} for n in range(40)]
    kind = pa.struct([("long", pa.string()), ("a.b", pa.string()), ("number", pa.int64())])
    table = pa.table({"key": ["k"] * 40, "lists": pa.array([[each] for each in rows], pa.list_(kind))})
    groups = [pq.ParquetFile(each(table)).metadata.row_group(0) for each in (small, by_arrow)]
    described = [
        [
            (each.path_in_schema, each.compression, each.has_dictionary_page)
            for each in map(group.column, range(4))
        ]
        for group in groups
    ]
    assert described[0] == described[1]
    assert {compression for _, compression, _ in described[0]} == {"UNCOMPRESSED", "ZSTD"}
    assert {has_dictionary for *_, has_dictionary in described[0]} == {True, False}


DEEP = pa.array([{"a": {"b": {"c": f"v{n}"}}} if n % 3 else None for n in range(100)])
SLICES = [pa.table({"deep": DEEP}).slice(30, 10), pa.table({"deep": DEEP.slice(30, 40)}).slice(5, 7)]


@pytest.mark.parametrize("table", SLICES)
def test_slices_of_structs_in_structs_are_written(table: pa.Table, caplog: pytest.LogCaptureFixture) -> None:
    assert pq.read_table(small(table)).equals(table)
    assert not caplog.records


@pytest.mark.parametrize("table", SLICES)
def test_what_stops_rusts_library_is_written_by_arrows(
    table: pa.Table, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Such slices do."""
    monkeypatch.setattr(encoding, "_copied", lambda rows: rows)
    assert pq.read_table(small(table)).equals(table)
    assert "Rust's has stopped" in caplog.text


@pytest.mark.parametrize(
    "table",
    [
        pa.table({"n": range(1001)}),
        pa.table({"number": [1, 2], "text": ["x" * 12 * 1024] * 2}),
        pa.table({"n": pa.array([1], pa.uint8())}),
        pa.table({"n": pa.array([1], pa.timestamp("ns", "UTC"))}),
        pa.table({"n": pa.array([1], pa.timestamp("us"))}),
        pa.table({"n": pa.array(["x"], pa.large_string())}),
        pa.table({"n": pa.array(["x"]).dictionary_encode()}),
        pa.table({"n": pa.array([[{"m": 1}]], pa.list_(pa.struct([("m", pa.uint8())])))}),
        pa.table({"n": [1]}).replace_schema_metadata({"a": "b"}),
    ],
    ids=["rows", "bytes", "uint8", "ns", "no zone", "large", "dictionary", "nested", "metadata"],
)
def test_large_files_and_other_types_are_left_to_arrow(table: pa.Table) -> None:
    assert not is_small(table)


def test_few_rows_are_small() -> None:
    assert is_small(EXAMPLE)
    assert is_small(pa.table({"n": range(1000)}))


class Full:
    def write(self, data: Any) -> int:
        raise OSError(28, "no space left")


def test_what_the_sink_raises_is_raised() -> None:
    with pytest.raises(OSError, match="no space left"):
        write_small(Full(), EXAMPLE, 1)
