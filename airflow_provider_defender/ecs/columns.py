"""Functions on columns that mappings use: each takes and gives Arrow arrays of one length.

`parts_of_file`, `parts_of_url`, `extension_of` and `is_ip` do it with single values, for functions that take
JSON apart. All are public, so that a mapping of one's own can use them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

__all__ = [
    "LARGEST_PORT",
    "URL_PARTS",
    "by_distinct",
    "collect",
    "difference_in_nanoseconds",
    "extension_of",
    "file_parts",
    "file_paths",
    "first_known",
    "is_ip",
    "join_known",
    "lower",
    "lower_guid",
    "lower_guids",
    "only_ip",
    "only_where",
    "parts_of_file",
    "parts_of_url",
    "url_parts",
]

_BETWEEN = "\x00\x1f"
_VECTORISED_LIST = 4
_IPV4 = r"\A(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\z"
_MOST_TICKS = (2**63 - 1) // 100


def by_distinct(
    function: Callable[..., tuple[Any, ...]], types: Sequence[pa.DataType], *columns: pa.Array
) -> tuple[pa.Array, ...]:
    """`function` called once for each different combination of values, its results spread over the rows.

    Args:
        function: takes one Python value a column (None where it is null), gives one value an output.
        types: the outputs' Arrow types.
        columns: the inputs; lists of strings come as lists.
    """
    indices, combinations = _distinct(columns[0])
    combinations = [(value,) for value in combinations]
    for column in columns[1:]:
        more, values = _distinct(column)
        code = pc.add(pc.multiply(indices, len(values)), more).dictionary_encode()
        indices = code.indices.cast(pa.int64())
        pairs = (divmod(pair, len(values)) for pair in code.dictionary.to_pylist())
        combinations = [(*combinations[first], values[second]) for first, second in pairs]
    outputs = list(zip(*(function(*combination) for combination in combinations), strict=False)) or [
        ()
    ] * len(types)
    return tuple(
        pa.array(output, arrow_type).take(indices) for output, arrow_type in zip(outputs, types, strict=False)
    )


def _distinct(column: pa.Array) -> tuple[pa.Array, list[Any]]:
    """For each row the position of its value among the different values; the last of these is None."""
    is_list = pa.types.is_list(column.type)
    encoded = (pc.binary_join(column, _BETWEEN) if is_list else column).dictionary_encode()
    values = encoded.dictionary.to_pylist()
    if is_list:
        values = [value.split(_BETWEEN) if value else [] for value in values]
    return pc.fill_null(encoded.indices.cast(pa.int64()), len(values)), [*values, None]


def first_known(*columns: pa.Array) -> pa.Array:
    """The first value that is not null."""
    return pc.coalesce(*columns)


def lower(column: pa.Array) -> pa.Array:
    """The text in lower case."""
    return pc.utf8_lower(column)


_GUID = r"^[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"
_is_guid = re.compile(_GUID[:-1] + r"\Z").match


def lower_guids(column: pa.Array) -> pa.Array:
    """GUIDs in lower case, in which they identify; other texts as they are."""
    lowered = pc.ascii_lower(column)
    differ = pc.fill_null(pc.not_equal(lowered, column), False)
    if not pc.any(differ).as_py():
        return column
    return pc.if_else(pc.and_(differ, pc.match_substring_regex(column, _GUID)), lowered, column)


def lower_guid(text: str | None) -> str | None:
    """What `lower_guids` gives for one text."""
    return text.lower() if text is not None and _is_guid(text) else text


def only_where(condition: pa.Array, column: pa.Array) -> pa.Array:
    """The value where the condition is true, else null."""
    return pc.if_else(condition, column, pa.scalar(None, column.type))


def join_known(separator: str, *columns: pa.Array) -> pa.Array:
    """The values with `separator` between them; null where any of them is null."""
    texts = [column if pa.types.is_string(column.type) else column.cast(pa.string()) for column in columns]
    return pc.binary_join_element_wise(*texts, separator)


def difference_in_nanoseconds(start_ticks: pa.Array, end_ticks: pa.Array) -> pa.Array:
    """From counts of 100 ns; null where the end lies before the start, or 292 years after it."""
    ticks = pc.subtract(end_ticks, start_ticks)
    fits = pc.and_(pc.greater_equal(ticks, 0), pc.less_equal(ticks, _MOST_TICKS))
    return pc.multiply(only_where(fits, ticks), 100)


def collect(*columns: pa.Array) -> pa.Array:
    """Lists of all columns' values (strings or lists of strings), in order, without repeats or nulls.

    Null where there is no value at all.
    """
    scalars: list[pa.Array] = []
    for column in columns:
        if not pa.types.is_list(column.type):
            scalars.append(column)
        elif (longest := pc.max(pc.list_value_length(column)).as_py() or 0) <= _VECTORISED_LIST:
            scalars.extend(_list_positions(column, longest))
        else:
            return _collect_slowly(columns)
    scalars = [column for column in scalars if column.null_count < len(column)]
    if not scalars:
        return pa.nulls(len(columns[0]), pa.list_(pa.string()))
    kept = [_is_new(scalars[:end], column) for end, column in enumerate(scalars)]
    if len(scalars) == 1:
        return _lists(kept[0].cast(pa.int32()), scalars[0].drop_null())
    counts = kept[0].cast(pa.int32())
    for each in kept[1:]:
        counts = pc.add(counts, each.cast(pa.int32()))
    by_row = _positions_by_row(len(counts), len(scalars))
    chosen = by_row.filter(pa.concat_arrays(kept).take(by_row))
    return _lists(counts, pa.concat_arrays(scalars).take(chosen))


def _lists(counts: pa.Array, values: pa.Array) -> pa.Array:
    """The values in lists of these lengths, and null in place of an empty list."""
    ends = pc.cumulative_sum(counts)
    starts = pc.if_else(pc.equal(counts, 0), pa.scalar(None, pa.int32()), pc.subtract(ends, counts))
    return pa.ListArray.from_arrays(pa.concat_arrays([starts, pa.array([len(values)], pa.int32())]), values)


def _positions_by_row(rows: int, columns: int) -> pa.Array:
    """Where the values of columns stand that are put one behind the other, row by row."""
    count = rows * columns
    numbers = _numbers(1 << max(count - 1, 1).bit_length()).slice(0, count)
    row = pc.divide(numbers, pa.scalar(columns, pa.int32()))
    column = pc.subtract(numbers, pc.multiply(row, pa.scalar(columns, pa.int32())))
    return pc.add(row, pc.multiply(column, pa.scalar(rows, pa.int32())))


@lru_cache(maxsize=4)
def _numbers(count: int) -> pa.Array:
    return pa.array(range(count), pa.int32())


def _list_positions(column: pa.Array, longest: int) -> list[pa.Array]:
    padded = pc.list_slice(column, 0, longest, return_fixed_size_list=True) if longest else None
    if padded is None:
        return []
    return [pc.list_element(padded, position) for position in range(longest)]


def _is_new(earlier: Sequence[pa.Array], column: pa.Array) -> pa.Array:
    """Whether there is a value, other than in the earlier columns."""
    is_new = column.is_valid()
    for other in earlier:
        is_new = pc.and_not(is_new, pc.fill_null(pc.equal(column, other), False))
    return is_new


def _collect_slowly(columns: Sequence[pa.Array]) -> pa.Array:
    rows = []
    for values in zip(*(column.to_pylist() for column in columns), strict=False):
        found: dict[str | None, None] = {}
        for value in values:
            found.update(dict.fromkeys(value if isinstance(value, list) else (value,)))
        found.pop(None, None)
        rows.append(list(found) or None)
    return pa.array(rows, pa.list_(pa.string()))


def only_ip(column: pa.Array) -> pa.Array:
    """The texts that are IP addresses; others are null, as ECS `ip` fields take nothing else."""
    usual = pc.match_substring_regex(column, _IPV4)
    if pc.all(usual).as_py():
        return column
    others = only_where(pc.invert(usual), column)
    (found,) = by_distinct(lambda text: (text if is_ip(text) else None,), (pa.string(),), others)
    return pc.if_else(usual, column, found)


def is_ip(text: str | None) -> bool:
    """Whether the text is an IPv4 or IPv6 address without a zone."""
    if not text or "%" in text or not (":" in text or text[-1].isdigit()):
        return False
    try:
        return bool(ip_address(text))
    except ValueError:
        return False


def file_parts(directory: pa.Array, name: pa.Array) -> tuple[pa.Array, pa.Array, pa.Array]:
    """Directory, whole path and extension of files.

    Microsoft's `filePath` is the directory; on some items it already ends in the file's name, then it is the
    whole path. The separator is a slash where the directory has slashes and no backslash. The extension is
    without the dot, in lower case; null for names like `.bashrc` or without a dot.
    """
    (extension,) = by_distinct(lambda text: (text and extension_of(text),), (pa.string(),), name)
    return *file_paths(directory, name), extension


def file_paths(directory: pa.Array, name: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Directory and whole path of files, as `file_parts` gives them."""
    if pc.any(pc.match_substring_regex(name, r"[\\/]")).as_py():
        return by_distinct(_file_paths, (pa.string(),) * 2, directory, name)
    separator: pa.Array | str = "\\"
    head, last = _last_part(directory, separator)
    slashes = pc.and_not(pc.match_substring(directory, "/"), pc.match_substring(directory, "\\"))
    if pc.any(slashes).as_py():
        slashes = pc.fill_null(slashes, False)
        separator = pc.if_else(slashes, "/", separator)
        others = _last_part(directory, "/")
        head, last = (pc.if_else(slashes, *pair) for pair in zip(others, (head, last), strict=True))
    has_name = pc.fill_null(pc.equal(pc.utf8_lower(last), pc.utf8_lower(name)), False)
    bare = pc.if_else(pc.fill_null(pc.equal(last, ""), False), head, directory)
    whole = pc.if_else(has_name, directory, pc.binary_join_element_wise(bare, name, separator))
    own = pc.if_else(has_name, pc.if_else(pc.equal(head, ""), separator, head), directory)
    return own, whole


