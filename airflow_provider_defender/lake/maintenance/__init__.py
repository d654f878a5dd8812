"""Maintenance of a lake: compaction, retention, sweeping."""
