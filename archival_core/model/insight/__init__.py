"""What people are told: where a chunk's rows are, what happens next to them, numbers and prices."""
