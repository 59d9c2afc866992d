"""The ledger: PostgreSQL schema `archival`, which says of every request and every archive what became of it."""
