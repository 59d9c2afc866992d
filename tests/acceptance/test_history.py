"""Histories: servers that were restarted, promoted or put back, ledgers that were put back, and a copy beside the original.

The marks in the source say what is true. Whatever else is put back, nothing is lost, nothing is there twice, and what did
not change is not archived again.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
import pyarrow.dataset as ds
import pytest
from psycopg.rows import dict_row

from archival_core import runtime, settings
from archival_core.errors import PermanentError, TransientError
from archival_core.flows.asking.restore_requests import RestoreRequest
from archival_core.flows.restore.chunk_restore import RestoreWish
from archival_core.ledger.jobs import Ledger
from archival_core.model.chunk import ChunkRange, Relation
from archival_core.source.state import marks
from dev.servers.postgres import PostgresServer
from tests.kit.disks import Disks, own_alike

if TYPE_CHECKING:
    from dev.lake_emulator import Emulator
    from tests.acceptance.conftest import Service

MINUTE = timedelta(minutes=1)
TABLE = """
create table $s.readings (time timestamptz not null, value bigint, note text) partition by range (time);
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
create table $s.feb partition of $s.readings for values from ('2026-02-01Z') to ('2026-03-01Z');
insert into $s.readings select t, extract(epoch from t)::bigint, 'note ' || t
from generate_series(timestamptz '2026-01-01Z', '2026-02-28Z', '1 hour') t;
"""
TABLES = ("jan", "feb")


@dataclass
class World:
    """A service whose source can be put back, and the ledger too where it is in a database of its own."""

    service: Service
    disks: Disks
    #: `None` where the ledger is in the source
    ledger_url: str | None

    def jobs(self) -> list[dict[str, Any]]:
        with psycopg.connect(self.ledger_url or self.service.url, row_factory=dict_row) as connection:
            return connection.execute(
                "select * from archival.job where kind = 'archive' order by chunk desc, requested_at"
            ).fetchall()

    def statuses(self) -> list[str]:
        return [job["status"] for job in self.jobs()]

    async def archive(self, *chunks: str, remove: bool | None = None) -> None:
        for chunk in chunks:
            schema = self.service.schema
            await self.service.publish(hypertable=f"{schema}.readings", chunk=f"{schema}.{chunk}", remove=remove)
        await self.work()

    async def work(self) -> None:
        """Every message, again and again until none is left."""
        await self.service.runtime.event_drain.run()
        for _ in range(5):
            for message in self.service.messages():
                try:
                    await self.service.runtime.archival_processor.process(message)
                except TransientError:
                    await self.service.runtime.queue.send([message])
                except PermanentError as error:
                    # a ledger inside was put back to before the job; the host would make poison of the message
                    assert error.code == "unknown-job"

    async def remove(self) -> Any:
        return await self.service.runtime.chunk_removal.run(MINUTE)

    async def restore(self) -> None:
        table = Relation(self.service.schema, "readings")
        wish = RestoreRequest(table, None, ChunkRange(None, None), RestoreWish(), str(uuid4()), "a test")
        await self.service.runtime.restore_requests.request(wish)
        assert await self.service.restore() == []

    async def settle(self) -> Any:
        """What a few runs of reconcile make of it."""
        report = await self.service.runtime.reconcile.run(MINUTE)
        assert report.failed == {}
        for _ in range(2):
            await self.service.runtime.reconcile.run(MINUTE)
        return report

    def live(self) -> list[str]:
        return sorted(text for (text,) in self.service.rows("select r::text from $s.readings r"))

    def archived(self, *statuses: str) -> list[str]:
        """Rows of archives in one of these states, as the database printed them."""
        found = []
        for job in self.jobs():
            if job["status"] in statuses:
                folder = self.service.lake / job["lake_path"]
                found += [_printed(row) for row in ds.dataset(folder, format="parquet").to_table().to_pylist()]
        return sorted(found)

    def whole(self) -> list[str]:
        """What there is: live rows, and archives that stand in for rows, each as often as it is there."""
        return sorted(self.live() + self.archived("removed"))

    async def put_ledger_back(self, saved: str) -> None:
        await self.service.runtime._pool.close()
        self._on_server(f"drop database {self._ledger} with (force)", f"create database {self._ledger} template {saved}")

    async def save_ledger(self) -> str:
        await self.service.runtime._pool.close()
        saved = f"saved_{uuid4().hex[:10]}"
        self._on_server(f"create database {saved} template {self._ledger}")
        return saved

    @property
    def _ledger(self) -> str:
        assert self.ledger_url is not None
        return urlsplit(self.ledger_url).path.strip("/")

    def _on_server(self, *statements: str) -> None:
        assert self.ledger_url is not None
        maintenance = urlunsplit(urlsplit(self.ledger_url)._replace(path="/postgres"))
        with psycopg.connect(maintenance, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())


def _printed(row: dict[str, Any]) -> str:
    """A row as PostgreSQL prints it."""
    note = f'"{row["note"]}"' if " " in row["note"] else row["note"]
    return f'("{row["time"]:%Y-%m-%d %H:%M:%S}+00",{row["value"]},{note})'


@pytest.fixture
async def apart(
    own_database_url: str,
    redis_url: str,
    storage_connection: str,
    emulator: Emulator,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> AsyncIterator[World]:
    """A world whose ledger is in a database of its own."""
    async for world in opened((redis_url, storage_connection, emulator), monkeypatch, tmp_path, own_database_url):
        yield world


@pytest.fixture(params=["inside", "apart"])
async def world(
    request: pytest.FixtureRequest,
    own_database_url: str,
    redis_url: str,
    storage_connection: str,
    emulator: Emulator,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> AsyncIterator[World]:
    """A world with its ledger in the source, and one with the ledger apart."""
    ledger_url = own_database_url if request.param == "apart" else None
    async for world in opened((redis_url, storage_connection, emulator), monkeypatch, tmp_path, ledger_url):
        yield world


async def opened(
    others: tuple[str, str, Emulator], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ledger_url: str | None
) -> AsyncIterator[World]:
    from tests.acceptance.conftest import open_service

    with PostgresServer(tmp_path / "source") as server:
        if ledger_url:
            monkeypatch.setenv("LEDGER_DATABASE_URL", ledger_url)
        monkeypatch.setenv("REMOVAL_POLICY", "drop")
        monkeypatch.setenv("REMOVAL_GRACE", "PT0S")
        monkeypatch.setenv("ARCHIVE_PART_BYTES", "16384")
        service_of = open_service(server.url, *others, monkeypatch)
        service: Service = await anext(service_of)
        try:
            service.execute(TABLE)
            await service.runtime.ledger.ping()
            yield World(service, Disks(server, tmp_path / "backup"), ledger_url)
        finally:
            with pytest.raises(StopAsyncIteration):
                await anext(service_of)


@pytest.mark.parametrize("event", ["restart", "fail_over"])
async def test_what_did_not_change_is_not_archived_again(world: World, event: str) -> None:
    before = world.live()
    await world.archive(*TABLES)
    getattr(world.disks, event)()
    assert (await world.remove()).removed == 2
    assert world.statuses() == ["removed", "removed"]
    assert (world.live(), world.whole()) == ([], before)
    await world.restore()
    assert world.live() == before


async def test_disks_put_back_between_archive_and_removal(world: World) -> None:
    """The update after the put-back gets the transaction number of the one that was archived."""
    world.disks.save()
    world.service.execute("update $s.readings set note = 'A' where time = '2026-01-15Z'")
    await world.archive("jan")
    world.disks.put_back()
    world.service.execute("update $s.readings set note = 'B' where time = '2026-01-15Z'")
    before = world.live()
    await world.settle()
    await world.remove()
    await world.work()
    await world.remove()
    await world.settle()
    assert world.whole() == before
    assert any(row.endswith(",B)") for row in before)


async def test_disks_put_back_between_two_parts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.disks.save()
    world.service.execute("update $s.readings set note = 'A'")
    add_part, added = Ledger.add_part, 0

    async def add_one(self: Ledger, *arguments: Any) -> None:
        nonlocal added
        if added == 1:
            raise TransientError("killed", code="killed")
        added += 1
        await add_part(self, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(Ledger, "add_part", add_one)
        schema = world.service.schema
        await world.service.publish(hypertable=f"{schema}.readings", chunk=f"{schema}.jan")
        await world.service.runtime.event_drain.run()
        [message] = world.service.messages()
        with pytest.raises(TransientError):
            await world.service.runtime.archival_processor.process(message)
    world.disks.put_back()
    world.service.execute("update $s.readings set note = 'B'")
    before = world.live()
    await world.archive("jan")
    await world.service.runtime.queue.send([message])
    await world.work()
    await world.remove()
    await world.work()
    await world.remove()
    assert world.whole() == before


async def test_disks_put_back_between_the_snapshot_and_its_mark(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mark is left only while the snapshot's session is alive on the same server."""
    mark_reading, put_back = marks.mark_reading, 0

    async def after_the_put_back(conn: Any, *arguments: Any) -> bool:
        nonlocal put_back
        if put_back == 0:
            put_back += 1
            world.disks.put_back()
            world.service.execute("update $s.readings set note = 'B' where time = '2026-01-15Z'")
            async with await psycopg.AsyncConnection.connect(world.service.url, autocommit=True) as other:
                return await mark_reading(other, *arguments)
        return await mark_reading(conn, *arguments)

    await world.archive("feb")
    world.disks.save()
    world.service.execute("update $s.readings set note = 'A' where time = '2026-01-15Z'")
    monkeypatch.setattr(marks, "mark_reading", after_the_put_back)
    await world.archive("jan")
    before = world.live()
    await world.archive("jan")
    await world.remove()
    await world.work()
    await world.remove()
    assert put_back == 1
    assert world.whole() == before


