"""The promise on quiet days: situations in which nothing crashes, and rows were lost or doubled all the same.

Each story stands for a kind: a tree known by its root, the lake's word taken for the ledger's, facts from before the lock,
a table that is gone taken for rows that are gone, a write whose answer nobody looked at, an oid that comes again.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from archival_core.flows.archive.finishing import Finishing
from archival_core.ledger.jobs.adding import NewJob
from archival_core.model.chunks.chunk import Relation
from archival_core.model.jobs.message import JobMessage
from archival_core.source.removal import dropping
from tests.acceptance.promises import MINUTE, TABLE, archive, jobs, published, refusal, remove, restore, rows, statuses

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = pytest.mark.own_database


TREE = """
create table $s.readings (time timestamptz not null, a bigint, b bigint) partition by range (time);
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z') partition by list (b);
create table $s.one partition of $s.jan for values in (1);
create table $s.two partition of $s.jan for values in (2) partition by list (a);
create table $s.deep partition of $s.two default;
insert into $s.readings select t, 7, 1 + extract(hour from t)::int % 2
from generate_series(timestamptz '2026-01-01Z', '2026-01-31Z', '1 hour') t;
create table $s.prepared (like $s.readings); create table $s.prepared_deep (like $s.readings);
insert into $s.prepared select time, a + 1, b from $s.one; insert into $s.prepared_deep select time, a + 1, b from $s.deep;
"""


@pytest.mark.parametrize(
    "swap",
    [
        "alter table $s.jan detach partition $s.one; drop table $s.one;"
        "alter table $s.jan attach partition $s.prepared for values in (1)",
        "alter table $s.two detach partition $s.deep; alter table $s.two attach partition $s.prepared_deep default",
        "alter table $s.jan detach partition $s.one; drop table $s.one; alter table $s.prepared rename to one;"
        "alter table $s.jan attach partition $s.one for values in (1)",
    ],
)
async def test_a_leaf_that_was_swapped_is_a_change(service: Service, swap: str) -> None:
    """The leaf in its place was filled before the archive, so that no row looks new, and has as many rows."""
    service.execute(TREE)
    await archive(service, "jan")
    for statement in swap.split(";"):
        service.execute(statement)
    before = rows(service)
    assert (await remove(service)).removed == 0
    assert (refusal(service), rows(service)) == ("source-changed", before)
    await service.work()
    assert (await remove(service)).removed == 1
    assert (await restore(service, "jan"), rows(service)) == ([], before)


async def test_columns_swapped_while_the_removal_waits_are_a_change(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ALTER TABLE is open when the removal looks, and commits while the removal waits for its lock."""
    service.execute(TABLE)
    await archive(service, "jan")
    locked = dropping.locked

    def after_the_alter(conn: Any, chunk: Any) -> Any:
        with psycopg.connect(service.url, autocommit=True) as other:
            for statement in ("a to c", "b to a", "c to b"):
                other.execute(f"alter table {service.schema}.readings rename column {statement}".encode())
        return locked(conn, chunk)

    monkeypatch.setattr(dropping, "locked", after_the_alter)
    before = rows(service)
    assert (await remove(service)).removed == 0
    assert (refusal(service), rows(service)) == ("source-changed", before)


