"""A table, and requests about it, for the tests of the management API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx

from tests.acceptance.api_client import api_client

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service


POLICY = {"archive_after": "P1D", "remove_after": None, "enabled": True, "dropped_by_others": "keep"}
TABLE = """
create table $s.readings (time timestamptz not null, value double precision) partition by range (time);
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
create table $s.feb partition of $s.readings for values from ('2026-02-01Z') to ('2026-03-01Z');
create table $s.mar partition of $s.readings for values from ('2026-03-01Z') to ('2026-04-01Z');
insert into $s.readings select t, random() from generate_series(timestamptz '2026-01-01Z', '2026-03-31Z', '1 hour') t;
analyze $s.readings;
"""


async def ask(client: httpx.AsyncClient, body: dict[str, Any], status: int = 202, **headers: str) -> Any:
    answer = await client.post("/archives", json=body, headers=headers)
    assert answer.status_code == status, answer.text
    return answer.json()


async def work(service: Service) -> None:
    for message in service.messages():
        await service.runtime.archival_processor.process(message)


@asynccontextmanager
async def managed(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the API, beside the table."""
    service.execute(TABLE)
    async with api_client() as opened:
        yield opened
