"""Alerts of one tenant as both sources have landed them: which of them only one source shows, and why.

`compare.py` puts it together: `coverage.py` says what a log has read, `landed.py` keeps the newest version
of each alert, `reasons.py` says why one source alone shows an alert, `report.py` holds the result, and
`text.py` writes it for people and programs.
"""

from __future__ import annotations

from airflow_provider_defender.comparison.compare import compare_sources
from airflow_provider_defender.comparison.coverage import Coverage
from airflow_provider_defender.comparison.reasons import Reason
from airflow_provider_defender.comparison.report import (
    ComparedAlert,
    Comparison,
    SourceFigures,
    TenantComparison,
)
from airflow_provider_defender.comparison.text import as_json, as_text

__all__ = [
    "ComparedAlert",
    "Comparison",
    "Coverage",
    "Reason",
    "SourceFigures",
    "TenantComparison",
    "as_json",
    "as_text",
    "compare_sources",
]
