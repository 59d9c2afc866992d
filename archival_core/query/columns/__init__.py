"""A hypertable's own columns and types, as DuckDB is given them, whatever the age of an archive."""
