"""Makes the table: PostgreSQL, the service's own archiver and committer, and a lake on this disk.

    python -m tests.readers.making FOLDER

leaves the lake in `FOLDER/lake`, and prints the table's own folder.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import sql

from archival_core.ledger.jobs.adding import NewJob
from archival_core.model.chunks.chunk import Relation
from archival_core.model.jobs.message import JobMessage
from archival_core.runtime import Runtime
from archival_core.settings import Settings, load
from dev.lake_emulator.server import serve
from dev.servers.postgres import PostgresServer
from dev.servers.valkey import ValkeyServer
from tests.readers import story
from tests.readers.rows import Row
from tests.readers.story import CHUNKS, SCHEMA, SUPERSEDED, TABLE, Chunk

_MINUTE: Final = timedelta(minutes=1)
_REQUESTS: Final = count(1)
_HYPERTABLE: Final = Relation(SCHEMA, TABLE)


async def make(folder: Path) -> Path:
    """Make the table anew below `folder`, and return where it lies."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with PostgresServer(folder / "postgres") as server, ValkeyServer(folder / "valkey") as redis:
        async with serve(folder / "lake") as emulator:
            os.environ |= {
                "SOURCE_DATABASE_URL": server.url,
                "REDIS_URL": redis.url,
                "LAKE_URL": f"{emulator.url}/lake",
                "LAKE_ACCOUNT_KEY": emulator.key,
                # no message is sent: jobs are processed directly
                "AzureWebJobsStorage": "UseDevelopmentStorage=true",
                # several files for each archive
                "ARCHIVE_PART_BYTES": "32768",
            }
            load.cache_clear()
            await _fill(server.url, load())
    (table,) = (folder / "lake" / "lake" / "tables").iterdir()
    return table


async def _fill(url: str, settings: Settings) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        _run(connection, story.BEFORE)
        async with _runtime(settings) as runtime:
            await runtime.ownership.take_over()
        for number, chunk in enumerate(CHUNKS):
            if chunk.is_later and not CHUNKS[number - 1].is_later:
                _run(connection, story.ALTERED)
            _create(connection, chunk)
            rows = story.rows_of(number)
            if chunk.name == SUPERSEDED:
                # the first archive lacks a row, and has one that is gone
                _insert(connection, [rows[0] | {"id": rows[0]["id"]._replace(text="-1")}, *rows[2:]])
                await _archive(settings, chunk)
                _run(connection, "delete from readers.{table} where id = -1")
                rows = rows[:2]
            _insert(connection, rows)
            await _archive(settings, chunk)


def _run(connection: psycopg.Connection[Any], text: str) -> None:
    connection.execute(sql.SQL(text).format(table=sql.Identifier(TABLE)))


def _create(connection: psycopg.Connection[Any], chunk: Chunk) -> None:
    end: sql.Composable = sql.SQL("maxvalue") if chunk.end == "maxvalue" else sql.Literal(chunk.end)
    statement = sql.SQL("create table readers.{name} partition of readers.{table} for values from ({first}) to ({end})")
    names = {"name": sql.Identifier(chunk.name), "table": sql.Identifier(TABLE)}
    connection.execute(statement.format(**names, first=sql.Literal(chunk.first), end=end))


def _insert(connection: psycopg.Connection[Any], rows: list[Row]) -> None:
    if not rows:
        return
    names = list(rows[0])
    columns = sql.SQL(", ").join(map(sql.Identifier, names))
    statement = sql.SQL("copy readers.{table} ({columns}) from stdin").format(table=sql.Identifier(TABLE), columns=columns)
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row([row[name].text for name in names])


async def _archive(settings: Settings, chunk: Chunk) -> None:
    async with _runtime(settings.model_copy(update={"parquet_profile": chunk.profile})) as runtime:
        job = NewJob(_HYPERTABLE, Relation(SCHEMA, chunk.name), False, str(next(_REQUESTS)), "readers", None, force=True)
        [added] = await runtime.ledger.add_jobs([job])
        await runtime.archival_processor.process(JobMessage(added.job_id))
        report = await runtime.table_commits.commit_due(_MINUTE)
        assert not report.failed and report.entered == 1, report


@asynccontextmanager
async def _runtime(settings: Settings) -> AsyncIterator[Runtime]:
    runtime = Runtime(settings)
    try:
        yield runtime
    finally:
        await runtime.close()


if __name__ == "__main__":
    print(asyncio.run(make(Path(sys.argv[1]))))
