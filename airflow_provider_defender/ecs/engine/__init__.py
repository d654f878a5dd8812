"""The mapping engine: from records to typed Arrow columns, and from these to a dataset's rows."""
