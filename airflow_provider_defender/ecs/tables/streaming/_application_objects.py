"""CloudAppEvents: the file or the mail that an activity is about."""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa

from ...columns import by_distinct, collect, extension_of, file_name, known_text, only_host
from .functions import URL_DOMAIN, json_items, url_fields

__all__ = [
    "FILE_FIELDS",
    "FILE_INPUTS",
    "MAIL_FIELDS",
    "MAIL_INPUTS",
    "RAW_FILE_KEYS",
    "RAW_MAIL_KEYS",
    "application_file",
    "application_mail",
    "application_url",
]

FILE_FIELDS = ("file.name", "file.extension", "file.directory", "file.type", "file.size")
"""What `application_file` gives."""
RAW_FILE_KEYS = ("ItemType", "SourceFileName", "SourceRelativeUrl", "FileSizeBytes")
"""The keys of RawEventData that `application_file` takes: those of SharePoint and OneDrive."""
FILE_INPUTS = ("ObjectType", "ObjectName", *(f"RawEventData.{key}" for key in RAW_FILE_KEYS))
"""The inputs of `application_file`."""

_is_size = re.compile(r"[0-9]{1,18}").fullmatch
_TYPES = {"file": "file", "folder": "dir"}


def application_file(*columns: pa.Array) -> tuple[pa.Array, ...]:
    """The file or folder that was acted upon, as in `FILE_FIELDS`.

    Args:
        columns: those of `FILE_INPUTS`.
    """
    return by_distinct(_file, (*(pa.string(),) * 4, pa.int64()), *columns)


def _file(
    object_type: str | None,
    object_name: str | None,
    item_type: str | None,
    name: str | None,
    directory: str | None,
    size: str | None,
) -> tuple[Any, ...]:
    kind = _TYPES.get((item_type or object_type or "").lower())
    if not kind and not name:
        return (None,) * len(FILE_FIELDS)
    if not name and object_name and (object_type or "").lower() in _TYPES:
        name = object_name.partition("?")[0].rstrip("/\\")
    name = file_name(name) if name else None
    size = size if size and _is_size(size) else None
    return (
        name,
        extension_of(name) if name and kind != "dir" else None,
        directory,
        kind,
        int(size) if size else None,
    )


def application_url(raw_object: pa.Array, object_name: pa.Array) -> tuple[pa.Array, ...]:
    """`URL_FIELDS` and `related.hosts`: of the object's id or its name, the first that is a URL."""

    def find(*texts: str | None) -> tuple[str | None]:
        return (next((text for text in texts if text and text.lower().startswith(_SCHEMES)), None),)

    parts = list(url_fields(by_distinct(find, (pa.string(),), raw_object, object_name)[0]))
    return *parts, collect(only_host(parts[URL_DOMAIN]))


_SCHEMES = ("https://", "http://")

MAIL_FIELDS = ("email.message_id", "email.subject")
"""What `application_mail` gives."""
RAW_MAIL_KEYS = ("Item", "AffectedItems", "Folders")
"""The keys of RawEventData that `application_mail` takes: those of Exchange's mailboxes."""
MAIL_INPUTS = tuple(f"RawEventData.{key}" for key in RAW_MAIL_KEYS)
"""The inputs of `application_mail`."""


def application_mail(*columns: pa.Array) -> tuple[pa.Array, ...]:
    """The mail that was acted upon, as in `MAIL_FIELDS`; nothing where a record is about several.

    Args:
        columns: those of `MAIL_INPUTS`.
    """
    if all(column.null_count == len(column) for column in columns):
        return (pa.nulls(len(columns[0]), pa.string()),) * len(MAIL_FIELDS)
    return by_distinct(_mail, (pa.string(),) * len(MAIL_FIELDS), *columns)


def _mail(item: str | None, affected: str | None, folders: str | None) -> tuple[str | None, str | None]:
    mails = [each for text in (item, affected) for each in json_items(text) if isinstance(each, dict)]
    for folder in json_items(folders):
        inside = folder.get("FolderItems") if isinstance(folder, dict) else None
        mails += [each for each in inside or () if isinstance(each, dict)] if isinstance(inside, list) else []
    ids = {each.get("InternetMessageId"): each for each in mails if _is_text(each.get("InternetMessageId"))}
    if len(ids) != 1:
        return None, None
    ((message_id, mail),) = ids.items()
    subject = mail.get("Subject")
    return message_id, known_text(subject) if isinstance(subject, str) else None


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)
