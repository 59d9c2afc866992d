"""A large chunk's parts are read by several instances, each part in a snapshot of its own: together they are one moment."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from archival_core.errors import ArchivalError, AwayError
from archival_core.flows.archive.part_archiver import PartArchiver
from archival_core.ledger.jobs.shared_parts import SharedParts
from archival_core.model.jobs.message import JobMessage
from archival_core.runtime import Runtime
from dev.lake_emulator import Fault
from tests.acceptance.parts import assert_archived, finished_parts, request, work
from tests.acceptance.shared_parts import MINUTE, Readings, calls, helped, other, readings, small_parts

__all__ = ["other", "readings", "small_parts"]

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = pytest.mark.usefixtures("small_parts")


async def test_two_instances_read_one_chunk(service: Service, other: Runtime, readings: Readings) -> None:
    async def slowly(archiver: PartArchiver, _: int) -> None:
        await asyncio.sleep(0.1 if archiver.lake is service.runtime.lake else 0)

    readings.before = slowly
    await request(service)
    owner = asyncio.create_task(work(service))
    assert await helped(service, other, until=owner.done) > 0
    assert await owner == []
    manifest = assert_archived(service)
    assert readings.of(service.runtime) > 0 and readings.of(other) > 0
    assert set(readings.numbers.values()) == {1}
    # and no transaction was older than one part
    assert len(manifest["parts"]) == readings.snapshots == len(readings.seen) >= 8
    assert [result["type"] for result in await service.results()] == ["archival.chunk.archived"]
    # whoever comes late finds nothing to do
    await other.sharing_parts.help(JobMessage(service.jobs()[0]["job_id"]), MINUTE)
    assert_archived(service)


@pytest.mark.parametrize("hangs", [False, True])
async def test_nobody_helps(service: Service, readings: Readings, monkeypatch: pytest.MonkeyPatch, hangs: bool) -> None:
    async def away(*_: Any, **__: Any) -> None:
        await asyncio.sleep(300 if hangs else 0)
        raise AwayError("the queue does not answer", code="queue", dependency="queue")

    monkeypatch.setattr(service.runtime.sharing_parts._sharing._queue, "send", away)
    await request(service)
    async with asyncio.timeout(60):
        assert await work(service) == []
    assert readings.snapshots == len(assert_archived(service)["parts"])


async def test_a_chunk_of_few_parts_is_read_in_one_snapshot(
    service: Service, readings: Readings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service.runtime.chunk_archiver, "_options", options := service.runtime.chunk_archiver._options)
    assert options.shared_parts == 4
    await request(service)
    service.execute(["delete from $s.readings where value > 12", " vacuum (truncate) $s.jan"][0])
    service.execute("vacuum full $s.jan")
    assert await work(service) == []
    assert 1 < len(assert_archived(service)["parts"]) < 4
    assert readings.snapshots == 1


async def test_a_claim_that_ran_out(service: Service, other: Runtime, readings: Readings) -> None:
    """Whoever wakes after that records nothing, and touches nothing that was published."""
    asleep, wakes = asyncio.Event(), asyncio.Event()

    async def sleeps(archiver: PartArchiver, _: int) -> None:
        if archiver.lake is other.lake:
            asleep.set()
            await wakes.wait()
        elif not asleep.is_set():
            await asleep.wait()
            # the time of both sleepers' claims goes on
            service.execute("update archival.part_claim set claimed_until = now() - interval '1 s' where token is not null")

    readings.before = sleeps
    renew = SharedParts.renew
    other_renews = other.sharing_parts._reading._parts

    async def frozen(parts: SharedParts, *given: Any) -> None:
        if parts is not other_renews:
            await renew(parts, *given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SharedParts, "renew", frozen)
        await request(service)
        owner = asyncio.create_task(work(service))
        late = asyncio.create_task(helped(service, other, until=owner.done))
        assert await owner == []
        before = service.files("tables")
        manifest = assert_archived(service)
        wakes.set()
        await late
    assert service.files("tables") == before
    # the part that the sleepers had was read by others, and counts once
    assert max(readings.numbers.values()) == 2
    assert sum(part["rows"] for part in manifest["parts"]) == 8000
    assert finished_parts(service) == {}
    assert service.jobs()[0]["status"] == "archived"


async def test_a_worker_that_dies(service: Service, readings: Readings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one takes over what is finished, wherever it lies."""
    third = asyncio.Event()

    async def dies(_: PartArchiver, __: int) -> None:
        if len(readings.seen) > 3:
            third.set()
            await asyncio.sleep(60)

    async def nothing(*_: Any) -> None:
        """A dead worker gives nothing back."""

    readings.before = dies
    with monkeypatch.context() as patch:
        patch.setattr(SharedParts, "give_back", nothing)
        await request(service)
        [message] = service.messages()
        owner = asyncio.create_task(service.runtime.archival_processor.process(message))
        await third.wait()
        await asyncio.sleep(0.3)
        owner.cancel()
        await asyncio.wait([owner])
    finished = finished_parts(service)
    assert 0 < len(finished) < 8
    service.execute("update archival.job set lease_until = now() - interval '1 s'")
    readings.before = None
    readings.seen.clear()
    await service.runtime.archival_processor.process(message)
    manifest = assert_archived(service)
    assert readings.numbers.keys() == set(range(len(manifest["parts"]))) - finished.keys()
    assert {number: manifest["parts"][number] for number in finished} == finished


