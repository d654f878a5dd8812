"""The command line."""

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

from airflow_provider_defender.simulator import Simulator
from airflow_provider_defender.simulator.__main__ import main


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    for option in ("--port", "--seed", "--alerts", "--page-size", "--state", "--ready-file", "_simulator"):
        assert option in text


def test_port_in_use(
    simulator: Simulator, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    port = simulator.url.rpartition(":")[2]
    assert main(["--port", port, "--alerts", "1"]) == 1
    assert "cannot start" in capsys.readouterr().err


def test_a_host_that_no_certificate_can_name(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert main(["--port", "0", "--name", "my_host", "--alerts", "1"]) == 1
    assert "cannot start: No certificate can be issued for" in capsys.readouterr().err


def test_command_line(tmp_path: Path) -> None:
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
