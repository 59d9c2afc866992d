"""The life of a job: the database refuses what is no transition, and every attempt leaves its line of history."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pytest

from archival_core.errors import LostLeaseError, TransientError
from archival_core.model.jobs.job import TRANSITIONS, Status
from dev.lake_emulator import Fault
from tests.acceptance.api_client import api_client

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = [pytest.mark.own_database, pytest.mark.usefixtures("at_once")]

TABLE = """
create table $s.readings (time timestamptz not null, value double precision) partition by range (time);
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
insert into $s.readings select t, random() from generate_series(timestamptz '2026-01-01Z', '2026-01-31Z', '1 day') t;
"""


@pytest.fixture
async def client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    service.execute(TABLE)
    async with api_client() as opened:
        yield opened


async def asked(service: Service, client: httpx.AsyncClient) -> str:
    body = {"hypertable": f"{service.schema}.readings", "chunk": f"{service.schema}.jan", "remove": True}
    [job] = (await client.post("/archives", json=body)).json()["jobs"]
    return str(job["job_id"])


async def history(client: httpx.AsyncClient, job_id: str) -> list[Any]:
    return list((await client.get(f"/jobs/{job_id}")).json()["history"])


def changes(events: list[Any]) -> list[tuple[str, str]]:
    return [(event["from_status"], event["to_status"]) for event in events]


async def test_the_database_knows_the_same_transitions_as_the_model(service: Service, client: httpx.AsyncClient) -> None:
    await service.runtime.ledger.ping()
    rows = service.rows("select from_status, to_status from archival.job_transition")
    assert {(Status(source), Status(target)) for source, target in rows} == {
        (source, target) for source, targets in TRANSITIONS.items() for target in targets
    }


async def test_what_is_no_transition_is_refused(service: Service, client: httpx.AsyncClient) -> None:
    job_id = await asked(service, client)
    [message] = service.messages()
    await service.runtime.archival_processor.process(message)
    for wrong in ("running", "queued", "failed", "restored", "cancelled"):
        with pytest.raises(psycopg.errors.CheckViolation, match=f"a job that is archived does not become {wrong}"):
            service.execute(f"update archival.job set status = '{wrong}' where job_id = '{job_id}'")
    assert (await client.get(f"/jobs/{job_id}")).json()["status"] == "archived"
    assert changes(await history(client, job_id)) == [("running", "archived")]


async def test_a_job_shows_its_attempts_and_what_became_of_it(
    service: Service, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = await asked(service, client)
    assert await history(client, job_id) == []
    [message] = service.messages()
    archiver = service.runtime.chunk_archiver
    archive = archiver.archive

    async def away(*_: Any) -> None:
        raise TransientError("the lake does not answer", code="lake-away")

    async def frozen(*_: Any) -> None:
        service.execute(f"update archival.job set lease_until = now() - interval '1 second' where job_id = '{job_id}'")
        monkeypatch.setattr(archiver, "archive", archive)
        await service.runtime.archival_processor.process(message)
        raise LostLeaseError(message.job_id, 2)

    monkeypatch.setattr(archiver, "archive", away)
    with pytest.raises(TransientError):
        await service.runtime.archival_processor.process(message)
    monkeypatch.setattr(archiver, "archive", frozen)
    with pytest.raises(LostLeaseError):
        await service.runtime.archival_processor.process(message)
    assert (await service.runtime.chunk_removal.remove_due(timedelta(minutes=1))).removed == 1
    await client.post("/restores", json={"hypertable": f"{service.schema}.readings", "all": True})
    assert await service.restore() == []

    events = await history(client, job_id)
    assert changes(events) == [
        ("running", "queued"),
        ("running", "running"),
        ("running", "archived"),
        ("archived", "removed"),
        ("removed", "archived"),
    ]
    assert [event["attempt"] for event in events] == [1, 2, 3, 3, 3]
    assert [event["error"] and event["error"]["code"] for event in events] == ["lake-away", "lost-lease", None, None, None]
    assert [event["began_at"] is not None for event in events] == [True, True, True, False, False]
    assert all(datetime.fromisoformat(e["began_at"]) <= datetime.fromisoformat(e["at"]) for e in events[:3])
    assert {event["written_by"] for event in events} == {"archival_service"}


async def test_who_changed_the_ledger_by_hand_stands_in_the_history(service: Service, client: httpx.AsyncClient) -> None:
    job_id = await asked(service, client)
    service.execute(f"set application_name = 'psql'; update archival.job set status = 'cancelled' where job_id = '{job_id}'")
    assert [(event["to_status"], event["written_by"]) for event in await history(client, job_id)] == [("cancelled", "psql")]


async def test_what_is_postponed_again_and_again_leaves_one_line(service: Service, client: httpx.AsyncClient) -> None:
    job_id = await asked(service, client)
    [message] = service.messages()
    ledger = service.runtime.ledger
    for _ in range(3):
        job = await ledger.take_lease(message.job_id, timedelta(minutes=1))
        assert job is not None
        await ledger.release(job, "source-unreachable", "away", postponed=True)
    assert [event["attempt"] for event in await history(client, job_id)] == [1]
    await service.runtime.archival_processor.process(message)
    assert changes(await history(client, job_id)) == [("running", "queued"), ("running", "archived")]


async def test_a_job_that_is_put_off_is_anybody_s_at_once(service: Service, client: httpx.AsyncClient) -> None:
    """Whoever takes its next message need not wait for the end of the lease."""
    job_id = await asked(service, client)
    [message] = service.messages()
    service.emulator.faults.append(Fault("PUT", "/part-", "status", status=503, code="ServerBusy", times=1000))
    await service.runtime.archival_processor.process(message)
    job = (await client.get(f"/jobs/{job_id}")).json()
    assert (job["status"], job["error"]["code"]) == ("queued", "lake-unavailable")