@pytest.mark.parametrize("until", ["nothing", "archived", "removed"])
async def test_a_ledger_that_was_put_back_follows_the_marks(apart: World, until: str) -> None:
    """Put back to before the archive, before the removal, and before the restore."""
    before = apart.live()
    saved = await apart.save_ledger()
    await apart.archive("jan")
    if until != "nothing":
        saved = await apart.save_ledger()
    await apart.remove()
    if until == "removed":
        saved = await apart.save_ledger()
        await apart.restore()
    whole = apart.live() if until == "removed" else apart.whole()
    assert whole == before
    await apart.put_ledger_back(saved)
    report = await apart.settle()
    assert (report.marks.removed, report.marks.restored) == ((0, 1) if until == "removed" else (1, 0))
    assert apart.statuses() == ["archived" if until == "removed" else "removed"]
    assert apart.whole() == before
    if until != "removed":
        await apart.restore()
    assert apart.live() == before
    assert (await apart.service.runtime.reconcile.run(MINUTE)).marks.removed == 0


@pytest.mark.parametrize("to", ["before the removal", "before the restore"])
async def test_a_source_that_was_put_back_says_what_stands_in_for_rows(apart: World, to: str) -> None:
    before = apart.live()
    await apart.archive("jan")
    if to == "before the removal":
        apart.disks.save()
    assert (await apart.remove()).removed == 1
    if to == "before the restore":
        apart.disks.save()
        await apart.restore()
    apart.disks.put_back()
    report = await apart.settle()
    assert (report.marks.back, report.marks.removed) == ((1, 0) if to == "before the removal" else (0, 1))
    assert apart.whole() == before
    # and the life goes on
    await apart.remove()
    assert apart.whole() == before
    await apart.restore()
    assert apart.live() == before


