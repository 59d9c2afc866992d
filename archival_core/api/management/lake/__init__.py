"""The lake: its tables, queries over them, and the source that it belongs to."""
