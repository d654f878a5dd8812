"""The example DAGs: finding and copying them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

__all__ = ["CopiedDag", "copy_example_dags", "example_dags"]

CopiedDag = tuple[Path, Literal["copied", "overwritten", "unchanged", "kept"]]
"""A file in the DAGs folder, and what was done; `kept`: it differs from ours and was left unchanged."""


def example_dags() -> list[Path]:
    """Return the DAG files: inside the package in an installed wheel, in `dags/` next to it in a checkout.

    Raises:
        FileNotFoundError: this installation has none.
    """
    package = Path(__file__).parent
    for folder in (package / "example_dags", package.parent / "dags"):
        if found := sorted(folder.glob("defender_*.py")):
            return found
    raise FileNotFoundError("The example DAGs are missing from this installation: install the package again.")


def copy_example_dags(folder: Path, *, force: bool = False) -> Iterator[CopiedDag]:
    """Copy the DAG files into a folder, which is created if it is missing.

    A file of the same name with other content is overwritten only with `force`.

    Raises:
        OSError: the folder cannot be created or written, for example because a file has its name.
    """
    sources = example_dags()
    folder.mkdir(parents=True, exist_ok=True)
    for source in sources:
        target, content = folder / source.name, source.read_bytes()
        exists = target.exists()
        if exists and target.read_bytes() == content:
            yield target, "unchanged"
        elif exists and not force:
            yield target, "kept"
        else:
            target.write_bytes(content)
            yield target, "overwritten" if exists else "copied"
