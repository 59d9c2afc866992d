"""What people do with jobs and dead letters: look, retry, cancel, replay and discard, one at a time or by a filter."""
