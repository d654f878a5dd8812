"""Run queries in a DuckDB with an extension, which comes as a Python package. Prints the rows as JSON.

Usage: python duckdb_reader.py EXTENSION[,EXTENSION…] QUERY…
"""

from __future__ import annotations

import json
import sys

import duckdb
from duckdb_extensions import import_extension


def main() -> None:
    names, *queries = sys.argv[1:]
    connection = duckdb.connect()
    for name in names.split(","):
        import_extension(name, con=connection)
        connection.load_extension(name)
    print(json.dumps([connection.execute(query).fetchall() for query in queries]))


if __name__ == "__main__":
    main()
