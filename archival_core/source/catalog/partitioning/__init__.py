"""How a table is divided: TimescaleDB's hypertables, PostgreSQL's own range partitions, and the tables below a chunk."""
