"""What names Iceberg's jars, which `tests.kafka_broker.jars` fetches."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.kafka_broker.jars import jars_folder, java

POM = Path(__file__).with_name("pom.xml")
SPARK_POM = Path(__file__).with_name("pom-spark.xml")


def missing_tools(pom: Path = POM) -> str | None:
    """Why the jars cannot be had or run here, or None when they can."""
    if java() is None:
        return "Java is not installed: Apache Iceberg's REST catalog needs a JDK 17 or newer"
    if shutil.which("mvn") is None and not jars_folder(pom).exists():
        return "Maven (mvn) is not installed: it fetches Apache Iceberg's jars"
    return None
