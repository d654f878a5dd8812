"""Defender for Endpoint's API as data: hosts, roles, quotas, and the meaning of its errors.

Sources: Microsoft Learn, "Common REST API error codes", "Overview of Defender for Endpoint API limits" and
"List alerts API" (roles, quotas).
"""

from __future__ import annotations

import re
from operator import attrgetter

from airflow_provider_defender.exceptions import PermissionMissing, RequestRefused
from airflow_provider_defender.hooks._rest.api import RestApi
from airflow_provider_defender.hooks._rest.errors import ErrorRule

__all__ = ["ALERTS_PATH", "ENDPOINT_API"]

ALERTS_PATH = "/api/alerts"

_GONE = (
    "the alerts API of Defender for Endpoint is gone: Microsoft has retired it. Read alerts from Microsoft "
    'Graph instead, with source="graph_alerts": docs/move_to_graph.md shows how none is lost'
)
_RETIRED = re.compile(
    r"\b(retired|retirement|deprecated|decommissioned|sunset|discontinued|end of (life|support)|"
    r"no longer (available|supported))\b",
    re.IGNORECASE,
)

_ERRORS = (
    # Message center, MC1220762: announced for 2027-02-01. How it will answer then is not documented.
    ErrorRule(RequestRefused, _GONE, 410),
    *(ErrorRule(RequestRefused, _GONE, status, message=_RETIRED) for status in (400, 403, 404)),
    ErrorRule(
        RequestRefused, "the request itself was refused: check the filters; else report it as a bug", 400
    ),
    ErrorRule(
        PermissionMissing,
        "the application lacks the role {roles}: in Entra ID → App registrations → API permissions, add it "
        "as an application permission of WindowsDefenderATP and grant admin consent (an hour may pass until "
        "tokens carry it)",
        403,
        message=re.compile(r"API required roles:\s*(?P<roles>[A-Za-z0-9., ]*?),?\s*application roles:"),
    ),
    ErrorRule(PermissionMissing, "check the application's roles and the tenant's licence", 403),
    ErrorRule(
        RequestRefused,
        "there is no alerts API at this address, or nothing at the path that was asked for: check host, "
        "cloud and path. If alerts could be read here before, Microsoft may have retired the API: see "
        "docs/move_to_graph.md",
        404,
    ),
)

ENDPOINT_API = RestApi(
    name="Defender",
    hosts=attrgetter("defender"),
    test_path=f"{ALERTS_PATH}?$top=1",
    roles=("Alert.Read.All", "Alert.ReadWrite.All"),
    purpose="alerts by the Endpoint API",
    errors=_ERRORS,
    calls_per_minute=100,
    calls_per_hour=1500,
    absent=(
        "Microsoft documents no Defender for Endpoint API in the China cloud (21Vianet), so there is nothing "
        "to read from"
    ),
)
