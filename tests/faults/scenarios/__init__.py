"""What is done to a story, by fault family."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.faults.scenarios import (
    acknowledgements,
    conflict,
    crash,
    database,
    duplicates,
    failover,
    functions_host,
    history,
    lake,
    lake_back,
    lake_writer,
    locks,
    network,
    outage,
    paused,
    platform,
    pooler,
    redis,
    reshape,
    resources,
    settings,
    shared,
    silence,
    time,
)
from tests.faults.stage import Stage

#: The families, their scenarios, and how many of a hundred runs each has.
FAMILIES: dict[str, tuple[Sequence[Callable[[Stage], None]], int]] = {
    "crash": (crash.SCENARIOS, 40),
    "duplicates": (duplicates.SCENARIOS, 5),
    "acknowledgements": (acknowledgements.SCENARIOS, 10),
    "paused worker": (paused.SCENARIOS, 6),
    "conflict": (conflict.SCENARIOS, 3),
    "network": (network.SCENARIOS, 10),
    "lake": (lake.SCENARIOS, 8),
    "database": (database.SCENARIOS, 7),
    "redis": (redis.SCENARIOS, 4),
    "resources": (resources.SCENARIOS, 2),
    "time": (time.SCENARIOS, 2),
    "platform": (platform.SCENARIOS, 3),
    "functions host": (functions_host.SCENARIOS, 5),
    "settings": (settings.SCENARIOS, 4),
    "lake-writer": (lake_writer.SCENARIOS, 5),
    "lake-back": (lake_back.SCENARIOS, 3),
    "reshape": (reshape.SCENARIOS, 5),
    "locks": (locks.SCENARIOS, 5),
    "silence": (silence.SCENARIOS, 5),
    "outage": (outage.SCENARIOS, 3),
    "pooler": (pooler.SCENARIOS, 2),
    "failover": (failover.SCENARIOS, 4),
    "history": (history.SCENARIOS, 6),
    "shared parts": (shared.SCENARIOS, 8),
}

#: Scenarios that state the right outcome before the service has it, and what each of them waits for.
WAITING: dict[str, str] = {}
