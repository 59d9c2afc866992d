"""One archive of the lake goes back into the database."""
