"""Histories: servers that were restarted, promoted or put back, ledgers that were put back, and a copy beside the original.

The marks in the source say what is true. Whatever else is put back, nothing is lost, nothing is there twice, and what did
not change is not archived again.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import psycopg
import pyarrow.dataset as ds
import pytest

from archival_core import runtime, settings
from archival_core.errors import PermanentError, TransientError
from archival_core.ledger.jobs.job_life import Ledger
from archival_core.model.jobs.job import Job
from archival_core.model.lake.manifest import ManifestPart
from archival_core.source.state.marks import readings
from dev.servers.postgres import PostgresServer
from tests.kit.disks import own_alike
from tests.kit.worlds import MINUTE, TABLES, World, most_telling_apart


@pytest.mark.parametrize("event", ["fail_over", pytest.param("restart", marks=pytest.mark.slow)])
async def test_what_did_not_change_is_not_archived_again(world: World, event: str) -> None:
    before = world.live()
    await world.archive(*TABLES)
    getattr(world.disks, event)()
    assert (await world.remove()).removed == 2
    assert world.statuses() == ["removed", "removed"]
    assert (world.live(), world.whole()) == ([], before)
    await world.restore()
    assert world.live() == before


@most_telling_apart
async def test_disks_put_back_between_archive_and_removal(world: World) -> None:
    """The update after the put-back gets the transaction number of the one that was archived."""
    world.disks.save()
    world.service.execute("update $s.readings set note = 'A' where time = '2026-01-15Z'")
    await world.archive("jan")
    world.disks.put_back()
    world.service.execute("update $s.readings set note = 'B' where time = '2026-01-15Z'")
    before = world.live()
    await world.reconcile()
    await world.remove()
    await world.work()
    await world.remove()
    await world.reconcile()
    assert world.whole() == before
    assert any(row.endswith(",B)") for row in before)


@most_telling_apart
async def test_disks_put_back_between_two_parts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.disks.save()
    world.service.execute("update $s.readings set note = 'A'")
    add_part, rows = Ledger.add_part, 0

    async def until_one_has_rows(self: Ledger, job: Job, number: int, part: ManifestPart) -> None:
        nonlocal rows
        if rows:
            raise TransientError("killed", code="killed")
        rows = part.rows
        await add_part(self, job, number, part)

    with monkeypatch.context() as patched:
        patched.setattr(Ledger, "add_part", until_one_has_rows)
        schema = world.service.schema
        await world.service.publish(hypertable=f"{schema}.readings", chunk=f"{schema}.jan")
        await world.service.runtime.event_drain.drain()
        [message] = world.service.messages()
        with pytest.raises(TransientError):
            await world.service.runtime.archival_processor.process(message)
    world.disks.put_back()
    world.service.execute("update $s.readings set note = 'B'")
    before = world.live()
    await world.archive("jan")
    await world.service.runtime.queue.send([message])
    await world.work()
    # nor does the lake show parts of two histories together, which the ledger would not count
    published = ds.dataset(world.service.lake / "tables", format="parquet").to_table(columns=["note"])
    assert set(published["note"].to_pylist()) == {"B"}
    await world.remove()
    await world.work()
    await world.remove()
    assert world.whole() == before


@most_telling_apart
async def test_disks_put_back_between_the_snapshot_and_its_mark(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mark is left only while the snapshot's session is alive on the same server."""
    mark_reading, put_back = readings.mark_reading, 0

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
    monkeypatch.setattr(readings, "mark_reading", after_the_put_back)
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
    report = await apart.reconcile()
    assert (report.marks.removed, report.marks.restored) == ((0, 1) if until == "removed" else (1, 0))
    assert apart.statuses() == ["archived" if until == "removed" else "removed"]
    assert apart.whole() == before
    if until != "removed":
        await apart.restore()
    assert apart.live() == before
    assert (await apart.service.runtime.reconciler.reconcile(MINUTE)).marks.removed == 0


@pytest.mark.parametrize("to", ["before the removal", pytest.param("before the restore", marks=pytest.mark.slow)])
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
    report = await apart.reconcile()
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
            for duty in (theirs.chunk_removal.remove_due, theirs.reconciler.reconcile):
                with pytest.raises(PermanentError) as refused:
                    await duty(MINUTE)
                assert refused.value.code == "other-owner"
                assert "archival source takeover" in str(refused.value)
            await world.service.runtime.ownership.check()
            # somebody says that the copy is the one now
            await theirs.ownership.take_over()
            # one refusal is enough for all who ask, whatever was believed
            for check in (world.service.runtime.ownership.check, world.service.runtime.ownership.check_lately):
                with pytest.raises(PermanentError, match="belongs to"):
                    await check()
            await theirs.reconciler.reconcile(MINUTE)
        finally:
            await theirs.close()
    with pytest.raises(PermanentError) as refused:
        await world.remove()
    assert refused.value.code == "other-owner"
    assert world.statuses() == ["archived"]


@most_telling_apart
async def test_marks_that_were_lost_are_written_again(world: World) -> None:
    before = world.live()
    await world.archive(*TABLES)
    await world.remove()
    world.service.execute("truncate archival_marks.stand_in")
    report = await world.reconcile()
    # nobody can tell what became of the rows: the ledger's word stands, and the report says so
    assert (world.statuses(), report.marks.written) == (["removed", "removed"], 2)
    world.service.execute("truncate archival_marks.stand_in, archival_marks.reading")
    assert (await world.reconcile()).marks.unproven == 2
    assert await world.service.runtime.mark_rebuild.owe_all() == 2
    assert (await world.reconcile()).marks.written == 2
    assert world.service.rows("select kind, count(*) from archival_marks.stand_in group by 1") == [("removed", 2)]
    await world.restore()
    assert world.live() == before
