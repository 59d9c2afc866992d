"""Rows of ours in the source: which history a server is in, which archives stand in for rows, where restored rows are."""
