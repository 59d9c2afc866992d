"""Jobs: what was asked for, what became of it, and many of them at a time."""
