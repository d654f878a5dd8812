"""Names and paths of files.

What Microsoft calls a folder path is a folder, a folder that ends in a separator, or the whole path of the
file. `file_paths` is for columns that are folders by habit (alerts, DeviceLogonEvents): the name is appended
unless the folder ends in it already. `image_paths` is for columns that are whole paths by habit
(DeviceProcessEvents, InitiatingProcessFolderPath): the name is appended only to what is a folder for certain,
since a path that does not end in the name is that of a link's target (`sh`, `/usr/bin/dash`) or has the short
name of Windows (`POWERP~1.EXE`). For both, a name that has a separator is a path itself.

So a path ends in the file's name or is a path as Microsoft sent it, and the name stays what Microsoft calls
the file, since detections ask for that.
"""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from .distinct import by_distinct, by_distinct_pair
from .short import is_short
from .values import lower_text, only_where

__all__ = [
    "extension_of",
    "file_name",
    "file_names",
    "file_parts",
    "file_paths",
    "fork_name",
    "image_paths",
    "only_name",
    "parts_of_file",
    "parts_of_image",
]

_TWO_TEXTS = (pa.string(), pa.string())


def file_parts(directory: pa.Array, name: pa.Array) -> tuple[pa.Array, pa.Array, pa.Array]:
    """Directory, full path and extension of files, where the directory's column is a folder by habit.

    The separator is a slash if the directory has slashes and no backslash. The extension has no dot and is
    in lower case; null for names like `.bashrc` or without a dot.
    """
    (extension,) = by_distinct(lambda text: (extension_of(text) if text else None,), (pa.string(),), name)
    return *file_paths(directory, name), extension


