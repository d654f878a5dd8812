"""The protocol: commits, the log that they make, and the transaction that adds one."""
