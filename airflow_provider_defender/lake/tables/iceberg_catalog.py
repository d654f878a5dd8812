"""Iceberg catalogs, and files in the lake's store as pyiceberg and other readers name them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import urlsplit

from fsspec import AbstractFileSystem
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.io import FileIO, InputFile, OutputFile, load_file_io
from pyiceberg.io.fsspec import FsspecInputFile, FsspecOutputFile

from airflow_provider_defender.lake.lake import Lake

__all__ = ["LakeFileIO", "check_locations", "location", "open_catalog"]

_IO = "py-io-impl"

_AZURE = ("abfs", "abfss", "az")


def open_catalog(catalog: Mapping[str, Any] | str, lake: Lake) -> Catalog:
    """Open a catalog by its properties, or by its name in pyiceberg's own configuration.

    What lies in the lake's own bucket or container is read and written with the lake's credentials, unless a
    property `py-io-impl` asks for something else. What pyiceberg raises passes through.
    """
    properties = {"name": catalog} if isinstance(catalog, str) else dict(catalog)
    name = properties.pop("name", "defender")
    buckets = {_bucket(lake.storage.url("")), _bucket(location(lake, ""))} - {""}
    if _IO not in properties and buckets:
        LakeFileIO.filesystems.update(dict.fromkeys(buckets, lake.filesystem))
        properties[_IO] = f"{LakeFileIO.__module__}.{LakeFileIO.__qualname__}"
    return load_catalog(name, **properties)


def check_locations(lake: Lake) -> None:
    """Raise `ValueError` if the lake's address has characters that Iceberg readers take for a URL's."""
    root = lake.storage.url("")
    if found := sorted(set("?#") & set(root)):
        raise ValueError(
            f"the lake {root!r} has {' and '.join(found)} in its path, which readers of Iceberg tables take "
            "for the end of the path: move the lake to a folder without them"
        )


def location(lake: Lake, path: str) -> str:
    """Return the address of a file of the lake as Iceberg has it: a URL whose path is not escaped.

    `file:///…`, `s3://bucket/…`, `gs://bucket/…`, `abfss://container@account.dfs.core.windows.net/…`.
    """
    url = lake.storage.url(path)
    if url.startswith("/"):
        return f"file://{url}"
    scheme, _, rest = url.partition("://")
    if scheme in _AZURE and (host := _azure_host(lake.filesystem)):
        container, _, name = rest.partition("/")
        return f"abfss://{container}@{host}/{name}"
    return url


def _azure_host(filesystem: AbstractFileSystem) -> str:
    """The host of the account's files; empty if its client does not say the account."""
    host = getattr(filesystem, "account_host", None)
    if host:
        return str(host).replace(".blob.", ".dfs.")
    parts = str(getattr(filesystem, "connection_string", None) or "").split(";")
    settings = {name: value for name, _, value in (part.partition("=") for part in parts)}
    account = getattr(filesystem, "account_name", None) or settings.get("AccountName")
    return f"{account}.dfs.{settings.get('EndpointSuffix', 'core.windows.net')}" if account else ""


def _bucket(url: str) -> str:
    """The scheme, and the bucket or container (with its account, if given), of a URL; empty for a path."""
    parts = urlsplit(url)
    if parts.scheme in ("", "file"):
        return ""
    scheme = {"abfss": "abfs", "az": "abfs", "s3a": "s3", "gcs": "gs"}.get(parts.scheme, parts.scheme)
    return f"{scheme}://{parts.netloc}"


class LakeFileIO(FileIO):
    """Files in the bucket of a lake by the lake's own client, and all others as pyiceberg has them.

    So the tables' metadata may lie in the lake's bucket without another set of credentials.
    """

    filesystems: ClassVar[dict[str, AbstractFileSystem]] = {}
    """The clients of this process' lakes, by bucket: pyiceberg makes the objects of this class itself."""

    def _others(self, location: str) -> FileIO:
        properties = {name: value for name, value in self.properties.items() if name != _IO}
        return load_file_io(properties, location)

    def new_input(self, location: str) -> InputFile:
        """Return a file to be read."""
        filesystem = self.filesystems.get(_bucket(location))
        if filesystem is None:
            return self._others(location).new_input(location)
        return FsspecInputFile(location, filesystem)

    def new_output(self, location: str) -> OutputFile:
        """Return a file to be written."""
        filesystem = self.filesystems.get(_bucket(location))
        if filesystem is None:
            return self._others(location).new_output(location)
        return FsspecOutputFile(location, filesystem)

    def delete(self, location: str | InputFile | OutputFile) -> None:
        """Delete a file."""
        name = location if isinstance(location, str) else location.location
        filesystem = self.filesystems.get(_bucket(name))
        if filesystem is None:
            self._others(name).delete(name)
        else:
            filesystem.rm_file(filesystem._strip_protocol(name))
