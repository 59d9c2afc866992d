"""What one chunk, one event and one page cost beside so many archives: all through the service's own runtime."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import timedelta
from pathlib import Path
from typing import Final
from uuid import uuid4

import httpx
import psycopg
from azure.storage.queue import QueueClient, TextBase64DecodePolicy
from redis.asyncio import Redis

from archival_core.model.jobs.message import JobMessage
from archival_core.runtime import Runtime
from bench.own_service import own_service
from bench.scale.archives import HYPERTABLES, fill

#: Chunks that are archived and removed, events that are drained, and how often a page is asked for.
_CHUNKS, _EVENTS, _TIMES = 12, 300, 7
_MINUTES: Final = timedelta(minutes=30)
_TABLE = """
create table public.readings (time timestamptz not null, device int, value double precision) partition by range (time);
do $do$ begin for i in 1..{chunks} loop
    execute format('create table public.c%s partition of public.readings for values from (%L) to (%L)', i,
                   timestamptz '2026-01-01Z' + (i - 1) * interval '1 day', timestamptz '2026-01-01Z' + i * interval '1 day');
end loop; end $do$;
insert into public.readings select '2026-01-01Z'::timestamptz + i * interval '1 minute', i % 7, i
from generate_series(0, {chunks} * 1440 - 1) i
"""
_PAGES: Final = {
    "GET /jobs": "/api/jobs",
    "GET /metrics": "/api/metrics",
    "overview": "/api/dashboard/overview",
    "hypertables": "/api/dashboard/hypertables",
}

#: Milliseconds, by what was done: the least of several, since what else the machine does only adds to it.
Figures = dict[str, float]


async def measure(archives: int, url: str, redis_url: str, storage: str, lake: Path) -> Figures:
    """Figures beside `archives` archives, in an empty database at `url`; `lake` is the folder of the lake's emulator."""
    async with own_service(url, redis_url, storage) as service:
        await service.ledger.ping()
        with psycopg.connect(url, autocommit=True) as connection:
            fill(connection, archives, kept=False)
            connection.execute(_TABLE.format(chunks=_CHUNKS).encode())
        _publish_folders(lake, archives)
        figures = await _drain(service, redis_url)
        before = await _written(url)
        figures |= await _archive(service, redis_url, storage)
        figures |= await _remove(service, url)
        after = await _written(url)
        figures |= {name: (after[name] - before[name]) / _CHUNKS for name in after}
        figures |= await _reconcile(service, archives)
        figures |= await _pages(service)
    return figures


def _publish_folders(lake: Path, archives: int) -> None:
    """A folder for each archive that the ledger has: what is in them is never looked at."""
    for number in range(1, archives + 1):
        table, chunk = number % HYPERTABLES, number // HYPERTABLES
        (lake / f"tables/scale.h{table}/scale.h{table}_{chunk}_r0").mkdir(parents=True, exist_ok=True)


async def _publish(redis_url: str, stream: str, events: list[dict[str, object]]) -> None:
    async with Redis.from_url(redis_url) as redis, redis.pipeline() as pipeline:
        for data in events:
            event = {
                "specversion": "1.0",
                "id": str(uuid4()),
                "source": "scale",
                "type": "archival.chunk.requested",
                "data": data,
            }
            pipeline.xadd(stream, {"event": json.dumps(event)})
        await pipeline.execute()


async def _drain(service: Runtime, redis_url: str) -> Figures:
    stream = service.settings.events_stream
    await _publish(redis_url, stream, [{"hypertable": "public.nothing", "chunk": f"public.warm{i}"} for i in range(10)])
    await service.event_drain.drain()
    await _publish(redis_url, stream, [{"hypertable": "public.nothing", "chunk": f"public.n{i}"} for i in range(_EVENTS)])
    started = time.perf_counter()
    report = await service.event_drain.drain()
    assert report.queued == _EVENTS, report
    return {"drain, an event": _ms(started) / _EVENTS}


async def _archive(service: Runtime, redis_url: str, storage: str) -> Figures:
    with QueueClient.from_connection_string(
        storage, service.settings.archive_queue, message_decode_policy=TextBase64DecodePolicy()
    ) as queue:
        queue.clear_messages()
        wide = {"hypertable": "public.readings", "older_than": "2027-01-01T00:00:00Z", "remove": True}
        await _publish(redis_url, service.settings.events_stream, [wide])
        assert (await service.event_drain.drain()).queued == _CHUNKS
        messages = [JobMessage.from_json(message.content) for message in queue.receive_messages(messages_per_page=32)]
    taken = []
    for message in messages:
        started = time.perf_counter()
        await service.archival_processor.process(message)
        taken.append(_ms(started))
    return {"archive, a chunk": min(taken)}


async def _remove(service: Runtime, url: str) -> Figures:
    with psycopg.connect(url, autocommit=True) as connection:
        # without autovacuum a fresh database has no idea of what is in it
        connection.execute("vacuum analyze")
        jobs = connection.execute(
            "select job_id from archival.job where hypertable = 'public.readings' and status = 'archived'"
        ).fetchall()
    assert len(jobs) == _CHUNKS, jobs
    taken = []
    for (job_id,) in jobs:
        started = time.perf_counter()
        await service.chunk_removal.help(JobMessage(job_id))
        taken.append(_ms(started))
    with psycopg.connect(url) as connection:
        [kept] = connection.execute(
            "select count(*) from archival.job where hypertable = 'public.readings' and status <> 'removed'"
        ).fetchone() or [1]
    assert kept == 0, f"{kept} chunks stay"
    return {"removal, a chunk": min(taken)}


async def _written(url: str) -> Figures:
    """How often a job was updated so far, and how often that touched no index."""
    # sessions that are idle tell after ten seconds what they have written
    await asyncio.sleep(11)
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "select n_tup_upd, n_tup_hot_upd from pg_stat_user_tables where relid = 'archival.job'::regclass"
        ).fetchone()
    assert row is not None
    return {"updates of a job": row[0], "of these HOT": row[1]}


async def _reconcile(service: Runtime, archives: int) -> Figures:
    await service.reconciler.reconcile(_MINUTES)
    started = time.perf_counter()
    report = await service.reconciler.reconcile(_MINUTES)
    assert not report.failed, report.failed
    return {"reconcile, a run": _ms(started), "reconcile, an archive's share": _ms(started) / archives}


async def _pages(service: Runtime) -> Figures:
    from archival_core.api.app import create_app
    from archival_core.functions.api_services import services

    transport = httpx.ASGITransport(create_app(services))
    figures: Figures = {}
    async with httpx.AsyncClient(transport=transport, base_url="http://scale") as client:
        for name, path in _PAGES.items():
            taken = []
            for _ in range(_TIMES):
                started = time.perf_counter()
                answer = await client.get(path)
                assert answer.status_code == 200, answer.text
                taken.append(_ms(started))
            # what is kept for some seconds is asked for in the first request alone
            figures[f"{name}, at first"], figures[name] = taken[0], min(taken)
    return figures


def _ms(started: float) -> float:
    return (time.perf_counter() - started) * 1000