def _last_part(path: pa.Array, separator: str) -> tuple[pa.Array, pa.Array]:
    """What stands before the last separator and after it; both null where there is none."""
    parts = pc.split_pattern(pc.fill_null(path, ""), separator, max_splits=1, reverse=True)
    has_both = pc.equal(pc.list_value_length(parts), 2)
    starts = only_where(has_both, parts.offsets[:-1])
    return parts.values.take(starts), parts.values.take(pc.add(starts, pa.scalar(1, pa.int32())))


def extension_of(name: str) -> str | None:
    """What follows the last dot, in lower case; None for names like `.bashrc` or without a dot."""
    stem, _, extension = name.rpartition(".")
    return extension.lower() if stem and extension else None


def parts_of_file(directory: str | None, name: str | None) -> tuple[str | None, str | None, str | None]:
    """What `file_parts` gives for one file."""
    return *_file_paths(directory, name), None if name is None else extension_of(name)


def _file_paths(directory: str | None, name: str | None) -> tuple[str | None, str | None]:
    if directory is None or name is None:
        return directory, None
    separator = "/" if "/" in directory and "\\" not in directory else "\\"
    if directory.lower().endswith(f"{separator}{name.lower()}"):
        return directory[: -len(name) - 1] or separator, directory
    return directory, f"{directory.removesuffix(separator)}{separator}{name}"


