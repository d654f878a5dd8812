"""Mapping the messages of an event hub: split into records, route to tables, drop duplicates."""
