"""What the periodic duties ask of the ledger: jobs left undone, rows that become counts, how far each round has come."""
