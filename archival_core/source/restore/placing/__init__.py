"""The rows go from the staging table into their table, with all that a chunk needs beside them."""
