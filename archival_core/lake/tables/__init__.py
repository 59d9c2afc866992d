"""The Delta log beside a table's archives: commits to it, and what others made of it."""
