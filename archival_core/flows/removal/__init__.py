"""One archived chunk leaves the database."""
