"""Hypertables and their chunks: what is where, why, and moving it."""
