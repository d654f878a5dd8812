"""The control paths, as a script in another process uses them, and the command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from airflow_provider_defender.simulator import Simulator, Tenant
from airflow_provider_defender.simulator.__main__ import main
from tests.unit.simulator.conftest import Client


def test_state(simulator, client):
    simulator.tenant.add_alerts(3)
    state = client.control("GET").json()
    assert (state["url"], state["alerts"], state["seed"]) == (simulator.url, 3, 7)
    assert simulator.client_secret not in json.dumps(state)


def test_advance(simulator, client):
    before = simulator.tenant.now()
    body = client.control("POST", "/advance", {"seconds": 90}).json()
    assert (simulator.tenant.now() - before).total_seconds() == 90
    assert body["now"] == "2026-01-09T08:01:30Z"


def test_elapse(simulator, client):
    assert client.control("POST", "/elapse", {"seconds": 4000}).status_code == 200
    assert client.get().status_code == 401


def test_new_alerts_and_changes(simulator, client):
    ids = client.control(
        "POST", "/alerts", {"count": 3, "evidence": 2, "changes": {"severity": "High"}}
    ).json()["ids"]
    assert sorted(ids) == client.ids("severity eq 'High'")
    changed = client.control("POST", "/changes", {"ids": ids, "changes": {"status": "Resolved"}}).json()
    assert changed["changed"] == 3
    assert {row["lastUpdateTime"] for row in client.drain()} == {changed["lastUpdateTime"]}
    assert len(client.ids("status eq 'Resolved'")) == 3


def test_truth(simulator, client):
    alert = simulator.tenant.add_alert()
    simulator.tenant.resolve(alert.alert_id)
    truth = client.control("GET", "/truth").json()
    assert [version["number"] for version in truth["versions"]] == [1, 2]
    assert truth["versions"][0]["lastUpdateTime"] == alert.update_time
    assert "record" not in truth["versions"][0]
    records = client.control("GET", "/truth?records=1").json()["versions"]
    assert records[0]["record"].encode() == alert.rendered()


def test_events():
    with Simulator(tenant=Tenant(7, alerts=3), events=True, event_partitions=2) as simulator:
        client = Client(simulator)
        order = {"records": 40, "oddities": ["tombstone"]}
        sent = client.control("POST", "/events", order).json()
        assert (sent["records"], sent["broken"], sent["partitions"]) == (40, {"tombstone": 1}, 2)
        assert client.control("GET", "/events").json() == sent
        odd = client.control("POST", "/events", {"odd": 1, "records": 3}).json()
        assert sum(odd["odd"].values()) == odd["messages"] - sent["messages"] + 1
        wrong = client.control("POST", "/events", {"oddities": ["dream"]})
        assert (wrong.status_code, wrong.json()) == (404, {"error": "There is no 'dream'"})


def test_events_of_a_simulator_without_hub(client):
    refused = client.control("POST", "/events", {"records": 1})
    assert refused.status_code == 400
    assert "--events" in refused.json()["error"]


def test_faults(simulator, client):
    reply = client.control("POST", "/faults", {"kind": "answer", "status": 503, "times": None})
    assert reply.json()["faults"][0]["status"] == 503
    assert client.get().status_code == 503
    assert client.control("GET", "/faults").json()["faults"][0]["happened"] == 1
    client.control("DELETE", "/faults")
    assert client.get().status_code == 200


def test_requests(simulator, client):
    client.get()
    assert client.control("GET", "/requests").json()["requests"][-1]["path"] == "/api/alerts"


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/nowhere", None, 404),
        ("POST", "/advance", {"second": 1}, 400),
        ("POST", "/advance", {"seconds": "soon"}, 400),
        ("POST", "/advance", {"seconds": -1}, 400),
        ("POST", "/faults", {"kind": "explode"}, 400),
        ("POST", "/changes", {"ids": ["nobody"], "changes": {}}, 404),
    ],
)
def test_mistakes_are_explained(client, method, path, body, status):
    reply = client.control(method, path, body)
    assert reply.status_code == status
    assert reply.json()["error"]


def test_connections(simulator):
    connection = simulator.connections()["defender_default"]
    assert connection["conn_type"] == "defender"
    assert f"https://{connection['host']}:{connection['port']}" == simulator.url
    assert connection["extra"]["tenant_id"] == simulator.tenant_id
    assert connection["extra"]["cloud"] == "custom"


# -- the command line


def test_help(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    for option in ("--port", "--seed", "--alerts", "--page-size", "--state", "--ready-file", "_simulator"):
        assert option in text


def test_port_in_use(simulator, capsys, monkeypatch):
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    port = simulator.url.rpartition(":")[2]
    assert main(["--port", port, "--alerts", "1"]) == 1
    assert "cannot start" in capsys.readouterr().err


def test_command_line(tmp_path):
    ready_file = tmp_path / "ready.json"
    command = [sys.executable, "-m", "airflow_provider_defender.simulator", "--port", "0", "--alerts", "30"]
    command += ["--state", str(tmp_path / "state"), "--ready-file", str(ready_file), "--restless"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 60
        while not ready_file.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        ready = json.loads(ready_file.read_text())
        session = requests.Session()
        session.trust_env, session.verify = False, ready["ca_bundle"]
        state = session.get(f"{ready['url']}/_simulator", timeout=30).json()
        assert state["alerts"] == 30
        assert ready["pid"] == process.pid
        assert ready_file.stat().st_mode & 0o077 == 0
        token = session.post(
            f"{ready['url']}/{ready['tenant_id']}/oauth2/v2.0/token",
            data={
                "client_id": ready["client_id"],
                "grant_type": "client_credentials",
                "scope": "https://api.securitycenter.microsoft.com/.default",
                "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                "client_assertion": Path(ready["credentials"]["federated_token_file"]).read_text(),
            },
            timeout=30,
        )
        assert token.status_code == 200, token.text
    finally:
        os.kill(process.pid, signal.SIGTERM)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert errors == ""
    assert "airflow connections add defender_default --conn-json" in output
    assert ready["ca_bundle"] in output


def test_nothing_else_in_the_package_imports_it():
    code = (
        "import sys, airflow_provider_defender, airflow_provider_defender.timestamps as t;"
        "assert not [m for m in sys.modules if 'simulator' in m]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
