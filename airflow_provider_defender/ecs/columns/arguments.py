"""Command lines and their arguments."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from ..fields import positions
from .short import column_of, is_short
from .values import only_where

__all__ = ["arguments"]

_TEXTS = pa.list_(pa.string())
_ESCAPED_QUOTE = '\\"'
_CONTROL_CHARACTERS = r"[\t\n\v\f\r\x1e\x1f]"
_BLANK, _NOTHING = "\x1f", "\x1e"
_ARGUMENT = re.compile(r'(?:[^\s"\\]+|\\"|\\|"(?:[^"\\]+|\\.)*"?)+', re.DOTALL | re.ASCII)
_QUOTE = re.compile(r'(\\*)"')
_LONGEST_COMMAND = 128 * 1024
"""Bytes: Windows takes 32,767 characters. Words of a longer text would take many times its memory."""


def arguments(command_line: pa.Array) -> tuple[pa.Array, pa.Array]:
    """`process.args` and `.args_count`: the command line split at blanks as Windows does it.

    Double quotes hold blanks together, a backslash before one makes it a character. Single quotes are
    characters, also on Linux, where the shell has removed those that are none. Null for what is longer than a
    command line can be.
    """
    if is_short(command_line):
        lines = command_line.to_pylist()
        found = {line: _words(line) for line in set(lines)}
        lists = [found[line] for line in lines]
        counts = [None if words is None else len(words) for words in lists]
        return column_of(lists, _TEXTS), column_of(counts, pa.int64())
    encoded = command_line.dictionary_encode()
    words = _split(encoded.dictionary).take(encoded.indices)
    return words, pc.list_value_length(words).cast(pa.int64())


def _words(command_line: str | None) -> list[str] | None:
    """The words of one command line."""
    if command_line is None or len(command_line) > _LONGEST_COMMAND:
        return None
    if len(data := command_line.encode()) > _LONGEST_COMMAND:
        return None
    if '"' in command_line:
        return _split_oddly_quoted(command_line)
    return [word.decode() for word in data.split()] or None


def _split(command_line: pa.Array) -> pa.Array:
    """The words of each command line, none of which is null."""
    command_line = only_where(pc.less_equal(pc.binary_length(command_line), _LONGEST_COMMAND), command_line)
    trimmed = pc.ascii_trim_whitespace(command_line)
    trimmed = only_where(pc.not_equal(trimmed, ""), trimmed)
    quoted = pc.fill_null(pc.match_substring(command_line, '"'), False)
    if not pc.any(quoted).as_py():
        return pc.ascii_split_whitespace(trimmed)
    odd = pc.and_(quoted, _is_oddly_quoted(command_line))
    usual = pc.and_not(quoted, odd)
    plain = pc.ascii_split_whitespace(trimmed.filter(pc.invert(quoted)))
    parts = [plain, _split_quoted(command_line.filter(usual))]
    kinds = pc.if_else(quoted, 1, 0)
    if pc.any(odd).as_py():
        lines = command_line.filter(odd).to_pylist()
        parts.append(pa.array(map(_split_oddly_quoted, lines), _TEXTS))
        kinds = pc.if_else(odd, 2, kinds)
    return pa.concat_arrays(parts).take(_places(kinds))


def _places(kinds: pa.Array) -> pa.Array:
    """For each row, its place among the rows sorted by kind."""
    return pc.array_sort_indices(pc.array_sort_indices(kinds))


def _is_oddly_quoted(command_line: pa.Array) -> pa.Array:
    """Whether a backslash makes a quote a character, or there is a control character."""
    odd = pc.match_substring(command_line, "\\")
    if pc.any(odd).as_py():
        odd = pc.match_substring(command_line, _ESCAPED_QUOTE)
    if _has_control_characters(command_line):
        odd = pc.or_(odd, pc.match_substring_regex(command_line, _CONTROL_CHARACTERS))
    return pc.fill_null(odd, False)


def _has_control_characters(texts: pa.Array) -> bool:
    """Whether the data of texts has any, in one quick pass over all bytes."""
    _, offsets, data = texts.buffers()
    if data is None:
        return False
    bounds = pa.Array.from_buffers(pa.int32(), len(texts) + 1, [None, offsets], offset=texts.offset)
    start, stop = bounds[0].as_py(), bounds[-1].as_py()
    octets = pa.Array.from_buffers(pa.uint8(), stop - start, [None, data], offset=start)
    smallest = pc.min(octets).as_py()
    return smallest is not None and smallest < ord(" ")


def _split_quoted(command_line: pa.Array) -> pa.Array:
    """Words of texts in which every quote is one that holds blanks together: every other part is inside."""
    parts = pc.split_pattern(command_line, '"')
    values = parts.flatten()
    starts = parts.offsets.take(pc.list_parent_indices(parts))
    places = pc.subtract(positions(len(values)), starts)
    inside = pc.equal(pc.bit_wise_and(places, pa.scalar(1, pa.int32())), 1)
    held = pc.if_else(inside, pc.replace_substring(values, " ", _BLANK), values)
    nothing = pc.and_(inside, pc.equal(values, ""))
    has_nothing = pc.any(nothing).as_py()
    if has_nothing:
        held = pc.if_else(nothing, _NOTHING, held)
    joined = pc.binary_join(pa.ListArray.from_arrays(parts.offsets, held, mask=parts.is_null()), "")
    words = pc.ascii_split_whitespace(pc.ascii_trim_whitespace(joined))
    texts = pc.replace_substring(words.flatten(), _BLANK, " ")
    if has_nothing:
        texts = pc.replace_substring(texts, _NOTHING, "")
    return pa.ListArray.from_arrays(words.offsets, texts, mask=words.is_null())


def _split_oddly_quoted(command_line: str) -> list[str]:
    """The same for a text in which a backslash makes a quote a character, word by word."""
    return [_unquoted(word) for word in _ARGUMENT.findall(command_line)]


def _unquoted(word: str) -> str:
    def replace(match: re.Match[str]) -> str:
        slashes = len(match[1])
        return "\\" * (slashes // 2) + '"' * (slashes % 2)

    return _QUOTE.sub(replace, word)
