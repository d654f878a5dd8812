"""Golden cases: records and the rows that they become, side by side, for a person to read."""
