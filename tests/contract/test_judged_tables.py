"""A look at the archives that have changed says of a table in the lake what a look at all of its archives says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final, cast
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from archival_core.clients.postgres.database import Database
from archival_core.flows.tables.gathering import Gathered, Gathering
from archival_core.lake.client import LakehouseClient
from archival_core.ledger.pool import LedgerPool
from archival_core.ledger.tables.lake_tables import Entered, HeldTable, LakeTables
from archival_core.model.lake.lake_table import Plan, plan
from archival_core.source.state.marks import mark_schema
from tests.kit.databases import own_database

HYPERTABLE: Final = "public.h"
#: Archives of so many tables of PostgreSQL; every third is of before tables had an identity.
TABLES: Final = 4
INSERT: Final = """
insert into archival.job (job_id, kind, hypertable, chunk, status, settled, revision, relation_oid, relation_born, request_key,
                          requested_by, finished_at, lake_path, manifest, manifest_sha256)
values (%(job)s, 'archive', 'public.h', 'public.c' || %(table)s, 'archived', true, %(revision)s, %(table)s + 1, %(born)s,
        %(job)s::text, 'test', now(), %(folder)s,
        jsonb_build_object('supersedes', %(supersedes)s::text[], 'nonce', %(job)s::text, 'source', %(source)s::jsonb),
        %(job)s::text)
"""
STAND_IN: Final = """
insert into archival_marks.stand_in (archive, kind, hypertable, chunk, lake_path, manifest, oid, born)
select job_id, %(kind)s, hypertable, chunk, lake_path, manifest_sha256, %(table)s + 1, 'b'
from archival.job where job_id = %(job)s
on conflict (archive) do update set kind = excluded.kind, oid = excluded.oid, born = excluded.born
"""


class NoLake:
    """A lake without any folder."""

    async def read_if_there(self, path: str) -> bytes | None:
        return None


class History:
    """A ledger and a source's marks in one database, changed as the service, people and disasters change them."""

    def __init__(self, url: str, pool: LedgerPool) -> None:
        self.connection = psycopg.connect(url, autocommit=True)
        self.tables = LakeTables(pool)
        self.gathering = Gathering(Database(url), cast(LakehouseClient, NoLake()))
        self.archives: list[UUID] = []
        #: archives whose files the table's columns do not describe
        self.unfit: set[str] = set()

    def begin(self) -> None:
        self.archives, self.unfit = [], set()
        # the last has what the deletion of jobs has noted
        for table in ("job", "table_archive", "lake_table", "table_due"):
            self.execute(f"delete from archival.{table}")
        for table in ("reading", "stand_in"):
            self.execute(f"delete from archival_marks.{table}")

    def execute(self, query: str, **values: Any) -> None:
        self.connection.execute(query.encode(), values)

    def folder(self, number: int) -> str:
        return f"tables/public.h/c{number}"

    def archive(self, table: int, supersedes: list[int], *, is_known: bool, is_marked: bool, fits: bool = True) -> None:
        job, number = uuid4(), len(self.archives)
        identity = self.connection.execute(
            "select system_identifier::text, current_database() from pg_control_system()"
        ).fetchone()
        assert identity is not None
        source = Jsonb({"system_identifier": identity[0], "database": identity[1]})
        values = {
            "job": job,
            "table": table,
            "born": "b" if is_known else None,
            "revision": number,
            "folder": self.folder(number),
            "supersedes": [self.folder(other % number) for other in supersedes if number],
            "source": source,
        }
        self.execute(INSERT, **values)
        if is_marked:
            self.execute("insert into archival_marks.reading values (%(job)s, %(nonce)s, 'x')", job=job, nonce=str(job))
        if not fits:
            self.unfit.add(self.folder(number))
        self.archives.append(job)

    def change(self, number: int, change: str, when: str = "true") -> None:
        if self.archives:
            job = self.archives[number % len(self.archives)]
            self.execute(f"update archival.job set {change} where job_id = %(job)s and {when}", job=job)

    def mark(self, number: int, kind: str, table: int | None = None) -> None:
        """A mark of the source; of the archive's own table unless of another."""
        if self.archives:
            job = self.archives[number % len(self.archives)]
            own = self.connection.execute("select relation_oid - 1 from archival.job where job_id = %s", (job,)).fetchone()
            if own is not None:
                self.execute(STAND_IN, job=job, kind=kind, table=own[0] if table is None else table)

    def remove(self, number: int) -> None:
        self.mark(number, "removed")
        self.followed(number)

    def followed(self, number: int) -> None:
        """What the ledger says once it has followed a mark."""
        self.change(number, "status = 'removed', restored_at = null", "status in ('archived', 'superseded')")

    def restore(self, number: int, table: int) -> None:
        """A restore, and what the ledger says once it has followed its mark, whatever it said before."""
        self.mark(number, "restored", table)
        self.change(number, "status = 'archived', restored_at = now()")

    def lose(self, number: int) -> None:
        """The source was put back to before the reading, and `reconcile` has seen it."""
        if self.archives:
            job = self.archives[number % len(self.archives)]
            self.execute("delete from archival_marks.reading where job = %(job)s", job=job)
        self.change(number, "history_lost = true")

    def forget(self, number: int) -> None:
        if self.archives:
            self.execute("delete from archival.job where job_id = %(job)s", job=self.archives[number % len(self.archives)])

    async def commit(self, *, is_early: bool = False) -> str:
        """What a commit does. Returns how it looked; fails where a look at all archives would do something else, unless it is
        too early for that, since the ledger has not followed every mark.
        """
        async with self.tables.held(HYPERTABLE, wait=True) as held:
            assert held is not None
            changed = await held.take_due()
            whole = await self.gathering.whole(held)
            few = None if changed is None else await self.gathering.about(held, changed)
            if few is not None and changed is not None:
                looked_at = changed | {candidate.folder for candidate in few.candidates}
                left_before = await self.left_out(held)
                found, left_out = self.effective(few)
                await held.leave_out(dict.fromkeys(left_out, "x"), looked_at)
                assert await self.left_out(held) == (left_before - looked_at) | left_out
                assert is_early or (found, await self.left_out(held)) == self.effective(whole)
            else:
                found, left_out = self.effective(whole)
                await held.judged(whole.judged_on)
                await held.leave_out(dict.fromkeys(left_out, "x"), None)
            await held.enter([Entered(folder, (), 0) for folder in found.adds])
            await held.leave(found.removes)
        return "all archives" if few is None else "those that have changed"

    def effective(self, gathered: Gathered) -> tuple[Plan, set[str]]:
        """What a commit changes, and the archives that it leaves out, as `fitting.fit` has it."""
        wanted = plan(gathered.candidates)
        kept = wanted.without(set(wanted.adds) & self.unfit)
        adds = tuple(folder for folder in wanted.adds if folder not in kept and folder not in self.unfit)
        return Plan(adds, tuple(folder for folder in wanted.removes if folder not in kept)), set(wanted.adds) - set(adds)

    async def left_out(self, held: HeldTable) -> set[str]:
        query = "select folder from archival.table_archive where left_out is not null"
        rows = await (await held._connection.execute(query)).fetchall()
        return {row["folder"] for row in rows}


