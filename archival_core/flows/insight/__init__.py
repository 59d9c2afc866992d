"""What people and programs look at: numbers, lists and maps of chunks."""
