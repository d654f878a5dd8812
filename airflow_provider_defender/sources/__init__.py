"""Sources of records. Each one names its log, reads a window, and reports its backlog."""
