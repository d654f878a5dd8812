"""Access tokens, and what they show about themselves."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

__all__ = ["AccessToken", "describe_token"]

_JWT_PARTS = 3
"""Header, claims and signature."""


@dataclass(frozen=True)
class AccessToken:
    """An access token: its text, never shown by `repr`, and when it expires (UTC)."""

    value: str = field(repr=False)
    expires_at: datetime

    @property
    def claims(self) -> Mapping[str, Any]:
        """The token's claims, unverified and for information only; empty if it cannot be read."""
        parts = self.value.split(".")
        if len(parts) != _JWT_PARTS:
            return {}
        try:
            payload = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
            claims = json.loads(payload)
        except (ValueError, binascii.Error):
            return {}
        return claims if isinstance(claims, dict) else {}

    @property
    def roles(self) -> tuple[str, ...]:
        """The application roles in the token, for information only."""
        roles = self.claims.get("roles")
        return tuple(sorted(str(role) for role in roles)) if isinstance(roles, list) else ()


def describe_token(token: AccessToken, client_id: str | None, tenant_id: str, cloud: str) -> str:
    """Describe a token's application, expiry and roles; never shows the token."""
    who = f"application {client_id}" if client_id else "the system-assigned managed identity"
    granted = ", ".join(token.roles) or "none"
    return (
        f"Got a token for {who} in tenant {tenant_id} ({cloud} cloud), valid until "
        f"{token.expires_at:%Y-%m-%d %H:%M:%S} UTC. Roles granted: {granted}."
    )
