"""What several kinds of tests share: fixtures and test doubles."""
