"""Airflow's home is a temporary folder: set before anything imports Airflow."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile

import pytest

_MASKERS = (
    "airflow.sdk._shared.secrets_masker.secrets_masker",
    "airflow._shared.secrets_masker.secrets_masker",
)
_HOME = tempfile.mkdtemp(prefix="defender-tests-")
atexit.register(shutil.rmtree, _HOME, ignore_errors=True)
for _name in [name for name in os.environ if name.startswith(("AIRFLOW__", "AIRFLOW_CONN_", "AIRFLOW_VAR_"))]:
    del os.environ[_name]
os.environ.update(
    {
        "AIRFLOW_HOME": _HOME,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "True",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{_HOME}/airflow.db",
    }
)


@pytest.fixture(autouse=True)
def no_former_secrets() -> None:
    """Begin without the secrets of earlier tests.

    Airflow's masker makes one regular expression of all that it has ever been told, again for each new one:
    with the tokens of some hundred tests that takes longer than the tests.
    """
    for name in _MASKERS:
        if (module := sys.modules.get(name)) is not None:
            masker = module._secrets_masker()
            masker.patterns, masker.replacer = set(), None
