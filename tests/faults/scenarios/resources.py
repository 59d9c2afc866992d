"""Too little of something."""

from __future__ import annotations

import json
import random
import resource
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psycopg

from dev.servers.processes import Process
from tests.faults.stage import Stage
from tests.faults.truth import invented

_MEBIBYTE = 1024 * 1024


def lake_disk_full(stage: Stage) -> None:
    """No file of the lake may grow beyond a few kilobytes, for a while: the emulator's own process has that limit."""
    folder = stage.world.servers.folder / f"small-{stage.world.token}"
    port = folder / "port"
    command = [sys.executable, "-m", "dev.lake_emulator", "--root", str(stage.world.servers.emulator.root)]
    with Process([*command, "--port-file", str(port)], folder / "emulator.log", cwd=Path.cwd()) as process:
        process.wait_until(port.exists, "the lake emulator")
        healthy = stage.world.environment["LAKE_URL"]
        stage.world.environment["LAKE_URL"] = healthy.replace(f":{stage.world.servers.emulator.port}/", f":{port.read_text()}/")
        limit = stage.rng.choice([0, 1500, 4000])
        stage.note(f"files up to {limit} bytes")
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        stage.play()
        stage.struck = not all(invocation.outcome.succeeded for invocation in stage.host.invocations)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        stage.recover()
    stage.world.environment["LAKE_URL"] = healthy


def redis_full(stage: Stage) -> None:
    """Redis takes no writes: results cannot be told, acknowledgements can."""
    stage.approach("archive_chunk")
    stage.world.redis.config_set("maxmemory", 1)
    try:
        stage.host.round()
    finally:
        stage.world.redis.config_set("maxmemory", 0)
    stage.struck = any("OutOfMemory" in invocation.outcome.error for invocation in stage.host.invocations)


def memory_ceiling(stage: Stage) -> None:
    """A chunk larger than the memory that the worker may take: it is read in parts, and fits."""
    rng = random.Random(7)
    rows = [invented(rng, "m1", 2 * 10**6 + n, note_bytes=30_000) for n in range(2500)]
    with psycopg.connect(stage.world.database_url, autocommit=True) as connection:
        # incompressible, so that it is in the database what it is in memory
        connection.execute("alter table weather.m1 alter column raw set storage external")
        stage.world.truth.insert(connection, rows)
    stage.world.environment["ARCHIVE_PART_BYTES"] = str(4 * _MEBIBYTE)
    stage.approach("archive_chunk")
    # far too little at first: whatever fails then must be harmless
    for ceiling in (8 * _MEBIBYTE, 8 * _MEBIBYTE, 1024 * _MEBIBYTE):
        stage.host.options["memory"] = ceiling
        stage.world.let_time_pass()
        stage.host.run("archive_chunk")
    del stage.host.options["memory"]


def _events_of(size: int, stage: Stage) -> None:
    """Over-large and broken events and messages among good ones: they are buried, and the good ones go through."""
    world = stage.world
    stream = world.environment["EVENTS_STREAM"]
    padding = "x" * size
    good = {"specversion": "1.0", "source": "s", "type": "archival.chunk.requested"}
    data = {"hypertable": "weather.readings", "chunk": "weather.m1"}
    bad: list[dict[str, str]] = [
        {"event": json.dumps({**good, "id": "1", "data": data, "padding": padding})} if size > 65536 else {"event": "{"},
        {"event": json.dumps({**good, "id": padding, "data": data})},
        {"event": "[" * min(size, 60_000)},
        {"hypertable": padding, "chunk": "x"},
        {"event": "\udcff".encode(errors="surrogateescape")},  # type: ignore[dict-item]
    ]
    for fields in bad:
        world.redis.xadd(stream, fields)  # type: ignore[arg-type]
    bodies = ["", "{", "null", '{"v":2}', '{"v":1,"job_id":"x"}', "é" * 8000, "[" * 20_000]
    for body in bodies:
        world.queue().send_message(body)
    stage.play()
    for _ in range(6):
        stage.host.round()
    buried = world.dead()
    events = sum("dead.entry_id" in entry for entry in buried)
    messages = sum("message" in entry for entry in buried)
    assert events == len(bad), f"{events} of {len(bad)} bad events are in the dead stream"
    assert messages == len(bodies), f"{messages} of {len(bodies)} bad messages are in the dead stream"


SCENARIOS: list[Callable[[Stage], None]] = [
    lake_disk_full,
    partial(_events_of, 2000),
    redis_full,
    partial(_events_of, 70_000),
    memory_ceiling,
]
