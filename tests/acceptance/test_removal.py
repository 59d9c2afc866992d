"""Removal: a chunk leaves the database only while its archive holds exactly its rows, and nobody suffers."""

from __future__ import annotations

import asyncio
import shutil
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pyarrow.dataset as ds
import pytest

from archival_core.flows.removal.chunk_proof import ChunkProof
from archival_core.flows.removal.chunk_removal import RemovalReport
from archival_core.source import catalog
from archival_core.source.removal import dropping, guards
from archival_core.source.state import fence, history
from tests.kit.readings import archive, remove

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = pytest.mark.usefixtures("at_once")

MINUTE = timedelta(minutes=1)
TABLE = """
create table $s.readings (time timestamptz not null, value double precision, note text) partition by range (time);
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
create table $s.feb partition of $s.readings for values from ('2026-02-01Z') to ('2026-03-01Z');
insert into $s.readings
select t, random(), 'note ' || t from generate_series(timestamptz '2026-01-01Z', '2026-02-28Z', '1 hour') t;
"""


def partitions(service: Service) -> list[str]:
    query = "select c.relname from pg_inherits i join pg_class c on c.oid = inhrelid where inhparent = '$s.readings'::regclass"
    return sorted(name for (name,) in service.rows(query))


def published(service: Service) -> ds.Dataset:
    return ds.dataset(service.lake / "tables" / f"{service.schema}.readings")


def wishes(service: Service) -> list[bool | None]:
    return [job["remove"] for job in service.jobs() if job["status"] == "archived"]


def statuses(service: Service) -> list[str]:
    return [job["status"] for job in service.jobs()]