@pytest.fixture
async def history(source_database_url: str) -> AsyncIterator[History]:
    """Ledger and marks in a database of the test's own."""
    with own_database(source_database_url) as url:
        pool = LedgerPool(Database(url))
        await pool.migrate()
        opened = History(url, pool)
        opened.execute("create schema archival_marks")
        opened.execute(mark_schema.MAKE)
        yield opened
        opened.connection.close()
        await pool.close()


_NUMBER = st.integers(0, 7)
_TABLE = st.integers(0, TABLES - 1)
_ARCHIVE = st.tuples(
    st.just("archive"), _TABLE, st.lists(_NUMBER, max_size=2), st.integers(0, 5), st.integers(0, 5), st.integers(0, 5)
)
_DOUBT = st.one_of(st.tuples(st.sampled_from(["restore", "prove"]), _NUMBER, _TABLE), st.tuples(st.just("forget"), _NUMBER))
_STEP = st.one_of(
    _ARCHIVE,
    _ARCHIVE,
    st.tuples(st.sampled_from(["remove", "mark first", "supersede", "bring back", "lose", "find", "announce"]), _NUMBER),
    st.tuples(st.sampled_from(["remove", "supersede"]), _NUMBER),
    st.sampled_from([("commit",), ("commit",), ("commit",), ("commit early",)]),
)
#: What leaves doubts behind is rarer than the rest.
_HISTORY = st.lists(_STEP, min_size=4, max_size=20).flatmap(
    lambda steps: st.tuples(st.just(steps), st.none() | _DOUBT, st.integers(0, len(steps))).map(
        lambda drawn: drawn[0] if drawn[1] is None else [*drawn[0][: drawn[2]], drawn[1], *drawn[0][drawn[2] :]]
    )
)


