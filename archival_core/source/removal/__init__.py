"""One chunk is dropped from the database: who would suffer, and the transaction that drops the chunk."""
