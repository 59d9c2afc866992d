"""Whether the rows that came back are the rows that were archived: compared by PostgreSQL, in any order."""
