"""From Airflow's object storage paths to the lake, and from the lake's errors to Airflow's."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow_provider_defender.exceptions import ConfigurationError, FailNow, RecordDamaged

if TYPE_CHECKING:
    from airflow_provider_defender.lake import Lake, Log, WriterSettings

__all__ = ["lake_errors", "opened_lake", "opened_log"]

_NOT_WRITABLE = (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR)


def opened_lake(root: Any, *, single_writer: bool = False, settings: WriterSettings | None = None) -> Lake:
    """The lake below `root`, a text or `ObjectStoragePath`; `settings` of its files, if not the usual ones.

    Raises:
        ConfigurationError: `root` is empty or its scheme is unknown here.
    """
    from airflow.sdk import ObjectStoragePath

    from airflow_provider_defender.lake import Lake

    if not str(root).strip():
        raise ConfigurationError(
            "lake is empty: give a path or URL, for example file:///data/lake. The shipped DAG takes it from "
            "an Airflow variable: airflow variables set defender_lake file:///data/lake"
        )
    try:
        path = root if isinstance(root, ObjectStoragePath) else ObjectStoragePath(str(root))
        return Lake(path.fs, path.path, single_writer=single_writer, settings=settings)
    except (ValueError, ImportError) as error:
        raise ConfigurationError(
            f"lake={str(root)!r} cannot be opened: {error}. Schemes other than file:// need an extra of this "
            "package: [azure], [s3] or [gcs]."
        ) from error


def opened_log(root: Any, name: str, *, single_writer: bool = False) -> Log:
    """The log `name` of the lake below `root`; raises as `opened_lake` does."""
    return opened_lake(root, single_writer=single_writer).log(name)


@contextmanager
def lake_errors() -> Iterator[None]:
    """Turn those errors of the lake that no retry heals into ones that fail the task at once."""
    from airflow_provider_defender.lake import PositionTooLarge, RecordUnreadable, StoreRefused

    try:
        yield
    except StoreRefused as error:
        raise ConfigurationError(str(error)) from error
    except RecordUnreadable as error:
        raise RecordDamaged(str(error)) from error
    except PositionTooLarge as error:
        raise FailNow(str(error)) from error
    except OSError as error:
        if error.errno not in _NOT_WRITABLE:
            raise
        raise ConfigurationError(
            f"The lake cannot be written ({error.strerror}: {error.filename}). Let the user that Airflow's "
            "workers run as write there, or set another lake."
        ) from error
