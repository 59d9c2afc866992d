"""The staging tables of restores, and the way of an archive's rows into them."""
