"""What every job has in common: its lease, its run, its announcement, and what becomes of it when it fails."""