@pytest.mark.parametrize("moves", [1, 5])
async def test_a_worker_that_dies_while_it_gathers(
    service: Service, readings: Readings, monkeypatch: pytest.MonkeyPatch, moves: int
) -> None:
    await request(service)
    moved = 0
    move = service.runtime.lake.move_file

    async def dies(*given: Any) -> None:
        nonlocal moved
        moved += 1
        if moved > moves:
            raise ArchivalError("dead", code="dead")
        await move(*given)

    with monkeypatch.context() as patch:
        patch.setattr(service.runtime.lake, "move_file", dies)
        [message] = service.messages()
        with pytest.raises(ArchivalError):
            await service.runtime.archival_processor.process(message)
    service.execute("update archival.job set lease_until = now() - interval '1 s' where status = 'running'")
    readings.seen.clear()
    await service.runtime.archival_processor.process(message)
    assert readings.seen == []
    assert_archived(service)


async def test_a_job_that_is_cancelled_lets_its_helpers_go(service: Service, other: Runtime, readings: Readings) -> None:
    async def forever(_: PartArchiver, __: int) -> None:
        await asyncio.sleep(60)

    readings.before = forever
    await request(service)
    owner = asyncio.create_task(work(service))
    while not (messages := calls(service)):
        await asyncio.sleep(0.02)
    helper = asyncio.create_task(other.sharing_parts.help(messages[0], MINUTE))
    while not readings.of(other):
        await asyncio.sleep(0.02)
    [job] = service.jobs()
    await service.runtime.jobs.cancel(job["job_id"], "a test")
    async with asyncio.timeout(10):
        await helper
        [error] = await owner
    assert error.code == "lost-lease"
    assert service.jobs()[0]["status"] == "cancelled"
    assert finished_parts(service) == {}
    assert service.files("tables") == []


async def test_a_run_whose_time_is_over_leaves_the_rest_to_the_next(
    service: Service, readings: Readings, monkeypatch: pytest.MonkeyPatch
) -> None:
    archiver = service.runtime.chunk_archiver
    monkeypatch.setattr(archiver, "_options", replace(archiver._options, time_budget=MINUTE * 0))
    await request(service)
    runs = 0
    while service.jobs()[0]["status"] != "archived":
        assert await work(service) == []
        runs += 1
    assert runs >= 4
    assert set(readings.numbers.values()) == {1}
    assert_archived(service)


async def test_what_a_helper_meets_is_met_by_the_worker(service: Service, other: Runtime, readings: Readings) -> None:
    """A part that cannot be read by one of them is given back at once."""

    async def fails(archiver: PartArchiver, number: int) -> None:
        if archiver.lake is other.lake:
            raise ArchivalError("not here", code="not-here")
        await asyncio.sleep(0.1)

    readings.before = fails
    await request(service)
    owner = asyncio.create_task(work(service))
    await helped(service, other, until=owner.done)
    assert await owner == []
    assert readings.of(other) > 0
    assert_archived(service)


async def test_a_part_that_is_damaged_on_its_way(service: Service) -> None:
    await request(service)
    service.emulator.faults.append(Fault("PATCH", "part-00004.parquet?action=append", "bit_rot", times=1000))
    [error] = await work(service)
    assert error.code == "read-back-differs"
    assert service.files("tables") == []
