"""Messages of the queues: submitted with their jobs, shared among instances, and what becomes of those that fail."""
