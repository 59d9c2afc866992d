"""What was asked for: requests, policies, events that fail, whether anything is taken in at all, and who asked."""
