"""Questions to a table that is half live and half archived, beside DuckDB and PostgreSQL alone."""
