"""The ledger in numbers, for metrics and pages."""
