"""While chunks are archived, removed and restored under writers, every answer is that of one moment."""

from __future__ import annotations

import asyncio
import os
import random
import time
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from archival_core.errors import ArchivalError, TransientError
from archival_core.flows.asking.restore_requests import RestoreRequest
from archival_core.flows.restore.chunk_restore import RestoreWish
from archival_core.model.chunks.chunk import ChunkRange, Relation
from tests.acceptance.conftest import Service
from tests.kit.asking import asked, queries_of
from tests.kit.counting_writers import CountingWriters
from tests.kit.large_tables import look_large
from tests.kit.timescaledb import chunks

#: in seconds; TEST_QUERY_SECONDS=600 is the long form
LENGTH = float(os.environ.get("TEST_QUERY_SECONDS", "12"))
PATIENCE = 60
DAYS = 6
COLUMNS = "(time timestamptz not null, writer int, value bigint, note text)"
ROWS = f"""insert into $s.readings select timestamptz '2026-01-01Z' + i * interval '10 minutes', -1, i, 'n' || i
from generate_series(0, {DAYS * 144 - 1}) i; create table $s.names (writer int, name text);
insert into $s.names select i, 'writer ' || i from generate_series(-1, 3) i;"""


def _make(service: Service) -> list[str]:
    """A table with a chunk for each day; returns the chunks."""
    if service.has_timescaledb:
        service.execute(
            f"create table $s.readings {COLUMNS};"
            f"select create_hypertable('$s.readings', 'time', chunk_time_interval => interval '1 day'); {ROWS}"
        )
        return chunks(service)
    parts = "".join(
        f"create table $s.d{day} partition of $s.readings for values from ('2026-01-0{day + 1}Z') to ('2026-01-0{day + 2}Z');"
        for day in range(DAYS)
    )
    service.execute(f"create table $s.readings {COLUMNS} partition by range (time); {parts} {ROWS}")
    return [f"{service.schema}.d{day}" for day in range(DAYS)]


async def _cycle(service: Service, over: asyncio.Event, counts: dict[str, int]) -> None:
    """Archive, remove and restore, again and again; what must come again comes again."""
    table = Relation(service.schema, "readings")
    while not over.is_set():
        # live rows of tables that look large are read otherwise
        look_large(service.url, service.schema, 4096 * (counts["restored"] % 2))
        await service.publish(hypertable=str(table), older_than="2026-01-06T00:00:00Z", remove=True)
        await service.runtime.event_drain.drain()
        for message in service.messages():
            try:
                await service.runtime.archival_processor.process(message)
            except TransientError:
                await service.runtime.queue.send([message])
        counts["removed"] += (await service.runtime.chunk_removal.remove_due(timedelta(seconds=20))).removed
        # one comes back, the others stay away meanwhile
        day = random.Random(counts["restored"]).randint(1, 5)
        span = ChunkRange(f"2026-01-0{day}T00:00:00Z", f"2026-01-0{day + 1}T00:00:00Z")
        wish = RestoreRequest(table, None, span, RestoreWish(), str(uuid4()), "a test")
        try:
            await service.runtime.restore_requests.request(wish)
        except ArchivalError:
            continue  # there is nothing to restore
        await service.restore()
        counts["restored"] += 1


@pytest.mark.own_database
@pytest.mark.usefixtures("at_once")
@pytest.mark.timeout(LENGTH + PATIENCE + 120)
async def test_every_answer_is_of_one_moment(any_service: Service) -> None:
    service = any_service
    _make(service)
    queries = queries_of(service, at_a_time=4)
    # late rows go into the first day, whose chunk comes and goes
    moments = ["timestamptz '2026-01-06 12:00Z'", "timestamptz '2026-01-06 13:00Z'", "timestamptz '2026-01-01 12:00Z'"]
    writers = CountingWriters(service.url, f"{service.schema}.readings", moments)
    table, names = f"{service.schema}.readings", f"{service.schema}.names"
    questions = [
        f"select writer, count(*) as n, sum(value)::bigint as total from {table} group by all",
        f"select writer, count(*) as n, sum(r.value)::bigint as total from {table} r join {names} using (writer) group by all",
        f"""select writer, sum(n)::bigint as n, sum(total)::bigint as total from (
            select writer, count(*) as n, sum(value) as total from {table} where time < '2026-01-04' group by all union all
            select writer, count(*), sum(value) from {table} where time >= '2026-01-04' and note > '' group by all union all
            select writer, count(*), sum(value) from {table} where time >= '2026-01-04' and note is null group by all
        ) group by all""",
    ]
    counts = {"removed": 0, "restored": 0, "answers": 0, "archived": 0, "snapshots": 0, "gave way": 0}
    over = asyncio.Event()
    base: dict[str, Any] = {"writer": -1, "n": DAYS * 144, "total": sum(range(DAYS * 144))}

    async def ask(number: int) -> None:
        while not over.is_set():
            before = list(writers.committed)
            try:
                answer = await asked(queries, questions[number % len(questions)])
            except TransientError as error:
                assert error.code in ("gave-way", "moment-passed", "source-locked"), error
                counts["gave way"] += 1
                continue
            number += 1
            after = list(writers.committed)
            found = {row["writer"]: row for row in answer.result.to_pylist()}
            assert found.pop(-1) == base
            writers.check({writer: (row["n"], row["total"]) for writer, row in found.items()}, before, after)
            counts["answers"] += 1
            counts["archived"] += answer.figures.archives_read > 0
            counts["snapshots"] += answer.figures.snapshots

    with writers.writing():
        asking = [asyncio.create_task(ask(number)) for number in range(2)]
        cycle = asyncio.create_task(_cycle(service, over, counts))
        begun = time.monotonic()
        # a busy machine may not have removed a chunk by then
        while not any(task.done() for task in (*asking, cycle)):
            lasted = time.monotonic() - begun
            if lasted > LENGTH + PATIENCE or (lasted > LENGTH and counts["archived"] >= 1):
                break
            await asyncio.sleep(0.1)
        over.set()
        await asyncio.gather(*asking, cycle)
    print(counts, writers.committed)
    assert counts["removed"] >= 1
    assert counts["answers"] >= 10
    assert counts["archived"] >= 1
    assert min(writers.committed) > 0
