"""One archive back into the database: staging tables, loading, the proof, and placing the rows."""
