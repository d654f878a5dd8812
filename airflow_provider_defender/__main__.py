"""`python -m airflow_provider_defender`: copy the example DAGs, print the SQL views of the lake."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from airflow_provider_defender._example_dags import copy_example_dags


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one of the commands; returns the exit status."""
    given = _parser().parse_args(arguments)
    status: int = given.run(given)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_defender", description="Microsoft Defender in your own data lake."
    )
    commands = parser.add_subparsers(title="commands", required=True)
    copy = commands.add_parser(
        "copy-dags",
        help="copy the example DAGs into the DAGs folder",
        description="Copy the example DAGs into the DAGs folder. Files that you have changed are kept.",
    )
    copy.add_argument(
        "folder", nargs="?", type=Path, help="where to; default: Airflow's dags_folder; made if missing"
    )
    copy.add_argument("--force", action="store_true", help="overwrite files that differ")
    copy.set_defaults(run=_copy_dags)
    sql = commands.add_parser(
        "sql",
        help="print the views of the lake, for DuckDB",
        description="Print the views latest_alerts and events of the lake, as SQL for DuckDB.",
    )
    sql.set_defaults(run=_print_sql)
    return parser


def _copy_dags(given: argparse.Namespace) -> int:
    folder: Path = given.folder or _dags_folder()
    kept = False
    try:
        for path, outcome in copy_example_dags(folder, force=given.force):
            kept = kept or outcome == "kept"
            sys.stdout.write(f"{outcome}: {path}\n")
    except OSError as error:
        sys.stderr.write(f"The DAGs cannot be copied to {folder}: {error}\n")
        return 1
    if kept:
        sys.stderr.write("Files marked 'kept' differ from ours. To overwrite them, add --force.\n")
    return int(kept)


def _dags_folder() -> Path:
    from airflow.configuration import conf

    return Path(conf.get_mandatory_value("core", "dags_folder"))


def _print_sql(_: argparse.Namespace) -> int:
    views = resources.files("airflow_provider_defender.lake") / "views.sql"
    sys.stdout.write(views.read_text("utf-8"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
