"""The demo's table in the lake as another engine sees it: DuckDB's delta extension reads the log and what it names."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from dev import delta_reader

_PATIENCE_SECONDS = 60
QUERY = "select device, max(temperature) as hottest from t group by device order by device limit 3"


@dataclass(frozen=True, slots=True)
class LakeTable:
    """What the engine found."""

    version: int
    files: int
    rows: int
    #: to `QUERY`
    answer: list[tuple[object, ...]]


def wait_for(folder: Path, rows: int) -> LakeTable | None:
    """The table once it has all `rows`; `None` if the service does not commit them in time."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        commits = sorted((folder / "_delta_log").glob("*.json"))
        if commits and delta_reader.count(folder) == rows:
            ((files,),) = delta_reader.read(folder, "select count(distinct filename) from f")
            return LakeTable(int(commits[-1].stem), int(files), rows, delta_reader.read(folder, QUERY))
        time.sleep(0.3)
    return None
