"""What an export costs the database server."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

_INTERVAL_SECONDS = 0.05


class ServerLoad:
    """Measures while the context is open: CPU of the postmaster and all its children, and the longest statement."""

    def __init__(self, url: str, postmaster: int) -> None:
        self._url, self._postmaster = url, postmaster
        self._ended = threading.Event()
        self._sampler = threading.Thread(target=self._sample)
        self._before = 0.0
        self.cpu_seconds = 0.0
        self.longest_statement_seconds = 0.0

    def __enter__(self) -> Self:
        self._before = self._cpu()
        self._sampler.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._ended.set()
        self._sampler.join()
        self.cpu_seconds = self._cpu() - self._before

    def _sample(self) -> None:
        query = (
            "select coalesce(max(extract(epoch from clock_timestamp() - query_start)), 0)::float8 from pg_stat_activity"
            " where state = 'active' and backend_type = 'client backend' and pid <> pg_backend_pid()"
        )
        with psycopg.connect(self._url, autocommit=True) as connection:
            while not self._ended.wait(_INTERVAL_SECONDS):
                row = connection.execute(query).fetchone()
                assert row is not None
                self.longest_statement_seconds = max(self.longest_statement_seconds, row[0])

    def _cpu(self) -> float:
        """Of the server since it started: its own, its ended children's, its living children's."""
        children = Path(f"/proc/{self._postmaster}/task/{self._postmaster}/children").read_text().split()
        return _seconds(self._postmaster, children=True) + sum(_seconds(int(child), children=False) for child in children)


def _seconds(pid: int, *, children: bool) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):  # it has just ended
        return 0.0
    # utime, stime, cutime, cstime
    ticks = sum(int(value) for value in fields[11 : 15 if children else 13])
    return ticks / os.sysconf("SC_CLK_TCK")
