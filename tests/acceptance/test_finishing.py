"""The ends of archives and restores: what the source's marks say decides, whatever the ledger still says."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pyarrow.dataset as ds
import pytest

from archival_core.errors import PermanentError, TransientError
from archival_core.flows.archive.finishing import Finishing
from archival_core.flows.asking.restore_requests import RestoreRequest
from archival_core.flows.restore.chunk_restore import RestoreWish
from archival_core.ledger.jobs.adding import NewJob
from archival_core.model.chunks.chunk import ChunkRange, Relation
from archival_core.model.jobs.message import JobMessage

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = [pytest.mark.own_database, pytest.mark.usefixtures("at_once")]

MINUTE = timedelta(minutes=1)
TABLE = """
create table $s.readings (time timestamptz not null, value bigint) partition by range (time);
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
insert into $s.readings select t, 1 from generate_series(timestamptz '2026-01-01Z', '2026-01-31Z', '1 hour') t;
"""
REMOVED = (
    "insert into archival_marks.stand_in (archive, kind, hypertable, chunk, lake_path, manifest, oid, born)"
    " select job_id, '{}', hypertable, chunk, lake_path, manifest_sha256, relation_oid, relation_born"
    " from archival.job where status = 'archived';"
)


async def archive(service: Service, chunk: str = "jan", *, remove: bool = True) -> None:
    await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.{chunk}", remove=remove)
    await service.work()


async def removed(service: Service) -> int:
    return (await service.runtime.chunk_removal.remove_due(MINUTE)).removed


async def restore(service: Service) -> list[Any]:
    """Why each restore ended, if it did not restore."""
    table = Relation(service.schema, "readings")
    wish = RestoreRequest(table, None, ChunkRange(None, None), RestoreWish(), str(uuid4()), "a test")
    await service.runtime.restore_requests.request(wish)
    await service.restore()
    found = service.rows("select error ->> 'code' from archival.job where kind = 'restore' order by requested_at")
    return [code for (code,) in found]


def live(service: Service) -> list[tuple[Any, ...]]:
    return sorted(service.rows("select * from $s.readings"))


def statuses(service: Service) -> list[str]:
    return [job["status"] for job in service.jobs() if job["kind"] == "archive"]


def history(service: Service) -> list[tuple[Any, ...]]:
    """Rows of archives that stand in for rows."""
    folders = [service.lake / job["lake_path"] for job in service.jobs() if job["status"] == "removed"]
    found = [row for folder in folders for row in ds.dataset(folder, format="parquet").to_table().to_pylist()]
    return sorted((row["time"], row["value"]) for row in found)


def before_the_end(service: Service, monkeypatch: pytest.MonkeyPatch, happens: str) -> None:
    """Between the rename of the next archive and its row in the ledger."""
    finish = Finishing.finish

    async def and_then(self: Finishing, *arguments: Any) -> None:
        monkeypatch.undo()
        for statement in happens.split(";"):
            service.execute(statement)
        await finish(self, *arguments)

    monkeypatch.setattr(Finishing, "finish", and_then)


async def again(service: Service) -> JobMessage:
    wish = NewJob(Relation(service.schema, "readings"), Relation(service.schema, "jan"), None, "k", "x", None, force=True)
    [job] = await service.runtime.ledger.add_jobs([wish])
    return JobMessage(job.job_id)


@pytest.mark.parametrize(
    ("earlier", "happens"),
    [
        ("archived", REMOVED.format("removed") + "drop table $s.jan"),
        ("archived", REMOVED.format("dropped by others") + "drop table $s.jan"),
        # the ledger was put back to before the first archive
        (
            "archived",
            REMOVED.format("dropped by others") + "drop table $s.jan; delete from archival.job where status = 'archived'",
        ),
        # people drop what was restored; the mark names the table that the archive was of
        ("restored", "update archival_marks.stand_in set kind = 'dropped by others'; drop table $s.jan"),
    ],
)
async def test_an_archive_that_comes_too_late_is_superseded(
    service: Service, monkeypatch: pytest.MonkeyPatch, earlier: str, happens: str
) -> None:
    """The chunk went on the grounds of the first archive, or by others, and whoever saw that died before the ledger knew."""
    service.execute(TABLE)
    before = live(service)
    await archive(service)
    if earlier == "restored":
        assert await removed(service) == 1
        oid = service.rows("select oid, born from archival_marks.stand_in")[0]
        assert await restore(service) == [None]
        service.execute(f"update archival_marks.stand_in set oid = {oid[0]}, born = '{oid[1]}'")
    message = await again(service)
    before_the_end(service, monkeypatch, happens)
    await service.runtime.archival_processor.process(message)
    assert statuses(service)[-1] == "superseded"
    for _ in range(2):
        await service.runtime.reconciler.reconcile(MINUTE)
    assert sorted(statuses(service)) == ["removed", "superseded"]
    assert history(service) == before


async def test_an_archive_of_a_history_that_was_put_back_is_read_again(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The source is put back behind the rename, and goes on with other rows."""
    service.execute(TABLE)
    message = await again(service)
    before_the_end(service, monkeypatch, "delete from archival_marks.reading; update $s.readings set value = 2")
    with pytest.raises(TransientError) as caught:
        await service.runtime.archival_processor.process(message)
    assert caught.value.code == "history-changed"
    await service.runtime.archival_processor.process(message)
    service.execute("update archival.job set remove = true")
    before = live(service)
    assert await removed(service) == 1
    assert history(service) == before


