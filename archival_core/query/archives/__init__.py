"""The archives that stand in for rows of a table, and where their files lie."""
