"""What a chunk holds at one moment, and whether it still does."""