async def test_a_duplicate_that_wants_removal_counts_for_the_archive_that_is_there(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan", "feb", remove=None)
    await archive(service, "jan", remove=False)
    assert wishes(service) == [None, None]
    await archive(service, "jan", remove=True)
    assert sorted(statuses(service)) == ["archived", "archived", "skipped", "skipped"]
    assert (await remove(service)).removed == 1
    assert partitions(service) == ["feb"]


async def test_a_chunk_is_removed_on_request_and_the_other_stays(service: Service) -> None:
    service.execute(TABLE)
    before = {row[0]: row for row in service.rows("select * from $s.jan")}
    await archive(service, "jan")
    await archive(service, "feb", remove=None)
    assert (await remove(service)).removed == 1
    assert partitions(service) == ["feb"]
    assert statuses(service) == ["removed", "archived"]
    kept = {row["time"]: row for row in published(service).to_table().to_pylist() if row["time"] in before}
    assert [tuple(row.values()) for row in kept.values()] == [before[time] for time in kept]
    assert len(kept) == len(before) == 744
    types = [result["type"].rpartition(".")[2] for result in await service.results()]
    assert types == ["archived", "archived", "removed"]
    assert (await remove(service)).removed == 0


@pytest.mark.parametrize(
    "change",
    [
        "insert into $s.readings values ('2026-01-15Z', 1, 'late')",
        "update $s.readings set note = 'changed' where time = '2026-01-15Z'",
        "delete from $s.readings where time = '2026-01-15Z'",
        "begin; savepoint s; insert into $s.readings values ('2026-01-15Z', 1, 'late'); release s; commit",
        "with gone as (delete from $s.jan where time = '2026-01-15Z' returning *) insert into $s.jan select * from gone",
        "alter table $s.readings add column more int default 7",
        "truncate $s.jan",
    ],
)
async def test_a_changed_chunk_stays_and_is_archived_again(service: Service, change: str) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    service.execute(change)
    report = await remove(service)
    assert (report.removed, len(report.kept)) == (0, 1)
    assert service.jobs()[0]["removal_error"]["code"] == "source-changed"
    assert partitions(service) == ["feb", "jan"]
    rows = sorted(service.rows("select * from $s.jan"), key=repr)
    # nothing is asked for twice while the new archive is on its way
    assert (await remove(service)).kept == {}
    await service.work()
    assert statuses(service) == ["superseded", "archived"]
    assert (await remove(service)).removed == 1
    assert partitions(service) == ["feb"]
    assert sorted((tuple(row.values()) for row in published(service).to_table().to_pylist()), key=repr) == rows
    # what was archived first is kept, out of the way
    assert len(service.files(f"superseded/{service.schema}.readings/{service.schema}.jan_r0")) == 2
    assert [result["data"].get("lake_path", "")[-3:] for result in await service.results()] == ["_r0", "_r1", "_r1"]


async def test_rows_may_move_and_age(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    for statement in ("vacuum full $s.jan", "vacuum freeze $s.jan", "analyze $s.jan"):
        service.execute(statement)
    assert (await remove(service)).removed == 1


@pytest.mark.parametrize("damage", ["flip", "cut", "delete", "add", "manifest"])
async def test_a_damaged_archive_keeps_its_chunk(service: Service, damage: str) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    [job] = service.jobs()
    file = service.lake / job["lake_path"] / "part-00000.parquet"
    content = file.read_bytes()
    if damage == "flip":
        file.write_bytes(content[:100] + bytes([content[100] ^ 1]) + content[101:])
    elif damage == "cut":
        file.write_bytes(content[:-1])
    elif damage == "delete":
        file.unlink()
    elif damage == "add":
        shutil.copy(file, file.with_name("part-00001.parquet"))
    else:
        (service.lake / service.files("manifests")[0]).unlink()
    assert (await remove(service)).removed == 0
    [job] = service.jobs()
    assert (job["status"], job["removal_error"]["code"]) == ("archived", "archive-damaged")
    assert partitions(service) == ["feb", "jan"]


@pytest.mark.parametrize(
    ("made", "code", "undone"),
    [
        ("create view $s.looks as select * from $s.jan", "removal-blocked", "drop view $s.looks"),
        (
            "alter table $s.jan add primary key (time); create table $s.points (time timestamptz references $s.jan)",
            "removal-blocked",
            "drop table $s.points",
        ),
    ],
)
async def test_what_depends_on_a_chunk_keeps_it(service: Service, made: str, code: str, undone: str) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    service.execute(made)
    report = await remove(service)
    assert service.jobs()[0]["removal_error"]["code"] == code, report
    assert partitions(service) == ["feb", "jan"]
    service.execute(undone)
    assert (await remove(service)).removed == 1


async def test_a_copy_of_the_server_loses_nothing(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    service.execute(
        "update archival.job set manifest = jsonb_set(manifest, '{source,system_identifier}', '\"7\"')"
        " where hypertable like '$s.%'"
    )
    file = service.lake / service.files("manifests")[0]
    identity = service.jobs()[0]["manifest"]["source"]["system_identifier"]
    real = service.rows("select system_identifier::text from pg_control_system()")[0][0]
    for manifest in (file, service.lake / service.jobs()[0]["lake_path"] / "_manifest.json"):
        manifest.write_text(manifest.read_text().replace(f'"{real}"', f'"{identity}"'))
    # all rows are compared, since no mark proves the history there
    service.execute("update $s.jan set value = value + 1 where time = '2026-01-15Z'")
    assert (await remove(service)).removed == 0
    assert service.jobs()[0]["removal_error"]["code"] == "source-changed"
    # not even when the chunk is not there
    service.execute("update archival.job set status = 'cancelled' where status = 'queued'; drop table $s.jan")
    assert (await remove(service)).removed == 0
    await service.runtime.reconciler.reconcile(timedelta(minutes=1))
    assert statuses(service)[0] == "archived"


async def test_a_lock_that_is_held_is_waited_for_only_briefly(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    assert dropping._PARENT_TIMEOUT == "2s"
    monkeypatch.setattr(dropping, "_PARENT_TIMEOUT", "200ms")
    service.execute(TABLE)
    await archive(service, "jan")
    with psycopg.connect(service.url) as other:
        other.execute(f"insert into {service.schema}.readings values ('2026-02-02Z', 1, 'open')".encode())
        assert (await remove(service)).removed == 0
        assert service.jobs()[0]["removal_error"] == {
            "code": "source-locked",
            "message": "the source database answers 55P03: canceling statement due to lock timeout",
            "transient": True,
        }
    assert (await remove(service)).removed == 1


async def test_nobody_writes_between_the_comparison_and_the_drop(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    holds_same_rows, refused = fence.holds_same_rows, list[str]()

    async def and_then_somebody_writes(connection: Any, *arguments: Any) -> bool:
        same = await holds_same_rows(connection, *arguments)
        if same:
            with psycopg.connect(service.url, autocommit=True) as writer:
                writer.execute("set lock_timeout = '200ms'")
                try:
                    writer.execute(f"insert into {service.schema}.jan values ('2026-01-15Z', 1, 'late')".encode())
                except psycopg.errors.LockNotAvailable as error:
                    refused.append(str(error))
        return same

    monkeypatch.setattr(fence, "holds_same_rows", and_then_somebody_writes)
    report = await remove(service)
    # the first comparison takes no lock, so a row gets in there; it is noticed by the second
    assert report.removed == 0
    assert service.jobs()[0]["removal_error"]["code"] == "source-changed"
    assert refused == []
    await service.work()
    monkeypatch.setattr(fence, "holds_same_rows", _only_under_lock(and_then_somebody_writes, holds_same_rows))
    assert (await remove(service)).removed == 1
    assert len(refused) == 1


def _only_under_lock(under_lock: Any, otherwise: Any) -> Any:
    """The first comparison of each chunk as it is, the second one, under the lock, as `under_lock`."""
    calls = 0

    async def compare(*arguments: Any) -> bool:
        nonlocal calls
        calls += 1
        same: bool = await (under_lock if calls % 2 == 0 else otherwise)(*arguments)
        return same

    return compare


@pytest.mark.parametrize(
    ("where", "what", "before"),
    [
        (ChunkProof, "check_again", 0),
        (catalog, "find_chunk", 1),
        (guards, "check_all", 1),
        (history, "holds_same_rows", 1),
        (dropping, "drop", 0),
    ],
    ids=[
        "as soon as it has the lock",
        "before the chunk is found",
        "before it is known who would suffer",
        "before the count",
        "before the drop",
    ],
)
async def test_a_frozen_remover_does_not_stop_ingest(
    service: Service, monkeypatch: pytest.MonkeyPatch, where: Any, what: str, before: int
) -> None:
    """Wherever it freezes under the lock, which is after so many calls `before` the lock."""
    service.execute(TABLE)
    await archive(service, "jan")
    call, locked, written, calls = getattr(where, what), asyncio.Event(), asyncio.Event(), 0
    assert dropping._BOUNDED["idle_in_transaction_session_timeout"] == "5s"
    monkeypatch.setitem(dropping._BOUNDED, "idle_in_transaction_session_timeout", "1s")

    async def freeze(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > before:
            locked.set()
            await written.wait()
        return await call(*arguments)

    monkeypatch.setattr(where, what, freeze)
    working = asyncio.create_task(remove(service))
    await locked.wait()
    insert = "set lock_timeout = '30s'; insert into $s.readings values ('2026-02-15Z', 1, 'now')"
    try:
        await asyncio.to_thread(service.execute, insert)
    finally:
        written.set()
    assert (await working).removed == 0
    assert (statuses(service), partitions(service)) == (["archived"], ["feb", "jan"])


async def test_a_column_that_was_made_anew_is_a_change(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    service.execute("alter table $s.readings drop column note, add column note text default 'new'")
    service.execute("alter table $s.readings alter column note drop default")
    assert (await remove(service)).removed == 0
    assert service.jobs()[0]["removal_error"]["code"] == "source-changed"


async def test_a_renamed_chunk_is_not_gone(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    service.execute("alter table $s.jan rename to january")
    assert (await remove(service)).removed == 0
    # and is asked for under its name of now
    assert [(job["chunk"].rpartition(".")[2], job["status"]) for job in service.jobs()] == [
        ("jan", "archived"),
        ("january", "queued"),
    ]


async def test_who_is_faster_is_noticed(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    service.execute("drop table $s.jan")
    assert (await remove(service)).removed == 0
    assert statuses(service) == ["archived"]
    # whether a table that is gone is rows that are gone is for one to decide
    await service.runtime.reconciler.reconcile(timedelta(minutes=1))
    [job] = service.jobs()
    assert (job["status"], job["removal_error"]["code"]) == ("removed", "was-gone")


async def test_a_detached_partition_is_not_gone(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    service.execute("alter table $s.readings detach partition $s.jan")
    assert (await remove(service)).removed == 0
    [job] = service.jobs()
    assert (job["status"], job["removal_error"]["code"]) == ("archived", "unknown-chunk")


async def test_a_ledger_of_its_own(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    removals: Any = service.runtime.chunk_removal._removals
    service.execute(TABLE)
    await archive(service, "jan")
    monkeypatch.setattr(removals, "shares_source", False)
    assert (await remove(service)).removed == 1
    assert (statuses(service), partitions(service)) == (["removed"], ["feb"])


async def test_policies_decide_unless_the_request_does(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan", remove=None)
    await archive(service, "feb", remove=False)
    policy = "insert into archival.policy values ('$s.readings', interval '0', {}) on conflict (hypertable) do update set {}"
    try:
        service.execute(policy.format("null", "remove_after = null"))
        assert (await remove(service)) == RemovalReport()
        service.execute(policy.format("null", "remove_after = now() - timestamptz '2026-01-31Z'"))
        assert (await remove(service)) == RemovalReport()
        service.execute(policy.format("null", "remove_after = interval '1 day', enabled = false"))
        assert (await remove(service)) == RemovalReport()
        service.execute(policy.format("null", "enabled = true"))
        assert await service.runtime.chunk_removal.preview(10) == {f"{service.schema}.jan": None}
        assert (await remove(service)).removed == 1
        assert partitions(service) == ["feb"]
    finally:
        service.execute("delete from archival.policy where hypertable = '$s.readings'")


async def test_late_rows_of_a_removed_chunk_are_archived_beside_it(service: Service) -> None:
    service.execute(TABLE)
    await archive(service, "jan")
    before = service.rows("select * from $s.jan")
    assert (await remove(service)).removed == 1
    service.execute("create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z')")
    service.execute("insert into $s.readings values ('2026-01-15Z', 1, 'late')")
    await archive(service, "jan")
    assert (await remove(service)).removed == 1
    assert statuses(service) == ["removed", "removed"]
    assert published(service).count_rows() == len(before) + 1
    folders = sorted(folder.name for folder in (service.lake / "tables" / f"{service.schema}.readings").iterdir())
    assert folders == ["_delta_log", f"{service.schema}.jan_r0", f"{service.schema}.jan_r1"]
    # a third request finds nothing to archive, and that is no failure
    await archive(service, "jan")
    assert service.jobs()[-1]["error"]["code"] == "removed"
    assert statuses(service)[-1] == "skipped"
