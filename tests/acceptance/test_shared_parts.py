"""A large chunk's parts are read by several instances, each part in a snapshot of its own: together they are one moment."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from azure.core.exceptions import ResourceExistsError
from azure.storage.queue import QueueClient, TextBase64DecodePolicy

from archival_core import settings
from archival_core.errors import ArchivalError, AwayError
from archival_core.flows.archive.part_archiver import PartArchiver
from archival_core.ledger.jobs.shared_parts import SharedParts
from archival_core.model.jobs.message import JobMessage
from archival_core.runtime import Runtime
from dev.lake_emulator import Fault
from tests.acceptance.altering import PATIENCE, altered, slow_lake
from tests.acceptance.parts import TABLE, assert_archived, finished_parts, interrupt, request, work
from tests.kit.timescaledb import is_community

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

MINUTE = timedelta(minutes=1)
#: rows of one size each, so that another order of them fills the pages as before
EVEN = """
create table $s.readings (time timestamptz not null, value int, note int) partition by range (time);
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
insert into $s.readings
select timestamptz '2026-01-01Z' + (i * 7919 % 8000) * interval '5 minutes', i, i * 3 from generate_series(0, 7999) i;
create index by_time on $s.jan (time)
"""


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHIVE_PART_BYTES", str(8 * 8192))
    monkeypatch.setenv("ARCHIVE_SHARED_PARTS", "4")


@pytest.fixture
def one_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts are read in their order."""
    monkeypatch.setenv("ARCHIVE_READERS", "1")


@pytest.fixture
async def other(service: Service) -> AsyncIterator[Runtime]:
    """Another instance of the service."""
    instance = Runtime(settings.load())
    yield instance
    await instance.close()


Part = Callable[[PartArchiver, int], Awaitable[None]]