def file_paths(directory: pa.Array, name: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Directory and full path of files, as from `file_parts`."""
    if name.null_count == len(name):
        return directory, name
    if is_short(name):
        return by_distinct(_file_path, _TWO_TEXTS, directory, name)
    return by_distinct_pair(_file_paths, directory, name)


def image_paths(path: pa.Array, name: pa.Array) -> tuple[pa.Array, pa.Array]:
    """`executable` and `name` of images, where the path's column is a whole path by habit.

    Also for other files in such columns: the whole path and the name.
    """
    if path.null_count == len(path) == name.null_count:
        return path, name
    if is_short(name):
        return by_distinct(parts_of_image, _TWO_TEXTS, path, name)
    return by_distinct_pair(_image_paths, path, name)


def only_name(name: pa.Array) -> pa.Array:
    """The names of files: of what is a path, its last part."""
    return by_distinct(lambda text: (_last_part(text or "") or None,), (pa.string(),), name)[0]


def file_names(name: pa.Array) -> tuple[pa.Array, pa.Array]:
    """`file.name` and `file.fork_name`: `file_name` and `fork_name` for a column."""
    return by_distinct(lambda text: (file_name(text or ""), fork_name(text or "")), _TWO_TEXTS, name)


def _file_paths(directory: pa.Array, name: pa.Array) -> tuple[pa.Array, pa.Array]:
    is_slashed = _is_slashed(directory)
    last = _ends_of(directory, is_slashed)
    differs = pc.not_equal(pc.utf8_lower(last), pc.utf8_lower(name))
    has_end = pc.and_(pc.not_equal(last, ""), pc.invert(pc.match_substring_regex(last, "[~:/]")))
    is_plain = pc.invert(pc.match_substring_regex(name, r"[\\/:]"))
    usual = pc.fill_null(pc.and_(pc.and_(differs, has_end), pc.and_(is_plain, pc.not_equal(name, ""))), False)
    joined = pc.binary_join_element_wise(directory, name, pc.if_else(is_slashed, "/", "\\"))
    if pc.all(usual).as_py():
        return directory, joined
    others = (only_where(pc.invert(usual), column) for column in (directory, name))
    own, whole = by_distinct(_file_path, _TWO_TEXTS, *others)
    return pc.if_else(usual, directory, own), pc.if_else(usual, joined, whole)


def _image_paths(path: pa.Array, name: pa.Array) -> tuple[pa.Array, pa.Array]:
    last = _ends_of(path, _is_slashed(path))
    is_plain = pc.invert(pc.match_substring_regex(name, r"[\\/]"))
    is_end = pc.and_(pc.equal(pc.utf8_lower(last), pc.utf8_lower(name)), pc.not_equal(name, ""))
    usual = pc.fill_null(pc.and_(is_plain, is_end), False)
    if pc.all(usual).as_py():
        return path, name
    others = (only_where(pc.invert(usual), column) for column in (path, name))
    executable, own = by_distinct(parts_of_image, _TWO_TEXTS, *others)
    return pc.if_else(usual, path, executable), pc.if_else(usual, name, own)


def _is_slashed(path: pa.Array) -> pa.Array:
    """Whether the paths have slashes and no backslash."""
    has_slash = pc.and_not(pc.match_substring(path, "/"), pc.match_substring(path, "\\"))
    return pc.fill_null(has_slash, False)


def _ends_of(path: pa.Array, is_slashed: pa.Array) -> pa.Array:
    """What stands behind the last separator; null if there is none."""
    last = _behind_last(path, "\\")
    return pc.if_else(is_slashed, _behind_last(path, "/"), last) if pc.any(is_slashed).as_py() else last


def _behind_last(path: pa.Array, separator: str) -> pa.Array:
    parts = pc.split_pattern(pc.fill_null(path, ""), separator, max_splits=1, reverse=True)
    has_both = pc.equal(pc.list_value_length(parts), 2)
    starts = only_where(has_both, parts.offsets[:-1])
    return parts.values.take(pc.add(starts, pa.scalar(1, pa.int32())))


def extension_of(name: str) -> str | None:
    """The text after the last dot of a file's name, in lower case; None for names like `.bashrc`.

    Of an alternate data stream, `a.txt:b`, the file's.
    """
    return suffix_of(file_name(name) or "")


def suffix_of(name: str) -> str | None:
    """The same for a name that is neither a path nor a stream."""
    stem, _, extension = name.rpartition(".")
    return extension.lower() if stem and extension else None


_SEPARATORS = re.compile(r"[\\/]")


def _last_part(path: str) -> str:
    return _SEPARATORS.split(path)[-1]


def file_name(text: str) -> str | None:
    r"""A file's name, without its folder and alternate data stream: of `C:\x\a.txt:b`, `a.txt`."""
    return _last_part(text).partition(":")[0] or None


def fork_name(text: str) -> str | None:
    """The alternate data stream of a file's name: of `a.txt:b` or `a.txt:b:$DATA`, `b`."""
    name, _, stream = _last_part(text).partition(":")
    return stream.partition(":")[0] or None if name else None


def parts_of_file(directory: str | None, name: str | None) -> tuple[str | None, str | None, str | None]:
    """`file_parts` for one file."""
    return *_file_path(directory, name), extension_of(name) if name else None


def _file_path(directory: str | None, name: str | None) -> tuple[str | None, str | None]:
    if not name:
        return directory, None
    last = _last_part(name)
    if last != name:
        if directory is not None and not _is_absolute(name) and _ends_in(directory, last):
            return _parent_of(directory), directory
        return (_parent_of(name), name) if last else (directory or name, None)
    if directory is None:
        return None, None
    end = _last_part(directory)
    if not end:
        return directory, f"{directory}{name}"
    if _ends_in(directory, name) or _is_short_name(end, name):
        stream = "" if ":" in end else name[len(file_name(name) or "") :]
        return _parent_of(directory), f"{directory}{stream}"
    return directory, f"{directory}{_separator_of(directory)}{name}"


_PROGRAMS = frozenset(["bat", "cmd", "com", "cpl", "dll", "drv", "exe", "msi", "ocx", "scr", "sys", "tmp"])
"""Extensions of images on Windows, without which the last part of a path to an image is a folder."""


def parts_of_image(path: str | None, name: str | None) -> tuple[str | None, str | None]:
    """`image_paths` for one image."""
    if not name:
        return path, None
    if path is not None and path.endswith(name) and path[-len(name) - 1 : -len(name)] in ("\\", "/"):
        return path, _last_part(name) or None
    last = _last_part(name)
    if last != name:
        is_known = path is not None and (_ends_in(path, last) or not _is_absolute(name))
        return (path if is_known or not last else name), last or None
    if path is None or _ends_in(path, name):
        return path, name
    end = _last_part(path)
    if not end:
        return f"{path}{name}", name
    is_folder = suffix_of(name) in _PROGRAMS and suffix_of(end) not in (*_PROGRAMS, suffix_of(name))
    if is_folder and ("\\" in path or _is_drive(path)) and not _is_short_name(end, name):
        return f"{path}\\{name}", name
    return path, name


def _separator_of(path: str) -> str:
    return "/" if "/" in path and "\\" not in path else "\\"


def _ends_in(path: str, name: str) -> bool:
    """Whether the path's last part is the name, whatever its case, or that of a stream of the same file."""
    end, name = lower_text(_last_part(path)), lower_text(name)
    return end == name or (file_name(end) or end) == (file_name(name) or name)


def _parent_of(path: str) -> str | None:
    """The folder of a whole path; None for a name alone."""
    last = _last_part(path)
    if last == path:
        return None
    head = path[: len(path) - len(last)]
    parent = head[:-1]
    return head if not parent or _is_drive(parent) else parent


_is_absolute = re.compile(r"[\\/~]|[A-Za-z]:[\\/]").match
_is_drive = re.compile(r"[A-Za-z]:\Z").match
_SHORT_NAME = re.compile(r"([^.~\s]{1,6})~\d{1,6}(?:\.([^.~\s]{1,3}))?\Z")


def _is_short_name(short: str, name: str) -> bool:
    """Whether it is a name of eight and three characters that Windows makes for this longer one."""
    match = _SHORT_NAME.match(short.lower())
    if match is None:
        return False
    head, extension = match[1], match[2] or ""
    letters = re.sub(r"[\s.]", "", name.lower().rpartition(".")[0] or name.lower())
    return letters[:2] == head[:2] and (suffix_of(name) or "")[:3] == extension
