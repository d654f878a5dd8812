"""Opening a lake from Airflow's object storage paths, and translating its errors."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow_provider_defender import compat
from airflow_provider_defender.exceptions import (
    CommitDamaged,
    CommitUncertain,
    CommitUnfinished,
    ConfigurationError,
    ConflictingRun,
    DefenderError,
    FileDamaged,
    RunTooOld,
    TableUnusable,
    TooManyRanges,
)
from airflow_provider_defender.hooks import not_shown, shown_name
from airflow_provider_defender.stores.meanings import error_text, translated

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath
    from fsspec import AbstractFileSystem

    from airflow_provider_defender.lake import Lake, LakeError, WriterSettings

__all__ = ["lake_errors", "meanings", "opened_lake"]

_ABSOLUTE = "for example lake='/data/lake' or lake='s3://aws_default@bucket/lake'"
_CREDENTIAL = re.compile(
    r"://(?!arn:)[^/@:]*:[^@]*@"
    r"|(?:^|[?&;])(?:sig|[\w-]*(?:signature|token|credential|accesskey(?:id)?|accountkey|secret|password))=",
    re.IGNORECASE,
)
"""Credentials: a name and password before a host, a signed URL, or parts of a connection string."""


def opened_lake(
    root: Any,
    *,
    single_writer: bool = False,
    settings: WriterSettings | None = None,
) -> Lake:
    """Open the lake at `root`, a text or `ObjectStoragePath`; `settings` of its files, None: the defaults.

    Raises:
        ConfigurationError: `root` is empty, relative or ambiguous, or its scheme or connection is unknown
        here. CredentialError, StoreUnavailable: the store's client cannot be created.
    """
    from airflow_provider_defender.lake import Lake, LakeError

    _check_text(str(root))
    with lake_errors(root):
        try:
            lake = Lake(*_store(root), single_writer=single_writer, settings=settings)
        except (DefenderError, LakeError):
            raise
        except Exception as error:  # a client's constructor may raise anything for bad settings
            if (known := translated(error, root)) is not None:
                raise known from error
            raise ConfigurationError(
                f"lake={str(root)!r} cannot be opened: {error_text(error)}. Schemes other than file:// need "
                "an extra of this package ([azure], [s3] or [gcs]), and a connection or an environment that "
                "gives the account and its credential."
            ) from error
    return lake


def _check_text(text: str) -> None:
    """Refuse texts that must not be shown or are no valid address: later messages and logs show them."""
    if _CREDENTIAL.search(text):
        raise ConfigurationError(
            f"lake {not_shown(text)} is wrong: it holds a password, a key or a signature. Put that into an "
            f"Airflow connection, and name the connection before the @, {_ABSOLUTE}"
        )
    if text.strip() and text != text.strip():
        raise ConfigurationError(
            f"lake={text!r} begins or ends with white space, which would make another lake of it: write "
            f"lake={text.strip()!r}"
        )
    try:
        unusable = "\0" in text or not os.fsencode(text)
    except UnicodeEncodeError:
        unusable = True
    if unusable and text:
        raise ConfigurationError(f"lake={text!r} holds a character that no path can have: enter it again")


def _store(root: Any) -> tuple[AbstractFileSystem, str]:
    """The file system of `root` and its path there, after checking that it is not ambiguous."""
    from fsspec.implementations.local import LocalFileSystem

    from airflow_provider_defender.lake import local_path

    text = str(root)
    if not text.strip():
        raise ConfigurationError(
            f"lake is empty: give an absolute path or a URL, {_ABSOLUTE}. The shipped DAG takes it from an "
            "Airflow variable: airflow variables set defender_lake /data/lake"
        )
    try:
        local = local_path(text)
    except ValueError as error:
        raise ConfigurationError(f"lake={error}.") from error
    if local is None:
        path = _object_store_path(root)
        return path.fs, path.path
    if not os.path.isabs(local):  # noqa: PTH117
        whole = os.path.abspath(os.path.expanduser(local))  # noqa: PTH100, PTH111
        raise ConfigurationError(
            f"lake={text!r} is relative: it would land wherever this worker happens to run. Give the "
            f"absolute path, for example lake={whole!r}, which is what it means here."
        )
    return LocalFileSystem(), local  # Airflow's path would lose a trailing question mark


def _object_store_path(root: Any) -> ObjectStoragePath:
    from airflow.sdk import ObjectStoragePath

    from airflow_provider_defender.hooks import find_connection

    text = str(root)
    if not text.partition("://")[2].partition("/")[0].rpartition("@")[2]:
        raise ConfigurationError(f"lake={text!r} names no bucket or container: write {_ABSOLUTE}.")
    if lost := re.search(r"[\t\r\n]|[?#]\Z", text):
        raise ConfigurationError(
            f"lake={text!r} holds {lost[0]!r}, which is lost when Airflow reads it as a URL, so that another "
            "lake is meant: take it out"
        )
    path = root if isinstance(root, ObjectStoragePath) else ObjectStoragePath(text)
    conn_id = compat.connection_id(path)
    if conn_id:
        try:
            find_connection(conn_id)
        except ConfigurationError as error:
            shown = text if shown_name(conn_id) == repr(conn_id) else f"…@{path.path}"
            raise ConfigurationError(
                f"lake={shown!r}: what stands before the @ is an Airflow connection. {error} Without it and "
                "the @ the worker's own credential counts."
            ) from error
    return path


def meanings() -> Mapping[type[LakeError], type[DefenderError]]:
    """The error that a task raises for each error of the lake."""
    from airflow_provider_defender import lake

    return {
        lake.CommitConflict: ConflictingRun,
        lake.CommitStateUnknown: CommitUncertain,
        lake.CommitUnreadable: CommitDamaged,
        lake.FileChanged: FileDamaged,
        lake.NotPublished: CommitUnfinished,
        lake.OriginMismatch: ConfigurationError,
        lake.PositionTooLarge: TooManyRanges,
        lake.StoreRefused: ConfigurationError,
        lake.TableConflict: ConflictingRun,
        lake.TableUnusable: TableUnusable,
        lake.TransactionTooOld: RunTooOld,
    }


@contextmanager
def lake_errors(root: Any = "") -> Iterator[None]:
    """Translate errors of the lake at `root`, and of its store, into this package's errors.

    The original error is the new one's cause. All other errors pass through.
    """
    from airflow_provider_defender.lake import LakeError

    try:
        yield
    except DefenderError:
        raise
    except LakeError as error:
        meaning = next(each for lake_error, each in meanings().items() if isinstance(error, lake_error))
        raise meaning(str(error)) from error
    except Exception as error:
        if (known := translated(error, root)) is None:
            raise
        raise known from error
