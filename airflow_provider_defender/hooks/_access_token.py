"""An access token, and what can be read from it for people."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

__all__ = ["AccessToken"]


@dataclass(frozen=True)
class AccessToken:
    """An access token: its text, never shown by `repr`, and when it expires (UTC)."""

    value: str = field(repr=False)
    expires_at: datetime

    @property
    def claims(self) -> Mapping[str, Any]:
        """The token's claims, unchecked and for information only; empty where it cannot be read."""
        parts = self.value.split(".")
        if len(parts) != 3:
            return {}
        try:
            payload = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
            claims = json.loads(payload)
        except (ValueError, binascii.Error):
            return {}
        return claims if isinstance(claims, dict) else {}

    @property
    def roles(self) -> tuple[str, ...]:
        """The application roles that the token says it carries, for information only."""
        roles = self.claims.get("roles")
        return tuple(sorted(str(role) for role in roles)) if isinstance(roles, list) else ()
