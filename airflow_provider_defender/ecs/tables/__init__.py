"""The mappings of this package, one module per family."""
