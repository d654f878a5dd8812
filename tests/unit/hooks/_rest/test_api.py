"""A second REST API is data that its hook hands in: nothing in the client knows one of them.

The API here is like Microsoft Graph: other hosts, scope, roles, errors, headers and members.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime, timezone
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_defender.exceptions import (
    ConfigurationError,
    PermissionMissing,
    RequestRefused,
    ServiceUnavailable,
    UnexpectedHost,
)
from airflow_provider_defender.hooks import AccessToken
from airflow_provider_defender.hooks._rest.api import RestApi
from airflow_provider_defender.hooks._rest.errors import ErrorRule
from airflow_provider_defender.hooks._rest.hook import RestHook
from airflow_provider_defender.hooks._rest.settings import rest_settings
from airflow_provider_defender.simulator import Simulator
from tests.unit.hooks._entra.test_settings import Conn, conn
from tests.unit.hooks._rest.local_api import LocalApi
from tests.unit.hooks.conftest import Connect, Watch

NO_OTHERS: dict[str, Conn] = {}
"""Connections that others refer to."""
ALERTS = "/v1.0/security/alerts_v2"
GRAPH = RestApi(
    name="Microsoft Graph",
    hosts=attrgetter("graph"),
    test_path=f"{ALERTS}?$top=1",
    roles=("SecurityAlert.Read.All", "SecurityAlert.ReadWrite.All"),
    purpose="security alerts",
    errors=(
        ErrorRule(PermissionMissing, "grant {roles} to the application", 403),
        ErrorRule(ServiceUnavailable, "ask again", 400, code="tooBusy"),
        ErrorRule(RequestRefused, "leave out $top", 400, message=re.compile(r"The limit of '\d+' for Top")),
        ErrorRule(RequestRefused, "check the request", 400),
    ),
    calls_per_minute=150,
    calls_per_hour=9000,
    headers={"Prefer": "include-unknown-enum-members"},
    members=frozenset({"@microsoft.graph.tips"}),
    absent="this cloud has no security API",
)


class GraphHook(RestHook):
    conn_name_attr = "graph_conn_id"
    default_conn_name = "graph_default"
    conn_type = "defender"
    hook_name = "Graph"
    api = GRAPH


@pytest.fixture
def served(tmp_path: Path) -> Iterator[LocalApi]:
    with LocalApi(tmp_path / "tls") as served:
        yield served


@pytest.fixture
def hook(
    served: LocalApi, connect: Connect, watch: Watch, monkeypatch: pytest.MonkeyPatch, simulator: Simulator
) -> GraphHook:
    connect("entra_id_default")
    extra = {
        "tenant_id": simulator.tenant_id,
        "cloud": "custom",
        "entra_id_conn_id": "entra_id_default",
        "ca_bundle": served.ca_bundle,
    }
    fields = {"conn_type": "defender", "host": "127.0.0.1", "port": served.port, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_GRAPH_DEFAULT", json.dumps(fields))
    return GraphHook("graph_default", sleep=watch.sleep)


def failure(watch: Watch, hook: GraphHook, kind: type[Exception]) -> str:
    with pytest.raises(kind) as caught:
        list(hook.get(ALERTS))
    watch.shown.append(str(caught.value))
    return str(caught.value)


def test_pages_of_another_api_are_read_to_the_end(hook: GraphHook, served: LocalApi) -> None:
    tips = {"@microsoft.graph.tips": "Use $select, as in: GET alerts_v2?$select=id"}
    link = f"https://{served.host}{ALERTS}?$skiptoken=a"
    served.put(
        f"{ALERTS}?$filter=severity%20eq%20'high'",
        {"@odata.context": "x", **tips, "value": [{"id": "1"}, {"id": "2"}], "@odata.nextLink": link},
    )
    served.put(f"{ALERTS}?$skiptoken=a", {"@odata.context": "x", "value": [{"id": "3"}]})
    found = hook.get(ALERTS, {"$filter": "severity eq 'high'"})
    assert [alert["id"] for alert in found] == ["1", "2", "3"]
    assert {asked.headers["Prefer"] for asked in served.asked} == {"include-unknown-enum-members"}
    assert all(asked.headers["Authorization"].startswith("Bearer ey") for asked in served.asked)
    assert hook.requests_made == 2


def test_the_token_is_for_its_own_audience(hook: GraphHook, served: LocalApi) -> None:
    served.put(ALERTS, {"value": []})
    assert list(hook.get(ALERTS)) == []
    [asked] = served.asked
    token = AccessToken(asked.headers["Authorization"].removeprefix("Bearer "), datetime.now(timezone.utc))
    assert token.claims["aud"] == "https://graph.microsoft.com"


def test_its_errors_are_those_of_its_table(hook: GraphHook, served: LocalApi, watch: Watch) -> None:
    def refused(status: int, code: str, message: str) -> None:
        served.answers.clear()
        inner = {"request-id": "f1e2", "date": "2026-11-22"}
        served.put(ALERTS, {"error": {"code": code, "message": message, "innerError": inner}}, status)

    refused(403, "Forbidden", "Missing scopes")
    message = failure(watch, hook, PermissionMissing)
    assert "grant SecurityAlert.Read.All or SecurityAlert.ReadWrite.All to the application. " in message
    assert message.endswith("said HTTP 403 Forbidden: Missing scopes Correlation ID: f1e2.")
    refused(400, "BadRequest", "The limit of '50' for Top query has been exceeded.")
    assert ": leave out $top. The API" in failure(watch, hook, RequestRefused)
    refused(400, "BadRequest", "Invalid filter clause")
    assert ": check the request. The API" in failure(watch, hook, RequestRefused)
    refused(404, "NotFound", "no such thing")
    assert ": the request was refused: check host and cloud." in failure(watch, hook, RequestRefused)
    served.answers.clear()
    served.put(ALERTS, b"<html>", 403)
    assert "does not look like Microsoft Graph's answer" in failure(watch, hook, RequestRefused)


def test_an_error_that_passes_is_retried_in_place(hook: GraphHook, served: LocalApi, watch: Watch) -> None:
    served.put(ALERTS, {"error": {"code": "TooBusy", "message": "later"}}, 400)
    served.put(ALERTS, {"value": [{"id": "1"}]})
    assert list(hook.get(ALERTS)) == [{"id": "1"}]
    assert len(watch.waits) == hook.retries == 1
    served.answers.clear()
    served.put(ALERTS, {"error": {"code": "TooBusy", "message": "later"}}, 400)
    assert "gave no whole answer in 8 tries" in failure(watch, hook, ServiceUnavailable)


def test_its_throttling_is_waited_for(hook: GraphHook, served: LocalApi, watch: Watch) -> None:
    served.put(ALERTS, {"error": {"code": "TooManyRequests", "message": "x"}}, 429, Retry_After="7")
    served.put(ALERTS, {"value": []})
    assert list(hook.get(ALERTS)) == []
    assert watch.waits == [7.0]


@pytest.mark.parametrize("host", ["attacker.example", "graph.microsoft.com", "127.0.0.1:1"])
def test_a_link_to_another_host_does_not_get_the_token(
    hook: GraphHook, served: LocalApi, watch: Watch, host: str
) -> None:
    served.put(ALERTS, {"value": [{"id": "1"}], "@odata.nextLink": f"https://{host}{ALERTS}?$skip=1"})
    message = failure(watch, hook, UnexpectedHost)
    assert f"a page link leads to {host}, which is no Microsoft Graph host of the custom cloud" in message
    assert len(served.asked) == 1


def test_the_button_tells_of_its_own_roles(hook: GraphHook, served: LocalApi, watch: Watch) -> None:
    served.put(GRAPH.test_path, {"value": []})
    passed, text = hook.test_connection()
    watch.shown.append(text)
    assert passed, text
    assert (
        f"Security alerts: yes, the role SecurityAlert.Read.All is granted, and {served.host} answers."
        in text
    )


@pytest.mark.parametrize(
    ("cloud", "host"),
    [
        (None, "graph.microsoft.com"),
        ("gcc", "graph.microsoft.com"),
        ("gcc_high", "graph.microsoft.us"),
        ("dod", "dod-graph.microsoft.us"),
        ("china", "microsoftgraph.chinacloudapi.cn"),
    ],
)
def test_its_settings_come_from_its_own_hosts(cloud: str | None, host: str) -> None:
    settings = rest_settings(GRAPH, "defender", conn(cloud=cloud), NO_OTHERS.__getitem__)
    assert (settings.host, settings.scope) == (host, f"https://{host}/.default")
    assert (settings.calls_per_minute, settings.calls_per_hour) == (150, 9000)
    assert settings.may_get_token(host)
    assert not settings.may_get_token("api.security.microsoft.com")


@pytest.mark.parametrize("host", ["api.security.microsoft.com", "eu.api.security.microsoft.com:8443"])
def test_a_host_of_another_api_is_not_its_own(host: str) -> None:
    """One connection serves both APIs."""
    settings = rest_settings(GRAPH, "defender", conn(host=host), NO_OTHERS.__getitem__)
    assert (settings.host, settings.scope) == ("graph.microsoft.com", "https://graph.microsoft.com/.default")
    assert not settings.may_get_token(host)


def test_a_scope_of_another_api_is_not_its_own() -> None:
    custom = {"cloud": "custom", "host": "a.example"}
    for scope in (
        "https://api.securitycenter.microsoft.com/.default",
        "https://api.security.microsoft.com/.default",
    ):
        settings = rest_settings(GRAPH, "defender", conn(**custom, scope=scope), NO_OTHERS.__getitem__)
        assert (settings.host, settings.scope) == ("a.example", "https://graph.microsoft.com/.default")
    own = conn(**custom, scope="https://graph.example/.default")
    assert (
        rest_settings(GRAPH, "defender", own, NO_OTHERS.__getitem__).scope == "https://graph.example/.default"
    )


def test_a_referenced_token_goes_to_its_own_hosts_only() -> None:
    entra: dict[str, Any] = {"entra": conn("entra")}
    with pytest.raises(UnexpectedHost, match="is no Microsoft Graph host of the public cloud"):
        rest_settings(
            GRAPH,
            "defender",
            conn(host="gateway.example", login=None, password=None, entra_id_conn_id="entra"),
            entra.__getitem__,
        )


def test_a_cloud_without_it_is_told() -> None:
    absent = RestApi(
        name="Other",
        hosts=attrgetter("defender"),
        test_path="/",
        roles=("A",),
        purpose="a",
        absent="there is none",
    )
    with pytest.raises(ConfigurationError, match="cloud 'china' is wrong: there is none"):
        rest_settings(absent, "defender", conn(cloud="china"), NO_OTHERS.__getitem__)