def take(history: History, step: tuple[Any, ...], unfollowed: set[int]) -> None:
    """Change ledger and marks; `unfollowed` are archives whose marks the ledger has not followed yet."""
    match step:
        case ("archive", table, supersedes, of_before, lost, unfit):
            history.archive(table, supersedes, is_known=of_before > 0, is_marked=lost > 0, fits=unfit > 0)
        case ("remove", number):
            history.remove(number)
        case ("mark first", number) if history.archives:
            history.mark(number, "removed")
            # the number of the archive, since more come before the ledger follows
            unfollowed.add(number % len(history.archives))
        case ("supersede", number):
            history.change(number, "status = 'superseded'", "status in ('archived', 'removed')")
        case ("bring back", number):
            history.change(number, "status = 'archived'", "status = 'superseded'")
        case ("lose", number):
            history.lose(number)
        case ("find", number):
            history.change(number, "history_lost = false")
        case ("announce", number):
            history.change(number, "announced = true")
        case ("restore", number, table):
            history.restore(number, table)
        case ("prove", number, table):
            history.change(number, f"relation_oid = {table + 1}, relation_born = 'b'", "status = 'archived'")
        case ("forget", number):
            history.forget(number)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(  # the mark of a restore makes an archive count that another one of its table had taken the place of
    steps=[
        ("archive", 0, [], 1, 0, 0),
        ("archive", 0, [], 1, 1, 0),
        ("remove", 0),
        ("commit",),
        ("restore", 1, 1),
        ("archive", 0, [], 0, 0, 0),
    ]
)
@given(steps=_HISTORY)
async def test_what_has_changed_tells_as_much_as_everything(history: History, steps: list[tuple[Any, ...]]) -> None:
    history.begin()
    await history.commit()
    unfollowed: set[int] = set()
    for step in [*steps, ("commit",)]:
        if step == ("commit early",):
            event(await history.commit(is_early=True))
        elif step != ("commit",):
            take(history, step, unfollowed)
        else:
            # the source tells of a drop at once, and the ledger of what becomes of the table when it has followed
            for number in unfollowed:
                history.followed(number)
            unfollowed.clear()
            event(await history.commit())


async def test_few_are_looked_at(history: History) -> None:
    history.begin()
    for number in range(20):
        history.archive(number, [], is_known=True, is_marked=True)
    assert await history.commit() == "all archives"
    steps: tuple[tuple[Any, ...], ...] = (
        ("archive", 20, [], 1, 1, 1),
        ("archive", 7, [7], 1, 1, 1),
        ("supersede", 7),
        ("remove", 3),
        ("lose", 4),
    )
    for step in steps:
        take(history, step, set())
        assert await history.commit() == "those that have changed"


async def in_table(history: History) -> set[int]:
    query = "select folder from archival.table_archive where entered_at is not null and left_at is null"
    return {int(folder.rpartition("c")[2]) for (folder,) in history.connection.execute(query).fetchall()}


async def test_what_an_archive_bears_on_is_looked_at(history: History) -> None:
    history.begin()
    history.archive(0, [], is_known=True, is_marked=True)
    history.archive(0, [], is_known=True, is_marked=True)
    await history.commit()
    assert await in_table(history) == {1}, "a later revision of the same table"
    history.lose(1)
    assert await history.commit() == "those that have changed"
    assert await in_table(history) == {0}, "that was of a history that is lost"
    history.archive(2, [0], is_known=True, is_marked=True, fits=False)
    assert await history.commit() == "those that have changed"
    history.change(0, "status = 'superseded'")
    assert await history.commit() == "those that have changed"
    assert await in_table(history) == {0}, "what takes its place cannot enter"
    history.unfit.clear()
    history.change(2, "status = 'removed'")
    assert await history.commit() == "those that have changed"
    assert await in_table(history) == {2}, "what it takes the place of leaves with it"


async def test_in_doubt_all_are(history: History) -> None:
    history.begin()
    for number in range(4):
        history.archive(number, [], is_known=True, is_marked=True)
    assert await history.commit() == "all archives"
    history.remove(0)
    assert await history.commit() == "those that have changed"
    history.restore(0, 1)
    assert await history.commit() == "all archives", "rows went back"
    history.change(1, "relation_oid = 4711")
    assert await history.commit() == "all archives", "what it bore on before is not known"
    history.execute("delete from archival_marks.stand_in")
    history.mark(2, "removed")
    history.forget(2)
    assert await history.commit() == "all archives", "an archive is gone"
    history.change(3, "history_lost = true")
    assert await history.commit() == "all archives", "a mark names an archive that the ledger does not know"
    history.execute("delete from archival_marks.stand_in")
    for lost in ("false", "true"):
        history.change(3, f"history_lost = {lost}")
        assert await history.commit() == "all archives", "a folder that the ledger does not know was in the table"
    history.change(3, "history_lost = false")
    assert await history.commit() == "those that have changed"
    history.archive(9, [3], is_known=True, is_marked=True)
    assert await history.commit() == "those that have changed"
    history.execute("alter table archival.job disable trigger note_due_table_gone")
    history.forget(3)
    history.execute("alter table archival.job enable trigger note_due_table_gone")
    history.change(4, "status = 'removed'")
    assert await history.commit() == "all archives", "a folder that the ledger does not know takes part"
    assert await history.commit() == "all archives", "it was in doubt"
    assert await history.commit() == "those that have changed", "nothing is known to have changed"
    history.change(1, "history_lost = true")
    assert await history.commit() == "those that have changed"
    history.execute("update archival.lake_table set judged_on = 'another/server/00000001'")
    history.change(1, "history_lost = false")
    assert await history.commit() == "all archives", "the source has another history"
