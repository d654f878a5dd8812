"""Parsing error responses of Entra ID and the managed identity endpoint.

Loads requests, so it is imported only when a token is needed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import requests

from airflow_provider_defender.hooks._connection.redaction import excerpt
from airflow_provider_defender.hooks._http.transport import served_at
from airflow_provider_defender.hooks._http.waiting import parse_retry_after

__all__ = ["Refusal", "json_of", "read_refusal"]


@dataclass(frozen=True)
class Refusal:
    """An error in a response of Entra ID or IMDS."""

    status: int
    error: str
    codes: list[int]
    description: str
    correlation_id: str
    retry_after: float | None


def json_of(answer: requests.Response) -> Any:
    """The JSON of a response. Raises ValueError if it is none."""
    try:
        return json.loads(answer.text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def read_refusal(answer: requests.Response) -> Refusal:
    """Parse an error response; what it lacks is empty."""
    try:
        body = json_of(answer)
    except ValueError:
        body = None
    fields: Mapping[str, Any] = body if isinstance(body, dict) else {}
    codes = fields.get("error_codes")
    description = fields.get("error_description")
    correlation = fields.get("correlation_id")
    return Refusal(
        status=answer.status_code,
        error=str(fields.get("error", "")),
        codes=[code for code in codes if isinstance(code, int)] if isinstance(codes, list) else [],
        # The lines below the first repeat the trace and correlation IDs.
        description=description.splitlines()[0] if isinstance(description, str) and description else "",
        correlation_id=excerpt(correlation, length=40) if isinstance(correlation, str) else "",
        retry_after=parse_retry_after(
            answer.headers.get("Retry-After"), served_at(answer) or datetime.now(timezone.utc)
        ),
    )