async def test_a_leaf_swapped_while_the_removal_waits_is_a_change(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    service.execute(TREE)
    await archive(service, "jan")
    locked = dropping.locked

    def after_the_swap(conn: Any, chunk: Any) -> Any:
        service.execute("alter table $s.jan detach partition $s.one; drop table $s.one")
        service.execute("alter table $s.jan attach partition $s.prepared for values in (1)")
        return locked(conn, chunk)

    monkeypatch.setattr(dropping, "locked", after_the_swap)
    assert (await remove(service)).removed == 0
    assert refusal(service) == "source-changed"


async def test_a_restore_that_waits_while_its_archive_is_superseded_places_nothing(service: Service) -> None:
    """Two archives of one range: while the restore of one waits for the table's lock, its mark goes to the other."""
    service.execute(TABLE)
    before = rows(service)
    await archive(service, "jan")
    assert (await remove(service)).removed == 1
    [job] = jobs(service)
    with psycopg.connect(service.url) as blocker:
        blocker.execute(f"lock table {service.schema}.readings in access exclusive mode".encode())
        waiting = asyncio.create_task(restore(service, "jan"))
        locks = "select count(*) from pg_locks where not granted and relation = '$s.readings'::regclass"
        async with asyncio.timeout(30):
            while await asyncio.to_thread(service.rows, locks) == [(0,)]:
                await asyncio.sleep(0.02)
        service.execute(f"update archival.job set status = 'superseded' where job_id = '{job['job_id']}'")
        service.execute("update archival_marks.stand_in set manifest = 'another'")
        blocker.commit()
    await waiting
    assert [row for row in rows(service) if row in before and row[0].month == 1] == []
    [asked] = [job for job in service.jobs() if job["kind"] == "restore"]
    assert (asked["status"], asked["error"]["code"]) == ("failed", "not-restorable")


async def test_an_oid_that_comes_again_is_another_table(service: Service) -> None:
    """What was restored into a table is not in a later table of the same oid."""
    service.execute(TABLE)
    await archive(service, "jan")
    await remove(service)
    assert await restore(service, "jan") == []
    before = rows(service)
    service.execute("drop table $s.jan")
    service.execute("create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z')")
    # the new table has the oid of the one before, as after a dump and restore, or once oids have come round
    [(oid,)] = service.rows("select '$s.jan'::regclass::oid::bigint")
    service.execute(f"update archival_restore.placed set chunk = {oid}")
    service.execute(f"update archival.job set relation_oid = {oid}")
    service.execute("insert into $s.readings values ('2026-01-15 00:30Z', 7, 7)")
    await archive(service, "jan", remove=False)
    for _ in range(3):
        await service.runtime.reconciler.reconcile(MINUTE)
    assert [row for row in before if row[0].month == 1] == [row for row in published(service) if row[1] != 7]
    assert [row for row in published(service) if row[1] == 7] != []


@pytest.mark.parametrize("drop", ["drop table $s.jan", "alter table $s.readings detach partition $s.jan; drop table $s.jan"])
async def test_what_was_restored_and_dropped_by_others_is_history(service: Service, drop: str) -> None:
    service.execute(TABLE)
    before = rows(service)
    await archive(service, "jan")
    await remove(service)
    assert await restore(service, "jan") == []
    for statement in drop.split(";"):
        service.execute(statement)
    await service.runtime.reconciler.reconcile(MINUTE)
    [job] = jobs(service)
    assert (job["status"], job["dropped_by"], job["restored_at"]) == ("removed", "others", None)
    assert service.rows("select kind from archival_marks.stand_in") == [("dropped by others",)]
    # it comes back in place, and late rows of its range are the policy's again
    assert (await restore(service, "jan"), rows(service)) == ([], before)


async def test_a_policy_may_forget_what_others_drop(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan", remove=False)
    service.execute(
        "insert into archival.policy (hypertable, archive_after, dropped_by_others)"
        " values ('$s.readings', interval '100 years', 'forget'); drop table $s.jan"
    )
    await service.runtime.reconciler.reconcile(MINUTE)
    assert service.rows("select kind from archival_marks.stand_in") == [("forgotten",)]
    assert await restore(service, "jan") == []


async def test_a_table_made_again_does_not_get_the_old_one_s_rows(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    await remove(service)
    service.execute("drop table $s.readings cascade")
    service.execute(TABLE)
    before = rows(service)
    await archive(service, "feb")
    await remove(service)
    assert (await restore(service), rows(service)) == ([], before)


async def test_whoever_asks_again_has_the_removal_tried_at_once(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    service.execute("create view $s.looks as select * from $s.jan")
    assert (await remove(service)).removed == 0
    assert refusal(service) == "removal-blocked"
    service.execute("drop view $s.looks")
    assert (await service.runtime.chunk_removal.remove_due(MINUTE)).removed == 0
    await archive(service, "jan")
    assert (await service.runtime.chunk_removal.remove_due(MINUTE)).removed == 1


async def test_a_merged_chunk_that_went_before_anybody_looked(service: Service) -> None:
    """Its rows are in the archive of the merged one. That can be told as long as the merged one is there."""
    service.execute(TABLE)
    await archive(service, "jan", remove=False)
    service.execute("create table $s.aside as table $s.readings; drop table $s.jan, $s.feb")
    service.execute("create table $s.both partition of $s.readings for values from ('2026-01-01Z') to ('2026-03-01Z')")
    service.execute("insert into $s.readings table $s.aside")
    await archive(service, "both")
    assert (await remove(service)).removed == 0
    assert str(jobs(service)[1]["removal_error"]["code"]) == "archive-unsettled"
    before = rows(service)
    assert (await service.runtime.reconciler.reconcile(MINUTE)).missing_tables.reshaped == 1
    assert (await remove(service)).removed == 1
    assert (statuses(service), published(service)) == (["superseded", "removed"], before)


async def test_the_mark_of_a_drop_is_never_overwritten(service: Service) -> None:
    """With a ledger elsewhere a remover dies between its two commits, and a policy forgets what others drop."""
    service.execute(TABLE)
    await archive(service, "jan")
    await remove(service)
    service.execute("update archival.job set status = 'archived', removed_at = null")
    service.execute(
        "insert into archival.policy (hypertable, archive_after, dropped_by_others) values ('$s.x', interval '1 day', 'forget')"
    )
    await service.runtime.reconciler._missing_tables.decide(time.monotonic() + 60)
    assert service.rows("select kind from archival_marks.stand_in") == [("removed",)]
    await service.runtime.reconciler.reconcile(MINUTE)
    assert statuses(service) == ["removed"]


async def test_an_archive_that_waited_does_not_supersede_what_stands_in(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The source has dropped the chunk on the grounds of the first archive, and the ledger does not say so yet."""
    service.execute(TABLE)
    before = rows(service)
    await archive(service, "jan")
    finish = Finishing.finish

    async def after_the_drop(self: Finishing, *arguments: Any) -> None:
        service.execute(
            "insert into archival_marks.stand_in (archive, kind, hypertable, chunk, lake_path, manifest, oid, born)"
            " select job_id, 'removed', hypertable, chunk, lake_path, manifest_sha256, relation_oid, relation_born"
            " from archival.job where status = 'archived'; drop table $s.jan"
        )
        await finish(self, *arguments)

    monkeypatch.setattr(Finishing, "finish", after_the_drop)
    again = NewJob(Relation(service.schema, "readings"), Relation(service.schema, "jan"), None, "k", "x", None, force=True)
    [job] = await service.runtime.ledger.add_jobs([again])
    await service.runtime.archival_processor.process(JobMessage(job.job_id))
    monkeypatch.undo()
    for _ in range(2):
        await service.runtime.reconciler.reconcile(MINUTE)
    assert sorted(statuses(service)) == ["removed", "superseded"]
    assert published(service) == [row for row in before if row[0].month == 1]
    assert (await restore(service), rows(service)) == ([], before)


@pytest.mark.parametrize("reads", ["boolin", "charin"])
async def test_an_archive_that_does_not_come_back_keeps_its_chunk(service: Service, reads: str) -> None:
    """An input function that does not read what was printed, or reads another value: only a trial of the way back can know."""
    service.execute(
        "create type $s.amount; "
        "create function $s.amount_in(cstring) returns $s.amount language internal immutable strict as 'int4in';"
        "create function $s.amount_out($s.amount) returns cstring language internal immutable strict as 'int4out';"
        "create type $s.amount (input = $s.amount_in, output = $s.amount_out, like = integer);"
        "create table $s.readings (time timestamptz not null, a $s.amount) partition by range (time);"
        "create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');"
        "insert into $s.readings select t, '7' from generate_series(timestamptz '2026-01-01Z', '2026-01-31Z', '1 hour') t"
    )
    await archive(service, "jan")
    service.execute(f"update pg_type set typinput = 'pg_catalog.{reads}'::regproc where oid = '$s.amount'::regtype")
    assert (await remove(service)).removed == 0
    assert refusal(service) == "not-restorable"
    assert len(service.rows("select 1 from $s.jan")) == 721
    service.execute(f"update pg_type set typinput = '{service.schema}.amount_in'::regproc where oid = '$s.amount'::regtype")
    assert (await remove(service)).removed == 1


async def test_a_reading_that_changed_a_value_keeps_its_chunk(service: Service) -> None:
    """The archive is equal to what was read, and comes back as it is: only the chunk's own rows are different."""
    service.execute(
        "create type $s.amount; "
        "create function $s.amount_in(cstring) returns $s.amount language internal immutable strict as 'int4in';"
        "create function $s.amount_out($s.amount) returns cstring language internal immutable strict as 'int4out';"
        "create type $s.amount (input = $s.amount_in, output = $s.amount_out, like = integer);"
        "create table $s.readings (time timestamptz not null, a $s.amount) partition by range (time);"
        "create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');"
        "insert into $s.readings select t, '65543' from generate_series(timestamptz '2026-01-01Z', '2026-01-31Z', '1 hour') t"
    )
    service.execute("create function $s.low($s.amount) returns cstring language internal immutable strict as 'int2out'")
    printed_by = "update pg_type set typoutput = '$s.{}'::regproc where oid = '$s.amount'::regtype"
    service.execute(printed_by.format("low"))
    await archive(service, "jan")
    service.execute(printed_by.format("amount_out"))
    assert (await remove(service)).removed == 0
    assert refusal(service) == "not-restorable"
    assert service.rows("select distinct a::text from $s.jan") == [("65543",)]
