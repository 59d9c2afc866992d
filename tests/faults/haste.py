"""Shorter waits between the SDKs' own retries, and where a run says so for silent servers: how often they try stays as it
is."""

from __future__ import annotations

from archival_core.clients import network, queue
from archival_core.lake import transfers


def short_waits(answer_seconds: float | None = None) -> None:
    """For this process; `answer_seconds` is how long a connection and an answer are waited for."""
    # the SDK waits for initial_backoff and increment_base to the power of the number of tries before
    for options in (transfers.RETRIES, queue._RETRIES):
        options.update(initial_backoff=0.02, increment_base=0.1, random_jitter_range=0.01)
        if answer_seconds is not None:
            options.update(connection_timeout=answer_seconds, read_timeout=answer_seconds)
    if answer_seconds is not None:
        for module, name in ((queue, "_ANSWER_SECONDS"), (network, "CONNECT_SECONDS")):
            setattr(module, name, answer_seconds)
