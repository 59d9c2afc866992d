"""One chunk out of the database: who would suffer, and the transaction that drops it."""
