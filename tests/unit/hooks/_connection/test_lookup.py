"""Airflow's connections: what is no connection of ours is named as what it is."""

from __future__ import annotations

import json
import logging
from typing import Any
from urllib.parse import quote

import airflow.sdk
import pytest

from airflow_provider_defender.exceptions import ConfigurationError
from airflow_provider_defender.hooks import DefenderEndpointHook, EntraIdHook, EventHubHook
from airflow_provider_defender.hooks._connection.lookup import find_connection
from airflow_provider_defender.simulator import Simulator

needs_32 = pytest.mark.skipif(
    not hasattr(airflow.sdk, "CronDataIntervalTimetable"),
    reason="Airflow before 3.2 asks its supervisor for missing connections, also outside of a task",
)
SECRET = "sim~74d3d137511080c1e677ce55be5306b24491c085"


def failure(conn_id: str, conn_type: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        find_connection(conn_id, conn_type)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    message = str(caught.value)
    assert SECRET not in message
    return message


@pytest.mark.parametrize("kind", ["event_hub", "entra_id"])
def test_an_underscore_in_the_scheme_of_a_uri_is_told(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_BY_URI", f"{kind}://user:{SECRET}@host.example:9093/hub?a=b")
    message = failure("by_uri", kind)
    assert "all of its fields are lost" in message
    assert f"begin with {kind.replace('_', '-')}://" in message


def test_a_uri_with_a_hyphen_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_BY_URI", "event-hub://:pass@c.servicebus.windows.net:9093/defender")
    found = find_connection("by_uri", "event_hub")
    assert (found.host, found.port, found.schema) == ("c.servicebus.windows.net", 9093, "defender")


def test_a_connection_of_another_type_is_named_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps({"conn_type": "http", "host": "a.example"}))
    assert "is of type 'http', where 'defender' is wanted" in failure("other", "defender")
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps({"conn_type": "defender"}))
    assert "is of type 'defender', where 'entra_id' is wanted" in failure("other", "entra_id")


def test_a_connection_without_a_type_is_taken_for_what_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_PLAIN", json.dumps({"host": "a.example"}))
    assert find_connection("plain", "defender").host == "a.example"


@pytest.mark.parametrize(
    "text",
    [
        '{"conn_type": "defender", "password": "' + SECRET,
        json.dumps({"conn_type": "defender", "pasword": SECRET}),
        f"defender://user:{SECRET}@[host.example",
        f"defender://host.example:{SECRET}",
    ],
    ids=["cut JSON", "unknown field", "bracket", "port"],
)
@needs_32
def test_what_cannot_be_read_is_not_quoted(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_BROKEN", text)
    assert "the environment variable AIRFLOW_CONN_BROKEN cannot be read" in failure("broken", "defender")
    monkeypatch.setenv("AIRFLOW_CONN_BROKEN", SECRET)
    assert "is no valid URI" in failure("broken", "defender")


@needs_32
def test_a_secret_in_the_place_of_an_id_is_not_shown() -> None:
    assert "characters, not shown) does not exist" in failure(SECRET, "entra_id")
    assert "Connection 'team/entra' does not exist" in failure("team/entra", "entra_id")


@pytest.mark.parametrize(
    ("hook", "kind"),
    [(DefenderEndpointHook, "defender"), (EntraIdHook, "entra_id"), (EventHubHook, "event_hub")],
)
def test_extras_that_nobody_reads_are_warned_of_once_a_hook(
    hook: Any,
    kind: str,
    simulator: Simulator,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(hook, "log", logging.getLogger("plain"))
    connection = dict(simulator.connections()["defender_default"], conn_type=kind)
    connection["extra"] = {**connection["extra"], "proxies": SECRET}
    if kind == "event_hub":
        connection["extra"] = {"security_protocol": "PLAINTEXT", "proxies": SECRET}
    monkeypatch.setenv("AIRFLOW_CONN_ODD", json.dumps(connection))
    made = hook("odd")
    for _ in range(2):
        assert made._settings
    warned = [record.getMessage() for record in caplog.records if "is not read by" in record.getMessage()]
    assert warned == [
        f"Connection 'odd': the extra 'proxies' is not read by connections of type {kind}: "
        "did you mean 'proxy'?"
    ]
    assert SECRET not in caplog.text


def test_the_test_button_names_them_too(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = simulator.connections()["defender_default"]
    connection["extra"] = {**connection["extra"], "ca_bundel": "x"}
    monkeypatch.setenv("AIRFLOW_CONN_ODD", json.dumps(connection))
    good, message = DefenderEndpointHook("odd").test_connection()
    assert good
    assert message.endswith("did you mean 'ca_bundle'?")


def test_the_test_button_shows_no_misplaced_secret(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = simulator.connections()["defender_default"]
    swapped = {**connection, "login": connection["password"], "password": connection["login"]}
    before = len(list(simulator.requests))
    for kind, hook in (("defender", DefenderEndpointHook), ("entra_id", EntraIdHook)):
        monkeypatch.setenv("AIRFLOW_CONN_ODD", json.dumps({**swapped, "conn_type": kind}))
        good, message = hook("odd").test_connection()
        assert not good
        assert "login and password have changed places" in message
        assert simulator.client_secret not in message
    assert len(list(simulator.requests)) == before, "something was sent"


def test_a_connection_string_fits_into_a_uri(monkeypatch: pytest.MonkeyPatch) -> None:
    string = "Endpoint=sb://c.servicebus.windows.net/;SharedAccessKeyName=a;SharedAccessKey=a2V5/+A="
    monkeypatch.setenv("AIRFLOW_CONN_BY_URI", f"event-hub://:{quote(string, safe='')}@/defender")
    hook = EventHubHook("by_uri")
    assert (hook.namespace, hook.hub) == ("c.servicebus.windows.net", "defender")
    assert hook._settings.password == string
