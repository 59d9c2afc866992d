"""What is in the lake: its tables, their owner, and whether files are as they were written."""
