"""The chain digest, which proves that no commit and no file of a log was changed or removed later.

The digest of a commit is SHA-256, in hexadecimal digits, over

1. the digest of the commit before it, as its 64 digits in ASCII (nothing for commit 1), and
2. the lasting part of the commit itself: its JSON object without `digest` and `position` (an old commit loses
   its position and nothing else). It is written as JSON with sorted keys, no white space and no escapes for
   non-ASCII characters, in UTF-8: what `jq -cjS 'del(.digest, .position)'` prints for the commit's file.

That part contains the SHA-256 of each file, so the newest digest covers every byte that the log has landed.
It also contains the log's name and origin, so no commit fits into another log.
`position_sha256`, the SHA-256 of the position written in the same way, is part of it, too: a position that is
there is verified with it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

__all__ = ["FIRST", "chain_digest", "position_digest"]

FIRST = ""
"""What stands for the digest of the commit before commit 1."""

_NOT_LASTING = ("digest", "position")


def chain_digest(before: str, values: Mapping[str, Any]) -> str:
    """The digest of a commit, given as JSON values with or without `digest` and `position`.

    `before`: the digest of the commit before it, or `FIRST`.
    """
    return _sha256({name: value for name, value in values.items() if name not in _NOT_LASTING}, before)


def position_digest(values: Mapping[str, Any]) -> str:
    """SHA-256 of a position, given as JSON values, in hexadecimal digits."""
    return _sha256(values)


def _sha256(values: Mapping[str, Any], before: str = "") -> str:
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(before.encode() + text.encode()).hexdigest()
