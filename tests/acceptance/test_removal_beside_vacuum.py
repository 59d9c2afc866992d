"""A chunk that is being vacuumed goes all the same: an autovacuum gives way. One that a person has begun does not."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from tests.kit.readings import archive, remove

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = [
    pytest.mark.own_database,
    pytest.mark.usefixtures("at_once"),
    pytest.mark.skipif("TEST_POSTGRESQL_URL" in os.environ, reason="it changes the server's settings"),
]

# an autovacuum reads a page, and sleeps for a tenth of a second
TABLE = """
create table $s.readings (time timestamptz not null, value double precision) partition by range (time);
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z')
    with (autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_insert_threshold = 0,
          autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1);
insert into $s.readings select t, 1 from generate_series(timestamptz '2026-01-01Z', '2026-01-31Z', '1 minute') t
"""


@contextmanager
def autovacuum(url: str) -> Iterator[None]:
    """The server vacuums by itself, and looks for work every second."""
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute("alter system set autovacuum_naptime = '1s'")
        admin.execute("alter system set autovacuum = on")
        admin.execute("select pg_reload_conf()")
        try:
            yield
        finally:
            admin.execute("alter system set autovacuum = off")
            admin.execute("alter system reset autovacuum_naptime")
            admin.execute("select pg_reload_conf()")


def wait_for(service: Service, question: str) -> None:
    until = time.monotonic() + 30
    while not service.rows(question):
        assert time.monotonic() < until, question
        time.sleep(0.1)


async def test_an_autovacuum_gives_way(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    with autovacuum(service.url):
        wait_for(service, "select 1 from pg_stat_progress_vacuum where relid = '$s.jan'::regclass and heap_blks_scanned > 0")
        report = await remove(service)
    assert (report.removed, report.kept) == (1, {})


async def test_a_vacuum_that_somebody_has_begun_is_waited_for_briefly(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    with psycopg.connect(service.url) as other:
        other.execute(f"lock table {service.schema}.jan in share update exclusive mode".encode())
        started = time.monotonic()
        report = await remove(service)
        assert time.monotonic() - started < 15
        # who writes has not noticed
        service.execute("set lock_timeout = '100ms'; insert into $s.readings values ('2026-01-15Z', 2)")
    [job] = [job for job in service.jobs() if job["removal_error"]]
    found: dict[str, Any] = job["removal_error"]
    assert (report.removed, found["code"]) == (0, "source-locked")
