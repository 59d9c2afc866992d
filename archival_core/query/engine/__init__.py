"""A DuckDB for one question, and the tables in it."""
