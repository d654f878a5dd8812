"""What several tests read from answers and tokens."""

from __future__ import annotations

from typing import Any

import jwt

from airflow_provider_defender.simulator import Version
from airflow_provider_defender.timestamps import parse_ticks


def ticks(text: str | None) -> int:
    """A time of the wire in ticks."""
    found = parse_ticks(text or "")
    assert found is not None, f"no time: {text!r}"
    return found


def update_ticks(version: Version) -> int:
    """When an alert became this version."""
    assert version.update_ticks is not None, "a raw record without an update time"
    return version.update_ticks


#: The resource of the alerts API.
MDE = "https://api.securitycenter.microsoft.com"


def error(reply: Any) -> tuple[int, str]:
    """Status and code of a REST API's error."""
    body = reply.json()["error"]
    assert set(body) == {"code", "message", "target"}
    assert len(body["target"]) == 36
    return reply.status_code, body["code"]


def codes(reply: Any) -> list[int]:
    """The AADSTS codes of an error of Entra ID."""
    body = reply if isinstance(reply, dict) else reply.json()
    assert {"error", "error_description", "error_codes", "correlation_id"} <= body.keys()
    numbers: list[int] = body["error_codes"]
    return numbers


def roles(token: str) -> list[str] | None:
    """The roles in a token, None without the claim."""
    return jwt.decode(token, options={"verify_signature": False}).get("roles")
