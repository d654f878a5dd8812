"""The mappings that come with the package, one module a family."""
