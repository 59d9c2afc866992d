"""The command line itself: services and keys, completion, and what a month would cost."""
