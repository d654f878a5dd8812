"""DuckDB with extensions, in an environment of its own, since they come later than DuckDB itself."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.helpers.tools import need

__all__ = ["rows_in_duckdb"]

PYTHON = Path(__file__).parents[2] / ".venv-duckdb" / "bin" / "python"
READER = Path(__file__).with_name("duckdb_reader.py")


def rows_in_duckdb(home: Path, extensions: str, *queries: str) -> list[list[list[Any]]]:
    """The rows of each query. DuckDB installs the extensions below `home`."""
    missing = (
        None if PYTHON.exists() else "`make test-servers` installs DuckDB's extensions into .venv-duckdb"
    )
    need(missing, "tests with DuckDB's extensions")
    done = subprocess.run(
        [str(PYTHON), str(READER), extensions, *queries],
        env={"PATH": os.environ["PATH"], "HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-6000:]
    found: list[list[list[Any]]] = json.loads(done.stdout)
    return found
