"""Sphinx: the documentation, with its tables generated from the code."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path

# Airflow is imported for the reference: its home must not be the user's.
_HOME = tempfile.mkdtemp(prefix="defender-docs-")
atexit.register(shutil.rmtree, _HOME, ignore_errors=True)
os.environ["AIRFLOW_HOME"] = _HOME
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = f"sqlite:///{_HOME}/airflow.db"

_HERE = Path(__file__).parent
sys.path[:0] = [str(_HERE.parent), str(_HERE / "_ext")]

from airflow_provider_defender import __version__  # noqa: E402

project = "airflow-provider-defender"
author = "The airflow-provider-defender authors"
copyright = author
version = release = __version__

_REPOSITORY = "https://github.com/airflow-provider-defender/airflow-provider-defender"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "code_tables", "duckdb_sql"]
exclude_patterns = ["_build", "_ext", "screenshots.py"]
source_suffix = {".md": "markdown"}
default_role = "code"  # docstrings write names in single backticks

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3

autodoc_default_options = {"member-order": "bysource"}
autodoc_typehints = "none"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False

html_theme = "furo"
html_theme_options = {
    "source_repository": f"{_REPOSITORY}/",
    "source_branch": "main",
    "source_directory": "docs/",
}
html_title = f"airflow-provider-defender {version}"
html_static_path = ["_static"]
html_css_files = ["wide_tables.css"]
html_show_sphinx = False
html_copy_source = False
