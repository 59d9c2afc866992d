"""The page, and the numbers that it shows."""
