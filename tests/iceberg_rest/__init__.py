"""Apache Iceberg's own REST catalog, run in a process of its own; and its runtime for Apache Spark."""
