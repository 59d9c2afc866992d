"""PostgreSQL, Redis and the storage queue, and the tokens that open them. Their errors are translated here, once."""