URL_PARTS: dict[str, pa.DataType] = {
    "scheme": pa.string(),
    "domain": pa.string(),
    "port": pa.int64(),
    "path": pa.string(),
    "extension": pa.string(),
    "query": pa.string(),
    "fragment": pa.string(),
    "username": pa.string(),
    "password": pa.string(),
}
"""What `url_parts` gives, in its order."""
_NO_URL = (None,) * len(URL_PARTS)


def url_parts(column: pa.Array) -> tuple[pa.Array, ...]:
    """The parts of URLs, as in `URL_PARTS`. A text without a scheme is taken as domain and path."""
    return by_distinct(parts_of_url, tuple(URL_PARTS.values()), column)


_URL = re.compile(
    r"(?:([a-z][a-z0-9+.-]*)://(?:([^/?#:@]*)(?::([^/?#@]*))?@)?|(?![a-z][a-z0-9+.-]*:/))"
    r"(?:\[([0-9a-f:.]+)\]|([^/?#:@\s\[\]]+))(?::(\d{0,5}))?"
    r"(/[^?#]*)?(?:\?([^#]*))?(?:#(.*))?\Z",
    re.IGNORECASE | re.DOTALL,
)
LARGEST_PORT = 65535


def parts_of_url(text: str | None) -> tuple[Any, ...]:
    """What `url_parts` gives for one text."""
    match = _URL.match(text) if text else None
    if match is None:
        return _NO_URL
    scheme, user, password, address, name, digits, path, query, fragment = match.groups()
    port = int(digits) if digits else None
    if port is not None and port > LARGEST_PORT:
        return _NO_URL
    return (
        scheme.lower() if scheme else None,
        (address or name).lower(),
        port,
        path,
        extension_of(path.rpartition("/")[2]) if path else None,
        query or None,
        fragment or None,
        user or None,
        password or None,
    )
