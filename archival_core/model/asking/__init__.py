"""What is asked for: events, policies, and whether they become jobs."""
