"""Open tables over the landed files: followers of the logs, which rewrite nothing."""
