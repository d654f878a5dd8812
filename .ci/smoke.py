"""Run an installed wheel: Airflow lists the provider, everything public imports, the shipped DAGs load.

`make smoke` starts it with `python -I`, so that the repository beside it is out of sight.
"""

from __future__ import annotations

import importlib
import os
import runpy
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

PACKAGE = "airflow_provider_defender"


def airflow_lists_the_provider() -> None:
    """The entry point works, and its version is the package's."""
    from airflow.providers_manager import ProvidersManager

    listed = ProvidersManager().providers["airflow-provider-defender"].version
    assert listed == version("airflow-provider-defender") == importlib.import_module(PACKAGE).__version__


def everything_public_imports() -> None:
    """All names of the packages that users import from."""
    for name in ("hooks", "operators", "sensors", "ecs", "lake"):
        package = importlib.import_module(f"{PACKAGE}.{name}")
        for public in package.__all__:
            getattr(package, public)


def the_shipped_dags_load(folder: Path) -> None:
    """`copy-dags` copies them, and each can be parsed."""
    subprocess.run([sys.executable, "-I", "-m", PACKAGE, "copy-dags", str(folder)], check=True)
    dags = sorted(folder.glob("*.py"))
    assert dags
    for path in dags:
        runpy.run_path(str(path))


def main() -> None:
    """Try it all, with an Airflow home of its own."""
    with tempfile.TemporaryDirectory() as home:
        os.environ["AIRFLOW_HOME"] = home
        os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = f"sqlite:///{home}/airflow.db"
        airflow_lists_the_provider()
        everything_public_imports()
        the_shipped_dags_load(Path(home) / "dags")
    print(f"airflow-provider-defender {version('airflow-provider-defender')} works as installed")


if __name__ == "__main__":
    main()
