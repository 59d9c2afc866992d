"""How much memory an archive takes, by the shape of the rows."""
