"""Questions by the hundred while policies archive, remove and restore two hypertables under four writers: each equals what the
writers know. `make questions ARGS="--questions 1000"` is the long form."""

from __future__ import annotations

import asyncio
import os
import random
import time
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psycopg
import pytest

from archival_core.errors import ArchivalError, TransientError
from archival_core.flows.asking.restore_requests import RestoreRequest
from archival_core.flows.restore.chunk_restore import RestoreWish
from archival_core.model.asking.policy import Policy
from archival_core.model.chunks.chunk import ChunkRange, Relation
from tests.acceptance.conftest import Service
from tests.kit.asking import queries_of
from tests.kit.large_tables import look_large
from tests.questions.asking import BASE, Asking, Tally
from tests.questions.rows import COLUMNS, EVENTS, Row
from tests.questions.writers import Writers, insert

QUESTIONS = int(os.environ.get("TEST_QUESTIONS", "25"))
SEED = int(os.environ.get("TEST_QUESTIONS_SEED", "1"))
DAYS = 7
#: of these days chunks come and go; the newest stay in the database
ARCHIVED = 5
ROWS = 1500
TABLES = ("readings", "happenings")

pytestmark = [
    pytest.mark.own_database,
    pytest.mark.usefixtures("at_once"),
    pytest.mark.timeout(300 + 10 * QUESTIONS),
]


@pytest.fixture(params=["inside", pytest.param("apart", marks=pytest.mark.slow)])
def placed_service(request: pytest.FixtureRequest, own_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Service:
    """A service with its ledger in the source, and one with the ledger elsewhere."""
    if request.param == "apart":
        monkeypatch.setenv("LEDGER_DATABASE_URL", own_database_url)
    service: Service = request.getfixturevalue(os.environ.get("TEST_QUESTIONS_SOURCE", "service"))
    return service


def _make(service: Service, first_day: datetime) -> list[Row]:
    """Both tables with a chunk for each day; returns the rows that are there."""
    for table, columns in zip(TABLES, (COLUMNS, EVENTS), strict=True):
        if service.has_timescaledb:
            service.execute(
                f"create table $s.{table} {columns};"
                f"select create_hypertable('$s.{table}', 'time', chunk_time_interval => interval '1 day')"
            )
        else:
            days = [first_day + timedelta(days=day) for day in range(DAYS + 1)]
            parts = "".join(
                f"create table $s.{table}_{day} partition of $s.{table}"
                f" for values from ('{days[day].isoformat()}') to ('{days[day + 1].isoformat()}');"
                for day in range(DAYS)
            )
            service.execute(f"create table $s.{table} {columns} partition by range (time); {parts}")
    step = timedelta(days=DAYS) / ROWS
    rows = [Row(first_day + number * step, BASE, number + 1) for number in range(ROWS)]
    with psycopg.connect(service.url) as connection:
        for begin in range(0, ROWS, 500):
            insert(connection, f"{service.schema}.{TABLES[0]}", f"{service.schema}.{TABLES[1]}", rows[begin : begin + 500])
    return rows


async def _cycle(service: Service, first_day: datetime, over: asyncio.Event, counts: dict[str, int]) -> None:
    """Policies archive and remove, and one chunk after the other comes back."""
    dice = random.Random(SEED)
    while not over.is_set():
        # live rows of tables that look large are read otherwise
        look_large(service.url, service.schema, dice.choice((0, 4096)))
        await service.runtime.policy_jobs.fill_backlog()
        for table in TABLES:
            # a restored chunk is the policy's no more, until somebody asks for it again
            older_than = (first_day + timedelta(days=ARCHIVED)).isoformat()
            await service.publish(hypertable=f"{service.schema}.{table}", older_than=older_than, remove=True)
        await service.runtime.event_drain.drain()
        for message in service.messages():
            try:
                await service.runtime.archival_processor.process(message)
            except TransientError:
                await service.runtime.queue.send([message])
        counts["removed"] += (await service.runtime.chunk_removal.remove_due(timedelta(seconds=20))).removed
        day = first_day + timedelta(days=dice.randrange(ARCHIVED))
        span = ChunkRange(day.isoformat(), (day + timedelta(days=1)).isoformat())
        chosen = Relation(service.schema, dice.choice(TABLES))
        try:
            await service.runtime.restore_requests.request(
                RestoreRequest(chosen, None, span, RestoreWish(), str(uuid4()), "a test")
            )
        except ArchivalError:
            continue  # there is nothing to restore
        await service.restore()
        counts["restored"] += 1


async def test_every_answer_is_what_the_writers_know(placed_service: Service) -> None:
    service = placed_service
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    first_day = today - timedelta(days=DAYS - 1)
    base = _make(service, first_day)
    for table in TABLES:
        age = timedelta(days=DAYS - ARCHIVED)
        await service.runtime.policies.set(Policy(Relation(service.schema, table), age, age))
    names = [f"{service.schema}.{table}" for table in TABLES]
    # most rows are new, and some are late: the chunk that they go into is archived again and again, and the others go
    late = [first_day + timedelta(hours=5)]
    new = [today + timedelta(hours=hour) for hour in range(-20, 0)]
    writers = Writers(service.url, names[0], names[1], [*new, *late])
    asking = Asking(queries_of(service, at_a_time=2), names[0], names[1], base, writers, DAYS)
    tally, counts, over = Tally(), {"removed": 0, "restored": 0}, asyncio.Event()

    async def ask(number: int) -> None:
        dice = random.Random(SEED * 1000 + number)
        while not over.is_set():
            await asking.ask(dice, tally)

    begun = time.monotonic()
    with writers.writing():
        tasks = [asyncio.create_task(ask(number)) for number in range(2)]
        tasks.append(asyncio.create_task(_cycle(service, first_day, over, counts)))
        # a busy machine may not have removed a chunk by then
        while not any(task.done() for task in tasks) and (tally.asked < QUESTIONS or tally.archived == 0):
            await asyncio.sleep(0.1)
        over.set()
        # all of them, whatever the first one met: what holds a lock must go on, or the writers wait for ever
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for error in ended:
        if isinstance(error, BaseException):
            raise error
    print(f"{tally.told(time.monotonic() - begun)}; {counts}, {sum(writers.committed)} rows written")
    assert tally.differences == []
    assert counts["removed"] >= 1
    assert tally.archived >= 1
    assert tally.partial >= 1
