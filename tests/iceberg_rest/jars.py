"""Iceberg's jars: fetched once by Maven, kept in `.cache/iceberg/<hash of the pom>/` of the checkout."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.kafka_broker.jars import java

POM = Path(__file__).with_name("pom.xml")
SPARK_POM = Path(__file__).with_name("pom-spark.xml")
CACHE = Path(__file__).parents[2] / ".cache" / "iceberg"


def missing_tools(pom: Path = POM) -> str | None:
    """Why the jars cannot be had or run here, or None when they can."""
    if java() is None:
        return "Java is not installed: Apache Iceberg's REST catalog needs a JDK 17 or newer"
    if shutil.which("mvn") is None and not _folder(pom).exists():
        return "Maven (mvn) is not installed: it fetches Apache Iceberg's jars"
    return None


def _folder(pom: Path) -> Path:
    return CACHE / hashlib.sha256(pom.read_bytes()).hexdigest()[:16]


def fetch_jars(pom: Path = POM) -> Path:
    """The folder with the jars that a pom names, filled by Maven if this is the first time."""
    folder = _folder(pom)
    if folder.exists():
        return folder
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fetching-", dir=CACHE) as name:
        place = f"-DoutputDirectory={name}/jars"
        command = ["mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies", place]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"Maven could not fetch the jars of Iceberg:\n{done.stdout[-4000:]}"
        try:
            (Path(name) / "jars").rename(folder)
        except OSError:  # another process was faster
            assert folder.exists()
    return folder
