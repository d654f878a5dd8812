"""Refuse a release whose tag is not the package's version, or that the changelog does not know.

Usage: check_release.py v1.2.3
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def version() -> str:
    """The version as the package says it, read without importing the package."""
    text = (ROOT / "airflow_provider_defender" / "__init__.py").read_text()
    match = re.search(r'^__version__ = "(.+)"$', text, flags=re.MULTILINE)
    if match is None:
        sys.exit('airflow_provider_defender/__init__.py has no line: __version__ = "…"')
    return match[1]


def problems(tag: str, version: str, changelog: str) -> list[str]:
    """What keeps this tag from being released; nothing where all is well."""
    found = []
    if tag != f"v{version}":
        found.append(f"the tag is {tag!r}, the version {version!r}: set __version__, or tag v{version}")
    if not re.search(rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$", changelog, flags=re.MULTILINE):
        found.append(f"CHANGELOG.md has no heading '## [{version}] - YYYY-MM-DD': rename Unreleased")
    return found


def main() -> None:
    """Exit with the problems of the tag on the command line."""
    arguments = sys.argv[1:]
    if len(arguments) != 1 or not arguments[0]:
        sys.exit(__doc__)
    if found := problems(arguments[0], version(), (ROOT / "CHANGELOG.md").read_text()):
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main()
