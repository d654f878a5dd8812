"""Azure Blob Storage: Azurite, Microsoft's emulator, which `make` installs beside this file."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, ClassVar

from adlfs import AzureBlobFileSystem
from azure.storage.blob import BlobServiceClient
from azure.storage.blob.aio import ExponentialRetry

from tests.object_stores.front import Application, Refusal, Request, forwarding_to
from tests.object_stores.store import BUCKET, Store

ACCOUNT = "lakeaccount"
KEY = base64.b64encode(b"a key for tests only").decode()
PROGRAM = Path(__file__).parent / "azurite" / "node_modules" / "azurite" / "dist/src/blob/main.js"


def missing_tools() -> str | None:
    """Why Azurite cannot run here, None where it can."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return "Azurite needs Node.js and npm"
    if not PROGRAM.exists():
        return "Azurite is not installed: make tests/object_stores/azurite/node_modules/.installed"
    return None


def _error(status: str, code: str) -> Refusal:
    body = f"<?xml version='1.0' encoding='utf-8'?><Error><Code>{code}</Code><Message>no</Message></Error>"
    return status, [("Content-Type", "application/xml"), ("x-ms-error-code", code)], body.encode()


class Azurite:
    """The emulator's process, with the blob service only and its data in memory."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        options = ["--blobHost", "127.0.0.1", "--blobPort", "0"]
        options += ["--inMemoryPersistence", "--silent", "--disableTelemetry"]
        # The client's library is newer than the emulator and names a newer version of the protocol.
        options += ["--skipApiVersionCheck"]
        self._process = subprocess.Popen(
            ["node", str(PROGRAM), *options],
            env={"PATH": _path(), "AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}"},
            cwd=self._folder.name,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        said = ""
        for line in self._process.stdout:
            said += line
            if found := re.search(r"successfully listens on http://127\.0\.0\.1:(\d+)", line):
                self.port = int(found[1])
                return
        raise AssertionError(f"Azurite did not start: {said}")

    def stop(self) -> None:
        self._process.kill()
        self._process.wait(60)
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._folder.cleanup()


def _path() -> str:
    node = shutil.which("node")
    assert node is not None
    return str(Path(node).parent)


class Azure(Store):
    """Faults of its own: `"unconditional"` overwrites what exists, `"pending copy"` answers a copy as Azure
    may, before it is done: the object is there by then, but empty."""

    name = "azure"
    scheme = "abfss"
    refusals: ClassVar = {
        "throttled": _error("503 Server Busy", "ServerBusy"),
        "broken": _error("500 Internal Server Error", "InternalError"),
    }

    def __init__(self) -> None:
        self._azurite = Azurite()
        super().__init__()

    def stop(self) -> None:
        super().stop()
        self._azurite.stop()

    def backend(self) -> Application:
        return forwarding_to(self._azurite.port)

    def _connection_string(self, server: str) -> str:
        account = f"AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={server}/{ACCOUNT}"
        return f"DefaultEndpointsProtocol=http;{account}"

    def connection(self) -> str:
        extra = {"connection_string": self._connection_string(self.front.url)}
        return json.dumps({"conn_type": "wasb", "extra": extra})

    def forget_clients(self) -> None:
        AzureBlobFileSystem.clear_instance_cache()

    def hurry(self) -> None:
        setattr(ExponentialRetry, "get_backoff_time", lambda policy, settings: 0.0)  # noqa: B010 (mypy: a method)

    def behind(self) -> BlobServiceClient:
        """A client of the emulator itself, which meets no faults."""
        server = f"http://127.0.0.1:{self._azurite.port}"
        return BlobServiceClient.from_connection_string(self._connection_string(server))

    def make_bucket(self) -> None:
        self.behind().create_container(BUCKET)

    def delete_bucket(self) -> None:
        self.behind().delete_container(BUCKET)

    def changed(self, kind: str, request: Request, environ: dict[str, Any]) -> Refusal | None:
        blob = request.path.removeprefix(f"/{ACCOUNT}/{BUCKET}/")
        with self.behind() as client, client.get_blob_client(BUCKET, blob) as object_client:
            if kind == "unconditional":  # the condition is signed for and cannot be taken away
                if object_client.exists() and "comp=block&" not in f"{request.query}&":
                    object_client.delete_blob()
                return None
            assert kind == "pending copy"
            object_client.upload_blob(b"", overwrite=True)
        return "202 Accepted", [("x-ms-copy-id", "1"), ("x-ms-copy-status", "pending")], b""

    def completes(self, request: Request) -> str:
        command = re.search(r"comp=(\w+)", request.query)
        whole = request.method == "PUT" and "restype=" not in request.query
        return request.path if whole and (command is None or command[1] == "blocklist") else ""

    def sends(self, request: Request) -> str:
        return request.path if request.method == "PUT" else ""

    def is_conditional(self, request: Request) -> bool:
        return "if-none-match" in request.headers

    def part(self, request: Request) -> int:
        """Blocks have no numbers: of each object's blocks, the first is 1 and all others are 2."""
        if "comp=block&" not in f"{request.query}&":
            return 0
        earlier = [each for each in self.front.requests if each is not request]
        return 1 + any("comp=block&" in f"{each.query}&" and each.path == request.path for each in earlier)
