"""What the tests ask of each kind of object store."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from typing import Any, ClassVar
from unittest.mock import patch

from airflow.sdk import ObjectStoragePath
from airflow.sdk.io import store
from fsspec import AbstractFileSystem

from tests.object_stores.front import Application, Front, Refusal, Request

BUCKET = "lake-bucket"
CONNECTION = "lake_store"


class Store(ABC):
    """A store's stand-in behind a front, and Airflow's connection to it."""

    name: ClassVar[str]
    scheme: ClassVar[str]
    one_at_a_time: ClassVar[bool] = False
    refusals: ClassVar[dict[str, Refusal]]

    def __init__(self) -> None:
        self.hurry()
        self.front = Front(self.backend(), self.changed, self.refusals, one_at_a_time=self.one_at_a_time)

    def stop(self) -> None:
        self.front.stop()

    def url(self, path: str = "lake") -> str:
        """What a user gives an operator as its lake."""
        return f"{self.scheme}://{CONNECTION}@{BUCKET}/{path}"

    def filesystem(self) -> AbstractFileSystem:
        """A client from Airflow's connection that shares nothing with others, as in another process."""
        with patch.dict(os.environ, {f"AIRFLOW_CONN_{CONNECTION.upper()}": self.connection()}):
            Store.attach(self)
            return ObjectStoragePath(self.url()).fs

    def attach(self) -> None:
        """Let Airflow open the store anew in this process, which has the connection in its environment."""
        store._STORE_CACHE.clear()
        self.forget_clients()

    @abstractmethod
    def backend(self) -> Application: ...

    @abstractmethod
    def connection(self) -> str:
        """Airflow's connection as JSON."""

    @abstractmethod
    def forget_clients(self) -> None:
        """Empty fsspec's cache of clients."""

    @abstractmethod
    def hurry(self) -> None:
        """Let the store's clients not wait between their own tries, in this process."""

    def make_bucket(self) -> None:
        self.filesystem().mkdir(BUCKET)

    def delete_bucket(self) -> None:
        self.filesystem().rm(BUCKET, recursive=True)

    def changed(self, kind: str, request: Request, environ: dict[str, Any]) -> Refusal | None:
        """Change a request as a fault of this store's own asks for, or refuse it: see `Front`."""
        raise NotImplementedError(kind)

    # What a request does ------------------------------------------------------------------------

    @abstractmethod
    def completes(self, request: Request) -> str:
        """The path of the object that is there, whole, once this request has been carried out; or `""`."""

    @abstractmethod
    def sends(self, request: Request) -> str:
        """The path of the object that this request carries content for, or readies the store for; or `""`."""

    @abstractmethod
    def is_conditional(self, request: Request) -> bool:
        """Whether it is to be carried out only if the object is absent."""

    @abstractmethod
    def part(self, request: Request) -> int:
        """Which part of an upload in parts it carries, from 1 on; 0 where it carries none."""

    def creates(self, request: Request) -> bool:
        """Whether it creates a record of a log."""
        return "/commits/" in self.completes(request)

    def stages(self, request: Request) -> bool:
        return ".staged" in self.sends(request)

    def publishes(self, request: Request) -> bool:
        """Whether it brings a data file to its final place."""
        return self.completes(request).endswith(".parquet")

    def unfinished_uploads(self) -> list[Any]:
        """What is left in the store of uploads that were given up, and that is not deleted by itself."""
        return []
