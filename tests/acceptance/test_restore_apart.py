"""What is restored into a table of its own is no part of the table that it was archived from: no row is read twice."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from archival_core.errors import PermanentError
from archival_core.flows.asking.restore_requests import RestoreRequest
from archival_core.flows.restore.archive_loader import ArchiveLoader
from archival_core.flows.restore.chunk_restore import RestoreWish
from archival_core.model.chunks.chunk import ChunkRange, Relation
from tests.kit.asking import asked, queries_of
from tests.kit.readings import archive, remove

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = [pytest.mark.own_database, pytest.mark.usefixtures("at_once")]

TABLE = """
create table $s.readings (time timestamptz not null, value integer) partition by range (time);
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
create table $s.feb partition of $s.readings for values from ('2026-02-01Z') to ('2026-03-01Z');
insert into $s.readings select t, 1 from generate_series(timestamptz '2026-01-01Z', '2026-02-28Z', '1 day') t;
"""
JANUARY = "for values from ('2026-01-01Z') to ('2026-02-01Z')"
ROWS = 59


@pytest.fixture
async def removed(service: Service) -> Service:
    """January is in the lake alone."""
    service.execute(TABLE)
    await archive(service, "jan")
    assert (await remove(service)).removed == 1
    return service


async def ask(service: Service, into: str | None, table: str = "readings", chunk: str = "jan") -> None:
    wish = RestoreWish(into=Relation(service.schema, into) if into else None)
    whole = ChunkRange(None, None)
    request = RestoreRequest(
        Relation(service.schema, table), Relation(service.schema, chunk), whole, wish, f"{chunk} {uuid4()}", "test"
    )
    await service.runtime.restore_requests.request(request)


def restores(service: Service) -> list[tuple[str, str | None]]:
    jobs = [job for job in service.jobs() if job["kind"] == "restore"]
    return [(job["status"], (job["error"] or {}).get("code")) for job in jobs]


async def count(service: Service) -> int:
    """Of the table's rows, those of the lake included."""
    answer = await asked(queries_of(service), f"select count(*) as n from {service.schema}.readings")
    [row] = answer.result.to_pylist()
    return int(row["n"])


TREES = {
    "itself": ("readings", f"create table $s.again partition of $s.readings {JANUARY}"),
    "its partition": ("again", f"create table $s.again partition of $s.readings {JANUARY}"),
    "a partition of its partition": (
        "leaf",
        f"create table $s.again partition of $s.readings {JANUARY} partition by range (time);"
        f"create table $s.leaf partition of $s.again {JANUARY}",
    ),
    "what it is attached to": (
        "top",
        f"create table $s.again partition of $s.readings {JANUARY};"
        "create table $s.top (time timestamptz not null, value integer) partition by range (time);"
        "alter table $s.top attach partition $s.readings for values from ('2026-01-01Z') to ('2027-01-01Z')",
    ),
    "a table beside it": (
        "other",
        "create table $s.top (time timestamptz not null, value integer) partition by range (value);"
        "alter table $s.top attach partition $s.readings for values from (0) to (1);"
        "create table $s.other partition of $s.top for values from (1) to (2)",
    ),
}


@pytest.mark.parametrize("tree", TREES)
async def test_a_table_of_the_archive_s_tree_is_refused_where_it_is_asked_for(removed: Service, tree: str) -> None:
    into, made = TREES[tree]
    if tree == "a table beside it":
        removed.execute("drop table $s.feb")
    removed.execute(made)
    with pytest.raises(PermanentError, match=f"{into} is the table that the archive was taken from") as caught:
        await ask(removed, into)
    assert caught.value.code == "into-its-table"
    assert restores(removed) == []


async def test_its_table_is_known_under_another_name(removed: Service) -> None:
    removed.execute("alter table $s.readings rename to before")
    with pytest.raises(PermanentError) as caught:
        await ask(removed, "before")
    assert caught.value.code == "into-its-table"


async def test_a_table_that_is_gone_is_made_by_its_ddl_and_not_as_a_copy(removed: Service) -> None:
    removed.execute("drop table $s.readings")
    with pytest.raises(PermanentError) as caught:
        await ask(removed, "readings")
    assert caught.value.code == "into-its-table"


async def test_a_table_that_was_attached_since_it_was_asked_for(removed: Service) -> None:
    removed.execute("create table $s.copy (like $s.readings)")
    await ask(removed, "copy")
    removed.execute(f"alter table $s.readings attach partition $s.copy {JANUARY}")
    await removed.restore()
    assert restores(removed) == [("failed", "into-its-table")]
    assert removed.rows("select count(*) from $s.copy") == [(0,)]
    assert await count(removed) == ROWS


async def test_a_table_that_is_attached_while_the_archive_is_loaded(removed: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    removed.execute("create table $s.copy (like $s.readings)")
    await ask(removed, "copy")
    load = ArchiveLoader.load

    async def load_and_attach(*arguments: Any) -> None:
        await load(*arguments)
        statement = f"alter table $s.readings attach partition $s.copy {JANUARY}"
        await asyncio.to_thread(removed.execute, statement)

    monkeypatch.setattr(ArchiveLoader, "load", load_and_attach)
    await removed.restore()
    assert restores(removed) == [("failed", "into-its-table")]
    assert removed.rows("select count(*) from $s.copy") == [(0,)]
    assert await count(removed) == ROWS


async def test_a_copy_that_is_attached_is_what_came_back_once_it_is_restored(removed: Service) -> None:
    """As docs/operate.md says: attach it, and restore without `into`, which finds the rows and puts the archive aside."""
    await ask(removed, "copy")
    assert await removed.restore() == []
    removed.execute(f"alter table $s.readings attach partition $s.copy {JANUARY}")
    await ask(removed, None)
    assert await removed.restore() == []
    assert removed.rows("select kind from archival_marks.stand_in") == [("restored",)]
    assert removed.rows("select count(*) from $s.readings") == [(ROWS,)]
    assert await count(removed) == ROWS
    await archive(removed, "copy")
    assert (await remove(removed)).removed == 1
    assert await count(removed) == ROWS
