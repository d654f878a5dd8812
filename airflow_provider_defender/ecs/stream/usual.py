"""Records in the Streaming API's own spelling, as nearly all are, recognised by one regular expression.

The expression matches what is around a record's object, at both ends. A record that it matches is valid JSON
exactly if its object is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, TypeAlias, cast

__all__ = ["Usual", "usual_messages", "usual_record", "usual_records"]

_TIME = rb'"([0-9TZ:.+-]*)"'
_TEXT = rb'"[ !#-\[\]-~]*"'
_CONSTANT = rb'"tenantId":' + _TEXT + rb',"operationName":' + _TEXT + rb',"category":' + _TEXT
# A group with "?" takes Python much longer than an alternative that is empty.
_HEAD = rb'\{"time":%b,(%b),(?:"_TimeReceivedBySvc":%b,|)"properties":' % (_TIME, _CONSTANT, _TIME)
_RECORD = rb'(%b(\{.*\})(?:(,"Tenant":"DefaultTenant")|)\})' % _HEAD
_match_record = re.compile(_RECORD + rb"\Z", re.DOTALL).match
_match_message = re.compile(rb'\{"records":\[%b\]\}\Z' % _RECORD, re.DOTALL).match

Usual: TypeAlias = "tuple[bytes, bytes, bytes, bytes | None, bytes, bytes | None]"
"""A record: its text, `time`, the constants of its envelope, `_TimeReceivedBySvc`, its object, and `Tenant`.

The object ends before `Tenant` and one bracket.
"""
_NOT_USUAL: Any = (None,) * 6


def usual_messages(values: Iterable[bytes | None]) -> list[Usual]:
    """The record of each message that looks as if it held just one; `None`s for every other message."""
    matches = [_match_message(value or b"") for value in values]
    return [_NOT_USUAL if match is None else match.groups() for match in matches]  # type: ignore[misc]


def usual_records(texts: Iterable[bytes]) -> list[Usual]:
    """Each record in the usual spelling; `None`s for every other one."""
    matches = map(_match_record, texts)
    return [_NOT_USUAL if match is None else match.groups() for match in matches]  # type: ignore[misc]


def usual_record(text: bytes) -> Usual | None:
    """The record, if it is in the usual spelling."""
    match = _match_record(text)
    return cast("Usual", match.groups()) if match else None
