"""The lake's tables follow marks and ledger: one commit for each table and run."""
