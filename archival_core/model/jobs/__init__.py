"""A job: its life, the message that names it, how far it has come, and what a failure makes of it."""
