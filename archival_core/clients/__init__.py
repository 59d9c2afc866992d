"""The other outside systems, one file each, with their errors translated at the edge."""
