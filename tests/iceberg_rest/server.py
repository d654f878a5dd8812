"""The REST catalog: its tables are listed in SQLite, and their metadata lies in a local folder."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

from tests.kafka_broker.jars import fetch_jars, java

POM = Path(__file__).with_name("pom.xml")
SPARK_POM = Path(__file__).with_name("pom-spark.xml")
"""Iceberg's jars for Spark."""


class RestCatalog:
    """A server in a process of its own, below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.warehouse = folder / "warehouse"
        launcher = java()
        assert launcher is not None
        settings = {
            "CATALOG_REST_PORT": str(port),
            "CATALOG_URI": f"jdbc:sqlite:{folder}/catalog.db",
            "CATALOG_WAREHOUSE": str(self.warehouse),
        }
        self._said = (folder / "server.log").open("wb")
        self._process = subprocess.Popen(
            [
                launcher,
                "-XX:-UsePerfData",
                "-Xmx256m",
                "-cp",
                f"{fetch_jars(POM)}/*",
                "org.apache.iceberg.rest.RESTCatalogServer",
            ],
            env={"PATH": os.environ["PATH"], "HOME": str(folder), **settings},
            cwd=folder,
            stdout=self._said,
            stderr=subprocess.STDOUT,
        )
        self._wait()

    def _wait(self) -> None:
        until = time.monotonic() + 90
        while time.monotonic() < until and self._process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.url}/v1/config", timeout=5):
                    return
            except OSError:
                time.sleep(0.2)
        self.stop()
        raise AssertionError((self.folder / "server.log").read_text()[-4000:])

    @property
    def properties(self) -> dict[str, str]:
        """The properties of the catalog, as pyiceberg takes them."""
        return {"type": "rest", "uri": self.url}

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(30)
        self._said.close()
