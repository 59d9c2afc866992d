"""How the columns of an archive travel back into PostgreSQL, and fit into the table that they go back to."""
