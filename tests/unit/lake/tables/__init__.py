"""Open tables over the landed files."""
