"""Answers for people and scripts: tables that fit the terminal, JSON, CSV, and progress."""
