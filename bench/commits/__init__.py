"""What a commit to one table of the lake costs, by the number of archives that the table has."""
