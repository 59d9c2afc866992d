"""Real servers from wheels and npm, embedded in the local stack and the tests. Each is a context manager."""
