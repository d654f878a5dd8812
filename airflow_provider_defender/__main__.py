"""`python -m airflow_provider_defender`: copy DAGs, print SQL views, verify a lake, compare its sources."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_defender._example_dags import copy_example_dags
from airflow_provider_defender.timestamps import parse_iso_8601, ticks_to_datetime

if TYPE_CHECKING:
    from airflow_provider_defender.lake import Verification


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
    _add_verify(commands)
    _add_compare(commands)
    return parser


def _add_verify(commands: Any) -> None:
    command = commands.add_parser(
        "verify",
        help="check that nothing in the lake was changed, taken away or put in",
        description="Read all commits and files of a lake and compare them with what was landed. Exit "
        "status: 0 if nothing differs, 1 if something does, 2 if it cannot be found out.",
    )
    command.add_argument("lake", help="path or URL, such as /data/lake or s3://bucket/lake")
    command.add_argument(
        "--digest",
        action="append",
        default=[],
        type=_noted_digest,
        metavar="LOG=HEX",
        help="the chain digest of a log that you noted earlier: all up to its commit is proved. Can be "
        "repeated, once for each log",
    )
    command.add_argument("--json", action="store_true", help="print the result as JSON")
    command.set_defaults(run=_verify)


def _add_compare(commands: Any) -> None:
    command = commands.add_parser(
        "compare-sources",
        help="name the alerts that only one of Endpoint API and Microsoft Graph shows, and why",
        description="Compare the alerts that endpoint_alerts and graph_alerts have landed in a lake. Exit "
        "status: 0 if every difference is expected, 1 if one is not, 2 if it cannot be found out.",
    )
    command.add_argument("lake", help="path or URL, such as /data/lake or s3://bucket/lake")
    command.add_argument("--tenant", metavar="GUID", help="only this tenant; default: all with both sources")
    command.add_argument(
        "--since",
        type=_moment,
        metavar="TIME",
        help="only alerts created from this time on, ISO 8601; no time zone means UTC",
    )
    command.add_argument("--until", type=_moment, metavar="TIME", help="only alerts created before this time")
    command.add_argument(
        "--list",
        dest="listed",
        type=_not_negative,
        default=50,
        metavar="N",
        help="how many alerts to name for each tenant (default: 50); all are counted",
    )
    command.add_argument("--json", action="store_true", help="print the result as JSON")
    command.set_defaults(run=_compare)


def _moment(text: str) -> datetime:
    try:
        ticks = parse_iso_8601(text.strip())
        if ticks is not None:
            return ticks_to_datetime(ticks)
    except OverflowError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r} is not a time in ISO 8601, such as 2026-11-22T10:00:00Z")


def _not_negative(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of alerts, such as 50 or 0")
    return int(text)


def _noted_digest(text: str) -> tuple[str, str]:
    log, separator, digest = text.rpartition("=")
    if not separator or not log:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not of the form LOG=HEX, such as endpoint_alerts-<tenant>=9f86d081…"
        )
    return log, digest


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


def _verify(given: argparse.Namespace) -> int:
    from airflow_provider_defender import lake

    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(message)s")
    logging.getLogger(lake.__name__).setLevel(logging.INFO)
    digests = dict(given.digest)
    if len(digests) < len(given.digest):
        sys.stderr.write("--digest names the same log twice: give one digest for each log\n")
        return 2
    try:
        result = lake.verify(given.lake, digests=digests)
    except Exception as error:  # whatever a store's client raises: as a traceback, it would end with status 1
        sys.stderr.write(f"{given.lake} cannot be verified: {str(error) or repr(error)}\n")
        return 2
    sys.stdout.write(_as_json(result) if given.json else _as_text(result))
    return 1 if result.found else 0


def _as_json(result: Verification) -> str:
    differences = [{**asdict(each), "what": each.what.name, "text": each.text} for each in result.differences]
    values = {**asdict(result), "differences": differences}
    return json.dumps(values, indent=2, ensure_ascii=False) + "\n"


def _as_text(result: Verification) -> str:
    lines: list[str] = []
    for log in result.logs:
        origin = ", ".join(f"{name} {value}" for name, value in log.origin.items())
        proved = "" if log.proved is None else f"; proved up to commit {log.proved} by the digest given"
        lines += [
            f"{log.name} ({origin})",
            f"  {log.commits:,} commits, {log.files:,} files, {log.bytes:,} bytes{proved}",
            f"  digest of commit {log.number}: {log.digest or 'none, as it cannot be read'}",
        ]
    lines += [f"{each.what.name}: {each.text}" for each in result.differences]
    more = result.found - len(result.differences)
    lines += [f"… and {more:,} more"] * bool(more)
    return "\n".join([*lines, _last_line(result)]) + "\n"


def _last_line(result: Verification) -> str:
    if result.found:
        return f"Differences: {result.found:,}. Do not note these digests."
    return "Nothing differs. Note the digests where nobody who writes to the lake can change them."


def _compare(given: argparse.Namespace) -> int:
    from airflow_provider_defender.comparison import as_json, as_text, compare_sources

    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(message)s")
    try:
        found = compare_sources(
            given.lake,
            tenant=given.tenant,
            since=given.since,
            until=given.until,
            max_listed=given.listed,
        )
    except Exception as error:  # as in _verify
        sys.stderr.write(f"The sources in {given.lake} cannot be compared: {str(error) or repr(error)}\n")
        return 2
    sys.stdout.write(as_json(found) if given.json else as_text(found))
    return 1 if found.unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
