"""The table that is asked: all of its rows live, and the same rows half archived by the service."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Final

import psycopg

from archival_core.ledger.jobs.adding import NewJob
from archival_core.model.chunks.chunk import Relation
from archival_core.model.jobs.message import JobMessage
from bench.own_service import own_service
from bench.query.questions import FIRST_DAY, WEEKS

DEVICES: Final = 1000
#: all rows live, and half of them
WHOLE, HALF = "bench.whole", "bench.readings"
_ARCHIVED: Final = WEEKS // 2


def build(url: str, rows: int) -> None:
    """Both tables with `rows` rows each."""
    readings = max(1, rows // DEVICES)
    step = f"interval '{WEEKS * 7 * 86400 / readings:.6f} seconds'"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("create schema bench")
        for table in (WHOLE, HALF):
            connection.execute(
                f"create table {table} (time timestamptz not null, device int not null, temperature float8, humidity float8,"
                " note text) partition by range (time)".encode()
            )
            for week in range(WEEKS):
                begin, end = (f"'{FIRST_DAY}'::timestamptz + interval '{7 * number} days'" for number in (week, week + 1))
                connection.execute(
                    f"create table {_chunk(table, week)} partition of {table} for values from ({begin}) to ({end})".encode()
                )
        connection.execute(
            f"""
            select setseed(0.5);
            insert into {WHOLE}
            select '{FIRST_DAY}'::timestamptz + reading * {step}, device,
                   floor((20 + 10 * sin(reading / 700.0 + device) + random()) * 100) / 100,
                   floor((55 + 20 * cos(reading / 900.0 + device) + random()) * 10) / 10,
                   case when (reading + device) % 50 = 0 then 'alarm ' || device % 7 end
            from generate_series(0, {readings - 1}) reading, generate_series(1, {DEVICES}) device;
            insert into {HALF} select * from {WHOLE};
            """.encode()
        )
        for table in (WHOLE, HALF):
            connection.execute(f"create index on {table} (device, time desc)".encode())
            connection.execute(f"create index on {table} (time)".encode())
        connection.execute(b"vacuum (analyze, freeze)")


async def archive(url: str, redis_url: str, storage: str) -> None:
    """Archive and remove the first half of the weeks, by the service."""
    async with own_service(url, redis_url, storage) as service:
        table = Relation.parse(HALF)
        chunks = [Relation.parse(_chunk(HALF, week)) for week in range(_ARCHIVED)]
        added = await service.ledger.add_jobs([NewJob(table, chunk, True, "bench", "bench", None) for chunk in chunks])
        for job in added:
            await service.archival_processor.process(JobMessage(job.job_id))
        removed = 0
        while (report := await service.chunk_removal.remove_due(timedelta(minutes=30))).removed:
            removed += report.removed
        if removed != _ARCHIVED:
            raise RuntimeError(f"{removed} of {_ARCHIVED} chunks were removed")


def archived_folders(lake: Path) -> list[str]:
    """Patterns of the archives' files."""
    return sorted(str(folder / "*.parquet") for folder in (lake / "tables" / HALF).iterdir() if folder.name != "_delta_log")


def _chunk(table: str, week: int) -> str:
    return f"{table}_w{week}"


def make_archived(url: str, redis_url: str, storage: str) -> None:
    """As `archive`, for who has no loop."""
    asyncio.run(archive(url, redis_url, storage))
