"""Marks in the source: which one counts, which one may be replaced, and what counts without one.

What the model of the promise finds is tried here on real servers: each story is what happens without one of its guards.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from archival_core.clients.postgres.database import Database
from archival_core.codec import parquet
from archival_core.flows.asking.restore_requests import RestoreRequest
from archival_core.flows.restore.chunk_restore import RestoreWish
from archival_core.model.chunks.chunk import ChunkRange, Relation
from archival_core.model.jobs.message import JobMessage
from archival_core.source.removal import dropping
from archival_core.source.state.marks import mark_schema, readings
from tests.kit.worlds import MINUTE, TABLE, World

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = [pytest.mark.own_database, pytest.mark.usefixtures("at_once")]

LATE = (
    "create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');"
    "insert into $s.readings values ('2026-01-05T12:30Z', 1, 'late')"
)


def marked(service: Service) -> list[tuple[Any, ...]]:
    return service.rows("select kind from archival_marks.stand_in")


def live(service: Service) -> list[tuple[Any, ...]]:
    return sorted(service.rows("select * from $s.readings"))


async def archive(service: Service, chunk: str, *, remove: bool) -> None:
    await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.{chunk}", remove=remove)
    await service.work()


async def removed(service: Service) -> int:
    service.execute("update archival.job set removal_tried_at = null")
    return (await service.runtime.chunk_removal.remove_due(MINUTE)).removed


async def restored(service: Service) -> list[tuple[Any, ...]]:
    """The rows, when everything that is restorable is restored."""
    wish = RestoreRequest(
        Relation(service.schema, "readings"), None, ChunkRange(None, None), RestoreWish(), str(uuid4()), "a test"
    )
    await service.runtime.restore_requests.request(wish)
    assert await service.restore() == []
    return live(service)


def burn(service: Service, transactions: int) -> None:
    """Use up numbers of transactions."""
    with psycopg.connect(service.url, autocommit=True) as connection:
        for _ in range(transactions):
            connection.execute("select pg_current_xact_id()")


async def test_a_mark_that_stands_in_for_rows_is_replaced_by_its_restore_alone(apart: World) -> None:
    """A ledger that was put back has the job archive a table made anew under the name, and remove it."""
    before = apart.live()
    schema = apart.service.schema
    await apart.service.publish(hypertable=f"{schema}.readings", chunk=f"{schema}.jan")
    await apart.service.runtime.event_drain.drain()
    saved = await apart.save_ledger()
    await apart.work()
    assert (await apart.remove()).removed == 1
    apart.service.execute(LATE)
    await apart.put_ledger_back(saved)
    [job] = apart.jobs()
    await apart.service.runtime.queue.send([JobMessage(job["job_id"], None)])
    await apart.work()
    await apart.remove()
    [job] = apart.jobs()
    assert (job["status"], job["removal_error"]["code"]) == ("archived", "not-in-table"), "another archive of the job is in it"
    await apart.reconcile()
    assert (apart.statuses(), apart.whole()) == (["removed"], sorted([*before, '("2026-01-05 12:30:00+00",1,late)']))
    # the table that was made anew is asked for again, and goes on the grounds of its own archive
    await apart.archive("jan")
    assert (await apart.remove()).removed == 1
    assert apart.whole() == sorted([*before, '("2026-01-05 12:30:00+00",1,late)'])


@pytest.mark.parametrize("kind", ["removed", "dropped by others", "forgotten"])
async def test_the_second_of_two_drop_marks_fails_its_transaction(service: Service, kind: str) -> None:
    service.execute(TABLE)
    await archive(service, "jan", remove=True)
    await service.runtime.table_commits.commit_due(MINUTE)
    service.execute(
        "insert into archival_marks.stand_in (archive, kind, hypertable, chunk, lake_path, manifest, oid, born)"
        f" select job_id, '{kind}', hypertable, chunk, lake_path, 'another', 1, '2' from archival.job"
    )
    before = live(service)
    assert await removed(service) == 0
    assert service.jobs()[0]["removal_error"]["code"] == "stands-in"
    assert (live(service), marked(service)) == (before, [(kind,)])


async def test_marks_written_again_do_not_replace_what_the_source_says(apart: World) -> None:
    """Somebody has all marks written again from the ledger, when the source was put back and knows better."""
    before = apart.live()
    await apart.archive("jan")
    assert (await apart.remove()).removed == 1
    await apart.archive("feb")
    apart.disks.save()
    assert (await apart.remove()).removed == 1
    await apart.restore()
    apart.disks.put_back()
    # the ledger has a restore of jan and a removal of feb, and the source has neither
    with psycopg.connect(apart.ledger_url or "") as ledger:
        ledger.execute(
            "update archival.job set status = 'removed', restored_at = null where chunk like '%feb' and kind = 'archive'"
        )
    assert await apart.service.runtime.mark_rebuild.owe_all() == 2
    report = await apart.reconcile()
    assert (report.marks.written, report.marks.removed, report.marks.back) == (0, 1, 1)
    assert apart.statuses() == ["removed", "archived"]
    assert apart.whole() == before


async def test_a_mark_counts_only_on_its_own_server(service: Service) -> None:
    """A dump brings marks along to a server whose rows and tables have, by chance, the numbers that count as unchanged."""
    service.execute(TABLE)
    await archive(service, "jan", remove=True)
    service.execute("update $s.readings set note = 'B' where time = '2026-01-15Z'")
    burn(service, 5)
    before = live(service)
    [job] = service.jobs()
    # the archive as the other server made it, which had come farther
    [(here, now)] = service.rows("select system_identifier::text, pg_current_snapshot()::text from pg_control_system()")
    manifest = json.loads(json.dumps(job["manifest"]).replace(f'"{here}"', '"7"')) | {"snapshot": now}
    for file in (service.lake / job["lake_path"] / "_manifest.json", *(service.lake / "manifests").rglob("*.json")):
        file.write_text(json.dumps(manifest))
    with psycopg.connect(service.url) as ledger:
        ledger.execute("update archival.job set manifest = %s, manifest_sha256 = null", (json.dumps(manifest),))
    assert await removed(service) == 0
    assert service.jobs()[0]["removal_error"]["code"] == "source-changed"
    await service.work()
    assert await removed(service) == 1
    assert await restored(service) == before


async def test_after_a_comparison_its_own_snapshot_counts(apart: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The source was put back to before the archive, and somebody writes between the comparison and the lock.

    The write has a number from before the archive's own reading, as of the history that is lost.
    """
    apart.disks.save()
    burn(apart.service, 60)
    await apart.archive("jan")
    apart.disks.put_back()
    locked, waited = dropping.locked, 0

    def after_a_write(connection: Any, chunk: Any) -> Any:
        nonlocal waited
        waited += 1
        if waited == 1:
            apart.service.execute("update $s.readings set note = 'B' where time = '2026-01-15Z'")
            burn(apart.service, 120)
        return locked(connection, chunk)

    monkeypatch.setattr(dropping, "locked", after_a_write)
    assert (await apart.remove()).removed == 0
    before = apart.live()
    assert apart.jobs()[0]["removal_error"]["code"] == "source-changed"
    await apart.work()
    assert (await apart.remove()).removed == 1
    assert (waited, apart.whole()) == (2, before)
    assert any(row.endswith(",B)") for row in before)