async def test_a_copy_beside_the_original_is_refused(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.archive("jan")
    world.disks.save()
    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copytree(tmp_path / "backup", copy / "data")
    shutil.copy(tmp_path / "source" / "password", copy / "password")
    (copy / "data").chmod(0o700)
    shutil.chown(copy / "data", world.disks.data.stat().st_uid)
    own_alike(copy / "data")
    with PostgresServer(copy) as server:
        monkeypatch.setenv("SOURCE_DATABASE_URL", server.url)
        settings.load.cache_clear()
        theirs = runtime.Runtime(settings.load())
        try:
            for duty in (theirs.chunk_removal.run, theirs.reconcile.run):
                with pytest.raises(PermanentError) as refused:
                    await duty(MINUTE)
                assert refused.value.code == "other-owner"
                assert "archival source takeover" in str(refused.value)
            # somebody says that the copy is the one now
            await theirs.ownership.take_over()
            await theirs.reconcile.run(MINUTE)
        finally:
            await theirs.close()
    with pytest.raises(PermanentError) as refused:
        await world.remove()
    assert refused.value.code == "other-owner"
    assert world.statuses() == ["archived"]


async def test_marks_that_were_lost_are_written_again(world: World) -> None:
    before = world.live()
    await world.archive(*TABLES)
    await world.remove()
    world.service.execute("truncate archival_marks.stand_in")
    report = await world.settle()
    # nobody can tell what became of the rows: the ledger's word stands, and the report says so
    assert (world.statuses(), report.marks.written) == (["removed", "removed"], 2)
    world.service.execute("truncate archival_marks.stand_in, archival_marks.reading")
    assert (await world.settle()).marks.unproven == 2
    assert await world.service.runtime.mark_rebuild.owe_all() == 2
    assert (await world.settle()).marks.written == 2
    assert world.service.rows("select kind, count(*) from archival_marks.stand_in group by 1") == [("removed", 2)]
    await world.restore()
    assert world.live() == before
