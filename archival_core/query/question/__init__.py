"""A question as it was asked: its statement, the tables that it means, its limits, and the form of its answer."""
