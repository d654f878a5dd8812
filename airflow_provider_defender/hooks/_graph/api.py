"""Microsoft Graph's security API as data: hosts, roles, quotas, and the meaning of its errors.

Sources: Microsoft Learn, "List alerts_v2" and "List incidents" (roles, clouds), "Microsoft Graph
service-specific throttling limits" (150 requests per minute for alerts), "Microsoft Graph error responses".
"""

from __future__ import annotations

import re
from dataclasses import replace
from operator import attrgetter

from airflow_provider_defender.exceptions import PermissionMissing, RequestRefused
from airflow_provider_defender.hooks._rest.api import RestApi
from airflow_provider_defender.hooks._rest.errors import ErrorRule

__all__ = ["ALERTS_PATH", "GRAPH_ALERTS", "GRAPH_INCIDENTS", "INCIDENTS_PATH"]

ALERTS_PATH = "/v1.0/security/alerts_v2"
INCIDENTS_PATH = "/v1.0/security/incidents"

_ERRORS = (
    ErrorRule(
        RequestRefused, "the request itself was refused: check the filters; else report it as a bug", 400
    ),
    ErrorRule(
        PermissionMissing,
        "the application lacks the role {roles}: in Entra ID → App registrations → API permissions, add it "
        "as an application permission of Microsoft Graph and grant admin consent (an hour may pass until "
        "tokens carry it)",
        403,
        message=re.compile(r"API required roles:\s*(?P<roles>[A-Za-z0-9., ]*?),?\s*application roles:"),
    ),
    ErrorRule(
        PermissionMissing,
        "the application needs the role {roles} as an application permission of Microsoft Graph, with admin "
        "consent; and the tenant a licence of Microsoft Defender",
        403,
    ),
    ErrorRule(
        RequestRefused,
        "there is no security API at this address, or nothing at the path that was asked for: check host, "
        "cloud and path",
        404,
    ),
)

GRAPH_ALERTS = RestApi(
    name="Microsoft Graph",
    hosts=attrgetter("graph"),
    test_path=f"{ALERTS_PATH}?$top=1",
    roles=("SecurityAlert.Read.All", "SecurityAlert.ReadWrite.All"),
    purpose="alerts by Microsoft Graph",
    errors=_ERRORS,
    calls_per_minute=150,
    calls_per_hour=9000,
    absent=(
        "Microsoft Graph has no alerts and incidents in the China cloud (21Vianet), so there is nothing to "
        "read from"
    ),
    absent_from=frozenset({"china"}),
    # Without it, newer products, states and roles arrive as unknownFutureValue.
    headers={"Prefer": "include-unknown-enum-members"},
    members=frozenset({"@microsoft.graph.tips"}),
)

GRAPH_INCIDENTS = replace(
    GRAPH_ALERTS,
    test_path=f"{INCIDENTS_PATH}?$top=1",
    roles=("SecurityIncident.Read.All", "SecurityIncident.ReadWrite.All"),
    purpose="incidents by Microsoft Graph",
)
