"""Shorter waits between the SDKs' own retries, and nothing else: how often they try stays as it is."""

from __future__ import annotations

from archival_core.clients import queue
from archival_core.lake import client


def short_waits() -> None:
    """For this process."""
    for options in (client._OPTIONS, queue._RETRIES):
        options.update(initial_backoff=0.02, increment_base=1.05, random_jitter_range=0.01)
