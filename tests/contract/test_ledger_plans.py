"""No statement of the ledger costs more with eight times the archives: none of them looks at all of them. Nor does a commit to
a table look at the marks of other tables.

Ten seconds, because both ledgers have to be large enough for an index to be worth its while, and because each statement is
asked twice: also as in a new ledger, where nobody knows yet how many rows its small tables have.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import psycopg
import pytest

from archival_core.clients.postgres.database import Database
from archival_core.ledger.pool import LedgerPool
from archival_core.ledger.sql import queries
from bench.scale import plans
from bench.scale.archives import fill
from dev.stack.state import ROOT
from tests.kit.databases import own_database

SMALL, LARGE = 800, 6400
#: An index of one level more, which a statement that finds a hundred rows by their keys goes through a hundred times, and some
#: rows that lie in pages of their own. What looks at all archives touches eight times as many.
GROWTH, PAGES = 2.0, 40
TABLES = "select oid::regclass::text from pg_class where relkind = 'r' and relnamespace = 'archival'::regnamespace"
#: What PostgreSQL knows of a table that was never vacuumed: it takes it for ten pages.
UNKNOWN = """update pg_class set reltuples = -1, relpages = 0
             where reltuples = 0 and relkind = 'r' and relnamespace = 'archival'::regnamespace"""


def statements(connection: psycopg.Connection[Any]) -> dict[str, int]:
    """Those that write all archives come last, since what they have written lies beside the rows from then on."""
    names = sorted(queries(), key=lambda name: name in plans.GROWS)
    return {name: pages for name in names if (pages := plans.pages(connection, name)) is not None}


async def pages_touched(url: str, archives: int) -> dict[str, int]:
    """By each statement beside so many archives, in the worse of both cases."""
    with own_database(url) as own:
        pool = LedgerPool(Database(own))
        await pool.migrate()
        await pool.close()
        with psycopg.connect(own, autocommit=True) as connection:
            # what is known of the tables stays as it is, though what is written and taken back would have them vacuumed
            for (table,) in connection.execute(TABLES).fetchall():
                connection.execute(f"alter table {table} set (autovacuum_enabled = off)")
            fill(connection, archives)
            known = statements(connection)
            connection.execute("vacuum analyze")
            connection.execute(
                "insert into archival.policy (hypertable, archive_after, remove_after) values ('scale.none', '1 d', '2 d')"
            )
            connection.execute(UNKNOWN)
            touched = {name: max(pages, known[name]) for name, pages in statements(connection).items()}
            return touched | {"marks of a table": plans.pages_of_marks(connection)}


async def test_no_statement_looks_at_all_archives(source_database_url: str) -> None:
    small, large = await pages_touched(source_database_url, SMALL), await pages_touched(source_database_url, LARGE)
    assert len(large) > 120
    grown = {name: (small[name], large[name]) for name in large if large[name] > GROWTH * small[name] + PAGES}
    assert grown.keys() <= plans.GROWS.keys(), {name: grown[name] for name in grown.keys() - plans.GROWS.keys()}


@pytest.mark.slow
async def test_the_bench_of_growth_measures_all_there_is() -> None:
    """What it makes up has to be what the service would read: a run of `reconcile` without a failure, chunks that go."""
    command = [sys.executable, "-m", "bench", "--scale", "--sizes", "10", "--json"]
    bench = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    told, _ = await bench.communicate()
    assert bench.returncode == 0
    assert {"archive, a chunk", "removal, a chunk", "reconcile, a run", "hypertables"} <= set(json.loads(told)["10"])
