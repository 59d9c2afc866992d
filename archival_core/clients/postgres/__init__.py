"""PostgreSQL, source and ledger alike: connections, what each of them says, and their errors translated once."""