@pytest.mark.parametrize(
    "marks", ["truncate archival_marks.stand_in", "update archival_marks.stand_in set manifest = 'another'"]
)
async def test_without_a_mark_of_the_archive_nothing_is_restored(service: Service, marks: str) -> None:
    """The ledger says removed, and the source does not, or says it of another archive: where the rows are, nobody knows."""
    service.execute(TABLE)
    await archive(service)
    assert await removed(service) == 1
    service.execute(marks)
    assert (await restore(service), live(service)) == (["not-restorable"], [])


async def test_what_was_restored_already_stands_for_no_rows(service: Service) -> None:
    """Restored, archived again and removed; the ledger was put back, and still has the first archive as removed."""
    service.execute(TABLE)
    before = live(service)
    await archive(service)
    assert await removed(service) == 1
    assert await restore(service) == [None]
    await service.runtime.archival_processor.process(await again(service))
    service.execute("update archival.job set remove = true")
    assert await removed(service) == 1
    service.execute("update archival.job set status = 'removed', restored_at = null where status = 'superseded'")
    assert sorted(map(str, await restore(service))) == ["None", "None", "not-restorable"]
    assert live(service) == before


async def test_the_mark_of_a_restore_says_into_which_table(service: Service) -> None:
    service.execute(TABLE)
    await archive(service)
    [(oid,)] = service.rows("select '$s.jan'::regclass::oid::bigint")
    assert await removed(service) == 1
    assert service.rows("select kind, oid from archival_marks.stand_in") == [("removed", oid)]
    assert await restore(service) == [None]
    [(kind, oid, born)] = service.rows("select kind, oid, born from archival_marks.stand_in")
    table = "select attrelid::bigint, xmin::text from pg_attribute where attrelid = '$s.jan'::regclass and attname = 'tableoid'"
    assert (kind, [(oid, born)]) == ("restored", service.rows(table))


async def test_a_restored_archive_is_superseded_only_by_archives_of_all_its_rows(service: Service) -> None:
    """Its rows came back into two partitions: with the archive of one of them the others' rows would be in none."""
    service.execute(TABLE)
    await archive(service)
    assert await removed(service) == 1
    service.execute("create table $s.early partition of $s.readings for values from ('2026-01-01Z') to ('2026-01-15Z')")
    service.execute("create table $s.late partition of $s.readings for values from ('2026-01-15Z') to ('2026-02-01Z')")
    assert await restore(service) == [None]
    await archive(service, "early", remove=False)
    assert statuses(service) == ["archived", "archived"]
    await archive(service, "late", remove=False)
    assert statuses(service) == ["superseded", "archived", "archived"]


async def test_a_partition_that_was_emptied_is_changed_and_not_dropped(service: Service) -> None:
    """TRUNCATE is to a partition what DELETE is: the table stands, and says which rows there are."""
    service.execute(TABLE)
    before = live(service)
    await archive(service)
    assert await removed(service) == 1
    assert await restore(service) == [None]
    service.execute("truncate $s.jan")
    await service.runtime.reconciler.reconcile(MINUTE)
    assert statuses(service) == ["archived"]
    with pytest.raises(PermanentError, match="it was archived and not removed"):
        await restore(service)
    # whoever wants the rows again drops the empty table
    service.execute("drop table $s.jan")
    await service.runtime.reconciler.reconcile(MINUTE)
    assert statuses(service) == ["removed"]
    assert (await restore(service), live(service)) == ([None, None], before)
