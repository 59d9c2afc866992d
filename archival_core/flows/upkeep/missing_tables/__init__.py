"""Archived chunks whose table is missing, although the service has not dropped it."""
