"""docs/wire.md shows the statement that is really sent, and what really arrives."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg

from archival_core.clients.postgres.database import Database
from archival_core.model.chunks.chunk import Relation
from archival_core.source import catalog
from archival_core.source.catalog.statistics import null_shares
from archival_core.source.wire.columns import plan_columns
from archival_core.source.wire.gathering import Gathering

PAGE = (Path(__file__).parents[2] / "docs" / "wire.md").read_text()
TABLE = """
create schema wire;
create table wire.readings (time timestamptz not null, device int not null, temperature double precision,
                            humidity double precision, note text) partition by range (time);
create table wire.jan partition of wire.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
insert into wire.readings values ('2026-01-01 00:00Z', 7, 21.5, 40, 'ok'), ('2026-01-01 00:01Z', 7, 21.75, 40.5, 'door open'),
                                 ('2026-01-01 00:02Z', 8, 'NaN', 41, 'ok');
analyze wire.readings;
"""


async def test_the_page_tells_the_statement_and_what_it_gives(source_database_url: str) -> None:
    with psycopg.connect(source_database_url, autocommit=True) as admin:
        admin.execute(TABLE)
        try:
            async with Database(source_database_url).connect() as connection:
                chunk = await catalog.find_chunk(connection, Relation("wire", "readings"), Relation("wire", "jan"))
                columns = await catalog.columns(connection, chunk.hypertable)
                plan = plan_columns(columns, await null_shares(connection, chunk), in_utf8=True)
            query = Gathering(chunk.relation, plan.outputs, range(1)).query
            [shown] = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
            assert " ".join(shown.split()) == " ".join(query.split()).replace("( ", "(")
            [(page, count, numbers, times, notes)] = admin.execute(query.encode()).fetchall()
        finally:
            admin.execute("drop schema wire cascade")
    assert (page, count, len(numbers), len(times), notes) == (0, 3, 96, 24, "okdoor openok")
