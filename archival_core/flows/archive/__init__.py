"""One chunk of the database becomes one published archive in the lake."""
