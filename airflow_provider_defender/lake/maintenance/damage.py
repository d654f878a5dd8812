"""Files that are not what their commits say: the rest of the work goes on without them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from airflow_provider_defender.lake.errors import FileChanged
from airflow_provider_defender.lake.log.commit import DataFile
from airflow_provider_defender.lake.log.log import Log
from airflow_provider_defender.lake.maintenance.writing import check_inputs

__all__ = ["Damage"]

_logger = logging.getLogger(__name__)

_TOLD = 5

T = TypeVar("T")


class Damage:
    """Collects what is wrong with files, so that one of them does not stop the work on all others."""

    def __init__(self) -> None:
        self._texts: dict[str, None] = {}

    def unless_damaged(
        self, log: Log[Any], files: Sequence[DataFile], after: int, read: Callable[[], T]
    ) -> T | None:
        """Return what `read` does; None if one of the files that it reads is damaged or gone.

        `read` must not stage anything: a caller who goes on would commit it without removing the files.
        Raises `CommitConflict` if another run has removed one by a commit with a number above `after`.
        """
        try:
            return read()
        except FileChanged as error:
            self._note(str(error))
        except FileNotFoundError as error:
            check_inputs(log, [file.path for file in files], after)
            folder = files[0].path.rpartition("/")[0]
            self._note(f"a file of {folder} is gone, and no commit of {log.name} has removed it: {error}")
        return None

    def check(self) -> None:
        """Raise `FileChanged` if anything was wrong."""
        if self._texts:
            more = len(self._texts) - _TOLD
            rest = f"; and {more} more" if more > 0 else ""
            raise FileChanged("; ".join(list(self._texts)[:_TOLD]) + rest)

    def _note(self, text: str) -> None:
        _logger.error("Left out: %s", text)
        self._texts[text] = None
