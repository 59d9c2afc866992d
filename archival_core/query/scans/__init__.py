"""What DuckDB reads: archived and live rows, the filters that they are asked with, and the plan of what was read."""
