"""Encoding rows as Parquet: a small file at once, any other in row groups.

Two libraries do it, which make the same of the same rows. Arrow's (pyarrow) is the faster one for many rows,
and writes any number of row groups. Rust's (arro3) takes half the time for few rows of many columns: Arrow's
looks up a dozen times for each leaf column how it is to be written, by its name as a text.
"""

from __future__ import annotations

import logging
from io import BytesIO
from typing import Any

import arro3.io
import pyarrow as pa
import pyarrow.parquet as pq

from airflow_provider_defender.lake.columns import make_choices, make_layout

__all__ = ["is_small", "new_writer", "write_small"]

_logger = logging.getLogger(__name__)

_SMALL_ROWS = 1000
_SMALL_LEAF = 12 * 1024
_PAGE_ROWS = 4 * 1024
_PAGE_BYTES = 512 * 1024
"""A column with fewer rows and bytes has one page, by the limits of pyarrow: 20,000 rows and 1 MiB."""


def is_small(rows: pa.Table) -> bool:
    """Whether a file of these rows alone is better written by `write_small`.

    Beyond 1,000 rows, or 12 KiB for each leaf column, that is hardly faster, and takes more memory. It also
    holds Python's lock, so no other thread gets on meanwhile. Types other than those of this provider's
    tables are left to Arrow's library, and metadata.
    """
    layout = make_layout(rows.schema)
    if rows.num_rows > _SMALL_ROWS or rows.schema.metadata or not layout.is_plain:
        return False
    return bool(rows.get_total_buffer_size() <= _SMALL_LEAF * len(layout.names))


def write_small(sink: Any, rows: pa.Table, compression_level: int) -> None:
    """Write a whole Parquet file of these rows, which are small, as one row group.

    It has a page index, and statistics of all columns: bounds of texts have at most 64 bytes. It is encoded
    in memory: of an error of the sink, Rust's library would say only that it has stopped.
    """
    try:
        encoded = _encoded(rows, compression_level)
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # no Exception, and of a module that cannot be imported
            raise
        _logger.warning("A Parquet file is written by Arrow's library, since Rust's has stopped: %s", error)
        writer = new_writer(sink, rows, compression_level)
        writer.write_table(rows)
        writer.close()
    else:
        sink.write(encoded.getbuffer())


def _encoded(rows: pa.Table, compression_level: int) -> BytesIO:
    choices = make_choices(rows)
    file = BytesIO()
    arro3.io.write_parquet(
        _copied(rows),
        file,
        compression="uncompressed",
        column_compression={column.path: f"zstd({compression_level})" for column in choices.compressed},
        dictionary_enabled=False,
        column_dictionary_enabled={column.path: True for column in choices.dictionary},
        skip_arrow_metadata=True,
    )
    return file


def _copied(rows: pa.Table) -> pa.RecordBatch:
    """The rows in memory of their own, with lists named as in Parquet.

    Rust's library stops at slices of structs in structs, and to look for them takes as long as to copy.
    """
    columns = [pa.concat_arrays(column.chunks) for column in rows.columns]
    return pa.RecordBatch.from_arrays(columns, schema=make_layout(rows.schema).in_parquet)


def new_writer(sink: Any, rows: pa.Table, compression_level: int) -> pq.ParquetWriter:
    """A writer of a lake's Parquet file, for rows like these.

    The Arrow schema is left out of the file: it takes 40 kB and repeats Parquet's own schema.
    """
    choices = make_choices(rows)
    long_texts = {column.name for column in choices.long_texts}
    compressed = [column.name for column in choices.compressed]
    return pq.ParquetWriter(
        sink,
        rows.schema,
        compression=dict.fromkeys(compressed, "zstd"),
        compression_level=dict.fromkeys(compressed, compression_level),
        use_dictionary=[column.name for column in choices.dictionary],
        # Short where it can be: a list of all columns takes longer than what it says.
        write_statistics=[name for name in make_layout(rows.schema).names if name not in long_texts]
        if long_texts
        else True,
        write_page_index=rows.num_rows >= _PAGE_ROWS or choices.most_bytes >= _PAGE_BYTES,
        store_schema=False,
    )
