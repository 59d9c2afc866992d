"""Where the rows of a range are: lists, pages, metrics, restores and removals say the same, with one row a range."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from archival_core.errors import PermanentError
from archival_core.flows.asking.restore_requests import RestoreRequest
from archival_core.flows.insight import chunk_map
from archival_core.flows.restore.chunk_restore import RestoreWish
from archival_core.model.chunks.chunk import ChunkRange, Relation
from archival_core.model.insight.chunk_state import ChunkCursor, ChunkPlace, ChunkState

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = pytest.mark.own_database

MINUTE = timedelta(minutes=1)
TABLE = """
create table $s.readings (time timestamptz not null, value bigint) partition by range (time);
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
create table $s.feb partition of $s.readings for values from ('2026-02-01Z') to ('2026-03-01Z');
insert into $s.readings select t, 1 from generate_series(timestamptz '2026-01-01Z', '2026-02-28Z', '1 day') t;
"""
MADE_AGAIN = "create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z')"
SHOWN = {"in-database": "database", "queued": "archiving", "running": "archiving", "restoring": "removed"}


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REMOVAL_GRACE", "PT0S")
    monkeypatch.setattr(chunk_map, "_GOOD_FOR", 0.0)


async def archive(service: Service, *, remove: bool) -> None:
    await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.jan", remove=remove)
    await service.work()
    if remove:
        assert (await service.runtime.chunk_removal.remove_due(MINUTE)).removed == 1


def wanted_back(service: Service) -> RestoreRequest:
    table = Relation(service.schema, "readings")
    return RestoreRequest(table, None, ChunkRange(None, None), RestoreWish(), str(uuid4()), "a test")


async def restore(service: Service) -> None:
    await service.runtime.restore_requests.request(wanted_back(service))
    assert await service.restore() == []


async def answers(service: Service) -> tuple[bool, str | None]:
    """Whether `jan` has an archive by which it could be removed, and why nothing can be restored."""
    try:
        await service.runtime.removal_decisions.decide(
            Relation(service.schema, "readings"), f"{service.schema}.jan", remove=False, decided_by="a test"
        )
        removable = True
    except PermanentError as error:
        assert error.code == "no-archive"
        removable = False
    states, _ = await service.runtime.chunks.page(Relation(service.schema, "readings"), None, 100)
    in_lake = {found.state.job_id for found in states if found.state.state is ChunkPlace.REMOVED}
    try:
        assert set(await service.runtime.restore_requests.preview(wanted_back(service))) == in_lake
    except PermanentError as error:
        return removable, str(error)
    return removable, None


async def places(service: Service) -> list[tuple[str, str]]:
    """Of list and map, which have to agree."""
    states, _ = await service.runtime.chunks.page(Relation(service.schema, "readings"), None, 100)
    listed = [(found.state.chunk.rpartition(".")[2], str(found.state.state)) for found in states]
    answer: Any = await service.runtime.chunk_map.one(f"{service.schema}.readings")
    drawn = [(place.chunk.rpartition(".")[2], str(place.state)) for place in answer.value.chunks]
    [counted] = (await service.runtime.chunk_map.all()).value or []
    assert len(counted.chunks) + counted.in_lake == len(listed)
    assert sorted(drawn) == sorted((chunk, SHOWN.get(state, state)) for chunk, state in listed)
    # each page of the list goes on where the one before has ended
    paged: list[ChunkState] = []
    after: ChunkCursor | None = None
    while len(paged) < len(listed):
        [one], after = await service.runtime.chunks.page(Relation(service.schema, "readings"), after, 1)
        paged.append(one.state)
    assert after is None
    assert paged == [found.state for found in states]
    return listed


async def test_a_chunk_dropped_by_others_and_made_again(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, remove=False)
    assert await places(service) == [("jan", ChunkPlace.ARCHIVED), ("feb", ChunkPlace.IN_DATABASE)]
    removable, refusal = await answers(service)
    assert removable
    assert "are still in" in (refusal or "")
    service.execute("drop table $s.jan")
    assert await places(service) == [("jan", ChunkPlace.REMOVED), ("feb", ChunkPlace.IN_DATABASE)]
    removable, refusal = await answers(service)
    assert not removable
    assert "reconcile has not found out" in (refusal or "")
    service.execute(MADE_AGAIN)
    both = [("jan", ChunkPlace.IN_DATABASE), ("jan", ChunkPlace.REMOVED)]
    assert sorted(await places(service))[1:] == both
    # a dump that was put back looks the same: a removal would compare every row with the archive of the earlier table
    removable, refusal = await answers(service)
    assert removable
    assert "reconcile has not found out" in (refusal or "")
    await service.runtime.reconciler.reconcile(MINUTE)
    assert sorted(await places(service))[1:] == both
    assert await answers(service) == (False, None)


async def test_a_restored_chunk_has_one_row(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, remove=True)
    assert await places(service) == [("jan", ChunkPlace.REMOVED), ("feb", ChunkPlace.IN_DATABASE)]
    assert await answers(service) == (False, None)
    await restore(service)
    assert await places(service) == [("jan", ChunkPlace.ARCHIVED), ("feb", ChunkPlace.IN_DATABASE)]
    # its rows are in the database, and the archive that they came from is no reason to remove them again
    removable, refusal = await answers(service)
    assert not removable
    assert "are still in" in (refusal or "")
    # in TimescaleDB the rows are in a chunk of another name
    service.execute("alter table $s.jan rename to january")
    assert await places(service) == [("january", ChunkPlace.ARCHIVED), ("feb", ChunkPlace.IN_DATABASE)]
