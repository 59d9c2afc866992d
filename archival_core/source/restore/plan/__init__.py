"""What a restore puts where: the table that the rows go back to, and whether it is the one that they were taken from."""
