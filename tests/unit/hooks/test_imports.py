from __future__ import annotations

import subprocess
import sys
from typing import Any


def test_importing_loads_no_client_library() -> None:
    """DAG files import the hooks by way of the operators, at every parse."""
    code = (
        "import sys, airflow.sdk; before = set(sys.modules)\n"
        "import airflow_provider_defender.clouds, airflow_provider_defender.exceptions\n"
        "import airflow_provider_defender.hooks\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "heavy = new & {'msal', 'requests', 'urllib3', 'pyarrow', 'cryptography', 'jwt', 'msgspec'}\n"
        "heavy |= new & {'confluent_kafka'}\n"
        "print('heavy:', sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "heavy: []"


def test_what_airflow_looks_for_is_there() -> None:
    from airflow_provider_defender.hooks import (
        DefenderEndpointHook,
        EntraIdHook,
        EventHubHook,
        GraphSecurityHook,
    )

    hooks: tuple[tuple[Any, str], ...] = (
        (EntraIdHook, "entra_id"),
        (DefenderEndpointHook, "defender"),
        (GraphSecurityHook, "defender"),
        (EventHubHook, "event_hub"),
    )
    for hook, kind in hooks:
        assert hook.conn_type == kind
        assert hook.conn_name_attr == f"{kind}_conn_id"
        assert hook.default_conn_name == f"{kind}_default"
        assert hook.hook_name
        assert getattr(hook(), hook.conn_name_attr) == hook.default_conn_name
        assert getattr(hook(**{hook.conn_name_attr: "x"}), hook.conn_name_attr) == "x"
