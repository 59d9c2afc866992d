"""Chunks: where their rows are and why, and the requests and policies that archive, remove and restore them."""
