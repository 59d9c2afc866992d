"""Requests become jobs: many at a time, each as if it had come alone, and no row stays locked where a host is frozen."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from archival_core.ledger.archives.restores import NewRestore
from archival_core.ledger.jobs.adding import NewJob
from archival_core.model.chunks.chunk import Relation

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service


def asked(service: Service, chunk: str, key: str, *, remove: bool | None = None, force: bool = False) -> NewJob:
    readings = Relation(service.schema, "readings")
    return NewJob(readings, Relation(service.schema, chunk), remove, key, "a 'test' of 100 %", None, force=force)


def recorded(service: Service) -> list[tuple[str, str, Any]]:
    return [(job["chunk"].rpartition(".")[2], job["status"], job["remove"]) for job in service.jobs()]


async def test_each_is_recorded_as_if_it_had_come_alone(service: Service) -> None:
    ledger = service.runtime.ledger
    [before] = await ledger.add_jobs([asked(service, "may", "before")])
    added = await ledger.add_jobs(
        [
            asked(service, "jan", "one"),
            asked(service, "may", "two", remove=True),
            asked(service, "feb", "one", remove=False),
            asked(service, "jan", "two", remove=True),
            asked(service, "jan", "one"),
            asked(service, "may", "before"),
            asked(service, "jan", "three", force=True),
        ]
    )
    assert [job.status for job in added] == ["queued", "skipped", "queued", "skipped", "queued", "queued", "skipped"]
    assert (added[4].job_id, added[5].job_id) == (added[0].job_id, before.job_id)
    assert len({job.job_id for job in added}) == 6
    # whoever asked second and wants the chunk to go has said so of the job that is on its way
    assert sorted(recorded(service), key=str) == sorted(
        [
            ("may", "queued", True),
            ("jan", "queued", True),
            ("may", "skipped", True),
            ("feb", "queued", False),
            ("jan", "skipped", True),
            ("jan", "skipped", None),
        ],
        key=str,
    )


async def test_an_archive_is_a_reason_for_those_alone_that_do_not_insist(service: Service) -> None:
    ledger = service.runtime.ledger
    first = await ledger.add_jobs([asked(service, "jan", "one"), asked(service, "feb", "one")])
    service.forge_ledger("update archival.job set status = 'archived'")
    again = await ledger.add_jobs([asked(service, "jan", "two"), asked(service, "feb", "two", force=True)])
    assert [job.status for job in again] == ["skipped", "queued"]
    error = next(job["error"] for job in service.jobs() if job["job_id"] == again[0].job_id)
    assert (error["code"], error["job_id"]) == ("duplicate", str(first[0].job_id))


async def test_drains_that_come_in_another_order_do_not_wait_for_each_other(service: Service) -> None:
    """Each of two sessions has a row that the other one wants next, if each goes by its own order."""
    ledger = service.runtime.ledger
    await ledger.ping()
    names = [f"c{number:03d}" for number in range(200)]
    began = time.monotonic()
    drains = [
        ledger.add_jobs([asked(service, name, f"{drain}", force=True) for name in (names if drain % 2 else names[::-1])])
        for drain in range(4)
    ]
    added = await asyncio.gather(*drains)
    assert time.monotonic() - began < 30
    assert sorted(job.status for drain in added for job in drain) == ["queued"] * 200 + ["skipped"] * 600


async def test_no_request_is_no_statement(service: Service) -> None:
    assert await service.runtime.ledger.add_jobs([]) == []


@pytest.mark.parametrize("kind", ["archive", "restore"])
async def test_what_a_frozen_host_has_recorded_is_not_locked(
    service: Service, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """The host is frozen when the server has answered, and reads no answer."""
    ledger, restores = service.runtime.ledger, service.runtime.restore_requests._restores
    [archive, other] = await ledger.add_jobs([asked(service, chunk, "before") for chunk in ("jan", "feb")])
    frozen, goes_on = asyncio.Event(), asyncio.Event()

    async def freezes(*_: Any) -> Any:
        frozen.set()
        await goes_on.wait()

    with monkeypatch.context() as patched:
        patched.setattr(psycopg.AsyncCursor, "fetchone", freezes)
        patched.setattr(psycopg.AsyncCursor, "fetchall", freezes)
        if kind == "archive":
            work: Any = ledger.add_jobs([asked(service, "mar", "one"), asked(service, "mar", "two", remove=True)])
        else:
            work = restores.add([NewRestore(job.job_id, {}, "one", "a test", None) for job in (archive, other)])
        adding = asyncio.create_task(work)
        await asyncio.wait_for(frozen.wait(), 10)
        count = {"archive": "chunk like '%.mar'", "restore": "kind = 'restore'"}[kind]
        assert service.rows(f"select count(*) > 0 from archival.job where {count}") == [(True,)]
        service.execute("set lock_timeout = '1s'; update archival.job set remove = remove")
        adding.cancel()
        await asyncio.gather(adding, return_exceptions=True)
