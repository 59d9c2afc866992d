"""What the source holds: chunks, the moments of their time columns, and what one reading of a chunk saw."""