class Readings:
    """Whoever archives a part, and what happens before and after."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        #: number of the part and identifier of the snapshot, by the lake's client of who reads it
        self.seen: list[tuple[object, int, str]] = []
        self.before: Part | None = None
        self._after: list[Callable[[], Any]] = []
        archive = PartArchiver.archive

        async def noted(archiver: PartArchiver, number: int, *given: Any) -> Any:
            self.seen.append((archiver.lake, number, archiver.snapshot_id))
            if self.before is not None:
                await self.before(archiver, number)
            return await archive(archiver, number, *given)

        finish = SharedParts.finish

        async def finished(*given: Any) -> None:
            await finish(*given)
            if self._after:
                await asyncio.to_thread(self._after.pop())

        monkeypatch.setattr(PartArchiver, "archive", noted)
        monkeypatch.setattr(SharedParts, "finish", finished)

    @property
    def snapshots(self) -> int:
        return len({snapshot for _, _, snapshot in self.seen})

    @property
    def numbers(self) -> Counter[int]:
        return Counter(number for _, number, _ in self.seen)

    def of(self, instance: Runtime) -> int:
        return sum(lake is instance.lake for lake, _, _ in self.seen)

    def once(self, happens: Callable[[], Any]) -> None:
        """Let something happen when a first part is finished."""
        self._after = [happens]


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> Readings:
    return Readings(monkeypatch)


def calls(service: Service) -> list[JobMessage]:
    """The messages that call others to help."""
    with QueueClient.from_connection_string(
        service.names["AzureWebJobsStorage"], service.names["PART_QUEUE"], message_decode_policy=TextBase64DecodePolicy()
    ) as queue:
        with suppress(ResourceExistsError):
            queue.create_queue()
        found = []
        for message in queue.receive_messages(messages_per_page=32):
            found.append(JobMessage.from_json(message.content))
            queue.delete_message(message)
        return found


async def helped(service: Service, other: Runtime, *, until: Callable[[], bool]) -> int:
    """The other instance takes every message, as its host would; returns how many."""
    taken = 0
    while not until():
        for message in calls(service):
            await other.sharing_parts.help(message, MINUTE)
            taken += 1
        await asyncio.sleep(0.02)
    return taken


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


@pytest.mark.usefixtures("one_reader")
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(
            # as many rows as before, of which five would be archived twice, and five others never
            "begin; update $s.readings set note = note where value < 0.05; delete from $s.readings"
            " where value between 40 and 40.04; commit",
            id="rows move behind, and others go",
        ),
        pytest.param(
            "begin; update $s.readings set note = 'changed' where value in (0.01, 79.98); commit",
            id="one change of two parts",
        ),
        pytest.param("delete from $s.readings where value between 40 and 40.04", id="rows go"),
        pytest.param("insert into $s.readings values ('2026-01-15Z', 1, 'late')", id="a row comes"),
        pytest.param("alter table $s.readings add column more int default 7", id="a column comes"),
        pytest.param("alter table $s.readings alter column value type numeric(9, 2)", id="a column has another type"),
        pytest.param("delete from archival_marks.reading", id="the server was put back"),
    ],
)
async def test_a_chunk_that_changes_meanwhile_is_read_in_one_snapshot(
    service: Service, readings: Readings, change: str
) -> None:
    await request(service)
    readings.once(lambda: service.execute(change))
    # the first run finds out, and the next one reads alone
    assert await work(service) == []
    [job] = service.jobs()
    assert (job["status"], job["reads_alone"], finished_parts(service)) == ("queued", True, {})
    readings.seen.clear()
    assert await work(service) == []
    assert readings.snapshots == 1
    assert_archived(service)


@pytest.mark.usefixtures("one_reader")
async def test_rows_that_another_order_has_moved(service: Service, readings: Readings) -> None:
    """They are as old as before, and as many, in a file of their own."""
    await request(service, EVEN)
    readings.once(lambda: service.execute("cluster $s.jan using by_time"))
    assert await work(service) == []
    assert service.jobs()[0]["reads_alone"] is True
    assert await work(service) == []
    assert_archived(service)


async def test_a_chunk_that_is_always_written_to(service: Service, readings: Readings) -> None:
    async def written(_: PartArchiver, number: int) -> None:
        service.execute(f"update $s.readings set note = 'changed {number}' where value < 0.05")

    readings.before = written
    await request(service)
    for _ in range(2):
        assert await work(service) == []
    [job] = service.jobs()
    assert (job["status"], job["attempt"], job["rows"]) == ("archived", 2, 8000)


async def test_what_was_open_at_the_first_snapshot_and_commits_later(service: Service, readings: Readings) -> None:
    await request(service)
    with psycopg.connect(service.url) as writer:
        writer.execute(f"insert into {service.schema}.readings values ('2026-01-15Z', 1, 'late')".encode())
        readings.once(writer.commit)
        assert await work(service) == []
    assert service.jobs()[0]["reads_alone"] is True
    assert await work(service) == []
    assert_archived(service)


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


@pytest.mark.parametrize("change", ["", "update $s.readings set note = 'changed' where value = 79.99"], ids=["same", "changed"])
async def test_an_interrupted_archive_goes_on(service: Service, readings: Readings, change: str) -> None:
    await request(service)
    finished = await interrupt(service)
    if change:
        service.execute(change)
    readings.seen.clear()
    assert await work(service) == []
    manifest = assert_archived(service)
    assert len(readings.seen) == len(manifest["parts"]) - (0 if change else len(finished))


async def test_who_alters_the_table_waits_for_no_part(service: Service) -> None:
    await request(service)
    slow_lake(service, "part-00003.parquet")
    slow_lake(service, "part-00005.parquet")
    chunk, ddl = f"{service.schema}.jan", "begin; lock table $s.jan in access exclusive mode; commit"
    assert await altered(service, [chunk], ddl, sessions=2, finished=(0, 1, 2)) < PATIENCE
    finished = finished_parts(service)
    assert await work(service) == []
    manifest = assert_archived(service)
    assert {number: manifest["parts"][number] for number in finished} == finished


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


@pytest.mark.timescaledb
@pytest.mark.usefixtures("one_reader")
async def test_compression_meanwhile(timescaledb_service: Service, readings: Readings) -> None:
    service = timescaledb_service
    if not is_community(service):
        pytest.skip("compression is not in the Apache edition")
    service.execute("create table $s.readings (time timestamptz not null, value numeric(8, 2), note text)")
    service.rows("select create_hypertable('$s.readings', 'time', chunk_time_interval => interval '30 days')::text")
    service.execute(TABLE.partition("insert")[1] + TABLE.partition("insert")[2])
    service.execute("alter table $s.readings set (timescaledb.compress)")
    [(chunk,)] = service.rows(
        "select min(chunk_schema || '.' || chunk_name) from timescaledb_information.chunks where hypertable_schema = '$s'"
    )
    await service.publish(hypertable=f"{service.schema}.readings", chunk=chunk)
    await service.runtime.event_drain.drain()
    readings.once(lambda: service.rows(f"select compress_chunk('{chunk}')::text"))
    for _ in range(2):
        assert await work(service) == []
    [job] = service.jobs()
    assert job["status"] == "archived"
    [(rows,)] = service.rows(f"select count(*) from {chunk}")
    assert job["rows"] == rows