async def test_disks_put_back_between_a_comparison_and_its_mark(apart: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The update after the put-back gets the number of the one that was compared."""
    apart.disks.save()
    apart.service.execute("update $s.readings set note = 'A' where time = '2026-01-15Z'")
    await apart.archive("jan")
    apart.service.execute("delete from archival_marks.reading")
    mark_reading, put_back = readings.mark_reading, 0

    async def after_the_put_back(conn: Any, *arguments: Any) -> bool:
        nonlocal put_back
        put_back += 1
        if put_back > 1:
            return await mark_reading(conn, *arguments)
        apart.disks.put_back()
        apart.service.execute("update $s.readings set note = 'B' where time = '2026-01-15Z'")
        async with await psycopg.AsyncConnection.connect(apart.service.url, autocommit=True) as other:
            assert await mark_schema.ensure(other)
            burn(apart.service, 60)
            return await mark_reading(other, *arguments)

    monkeypatch.setattr(readings, "mark_reading", after_the_put_back)
    assert (await apart.remove()).removed == 0
    before = apart.live()
    with psycopg.connect(apart.ledger_url or "") as ledger:
        ledger.execute("update archival.job set removal_tried_at = null")
    assert (await apart.remove()).removed == 0
    assert apart.jobs()[0]["removal_error"]["code"] == "source-changed"
    await apart.work()
    assert (await apart.remove()).removed == 1
    assert apart.whole() == before


async def forged_and_adopted(service: Service) -> None:
    """The ledger has lost the job, and the folder holds other values under the nonce of the mark that the source has."""
    service.execute(TABLE)
    await archive(service, "jan", remove=True)
    [job] = service.jobs()
    folder = service.lake / job["lake_path"]
    manifest = json.loads((folder / "_manifest.json").read_text())
    for part in manifest["parts"]:
        path = folder / part["file"]
        table = pq.read_table(path)
        changed = table.set_column(1, table.schema.field(1), pa.array([99] * table.num_rows, pa.int64()))
        pq.write_table(changed, path)
        meter = parquet.ContentMeter(changed.schema, "time")
        for batch in changed.to_batches():
            meter.add(batch)
        part |= {"bytes": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        part["digests"] = meter.content().digests
    (folder / "_manifest.json").write_text(json.dumps(manifest))
    next((service.lake / "manifests").rglob("*.json")).unlink()
    service.execute("delete from archival.job")
    report = await service.runtime.reconciler.reconcile(MINUTE)
    assert (len(report.adoption.adopted), [job["status"] for job in service.jobs()]) == (1, ["archived"])
    service.execute("update archival.job set remove = true")


async def test_what_was_adopted_proves_nothing_until_it_was_compared(service: Service) -> None:
    await forged_and_adopted(service)
    before = live(service)
    assert await removed(service) == 0
    assert service.jobs()[0]["removal_error"]["code"] == "source-changed"
    await service.work()
    assert await removed(service) == 1
    assert await restored(service) == before


async def test_what_was_adopted_is_no_history_of_what_others_drop(service: Service) -> None:
    """Until it was compared, nobody knows whether the adopted archive has the rows that were dropped."""
    await forged_and_adopted(service)
    service.execute("drop table $s.jan")
    report = await service.runtime.reconciler.reconcile(MINUTE)
    assert (report.missing_tables.removed, report.missing_tables.undecided) == (0, 1)
    assert ([job["status"] for job in service.jobs()], marked(service)) == (["archived"], [])


async def test_dropped_by_others_is_said_of_the_last_archive_alone(service: Service) -> None:
    """Merged, archived again, and dropped by people, before anybody looked: the rows are in two archives."""
    service.execute(TABLE)
    before = live(service)
    await archive(service, "jan", remove=False)
    service.execute("create table $s.aside as table $s.readings; drop table $s.jan, $s.feb")
    service.execute("create table $s.both partition of $s.readings for values from ('2026-01-01Z') to ('2026-03-01Z')")
    service.execute("insert into $s.readings table $s.aside; drop table $s.aside")
    await archive(service, "both", remove=False)
    service.execute("drop table $s.both")
    for undecided in (1, 1):
        report = await service.runtime.reconciler.reconcile(MINUTE)
        assert report.missing_tables.undecided == undecided
    assert [job["status"] for job in service.jobs()] == ["archived", "removed"]
    service.execute("update archival.job set status = 'superseded' where status = 'archived'")
    assert await restored(service) == before


async def test_nothing_is_dropped_by_others_before_the_ledger_follows_the_marks(service: Service) -> None:
    """A ledger that was put back does not know the archive that has the rows, and the lake does not show it now."""
    service.execute(TABLE)
    await archive(service, "jan", remove=False)
    service.execute("create table $s.aside as table $s.readings; drop table $s.jan, $s.feb")
    service.execute("create table $s.both partition of $s.readings for values from ('2026-01-01Z') to ('2026-03-01Z')")
    service.execute("insert into $s.readings table $s.aside; drop table $s.aside")
    await archive(service, "both", remove=True)
    assert (await service.runtime.reconciler.reconcile(MINUTE)).missing_tables.reshaped == 1
    assert await removed(service) == 1
    service.execute("delete from archival.job where status = 'removed'; update archival.job set status = 'archived'")
    [folder] = (service.lake / "tables").rglob("*both_r0")
    folder.rename(service.lake / "elsewhere")
    report = await service.runtime.reconciler.reconcile(MINUTE)
    assert (report.marks.missing, report.missing_tables.removed, report.missing_tables.undecided) == (1, 0, 1)
    (service.lake / "elsewhere").rename(folder)
    await service.runtime.reconciler.reconcile(MINUTE)
    assert [job["status"] for job in service.jobs()] == ["archived", "removed"]
    assert marked(service) == [("removed",)]


@pytest.mark.parametrize("index", ["archival_marks.stand_in_of_table", "archival_marks.stand_in_of_hypertable"])
async def test_tables_of_an_earlier_release_get_their_indexes(service: Service, index: str) -> None:
    service.execute(TABLE)
    await archive(service, "jan", remove=True)
    service.execute(f"drop index {index}")
    async with Database(service.url).connect() as connection:
        async with connection.transaction():
            # what else the transaction has locked would wait with it
            assert await mark_schema.ensure(connection)
        assert service.rows(f"select to_regclass('{index}')") == [(None,)]
        assert await mark_schema.ensure(connection)
    assert service.rows(f"select to_regclass('{index}')") != [(None,)]
