"""Rows of a whole table are those that PostgreSQL gives, gathered where that pays, and read one by one elsewhere."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager

import psycopg
import pyarrow as pa
import pytest

from archival_core.errors import TransientError
from archival_core.model.chunks.chunk import Relation
from archival_core.source import catalog
from archival_core.source.state.snapshot.waiting import Sessions
from archival_core.source.wire.columns import ColumnPlan, plan_columns
from archival_core.source.wire.gathering import Gathering
from archival_core.source.wire.whole_tables import WholeTable
from tests.contract.source_support import rows
from tests.kit.large_tables import look_large

TABLE = """
CREATE TABLE t (at int NOT NULL, v float8, w float8 NOT NULL, n int, note text) PARTITION BY RANGE (at);
CREATE TABLE t0 PARTITION OF t FOR VALUES FROM (0) TO (10000);
CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (10000) TO (40000) PARTITION BY RANGE (at);
CREATE TABLE t10 PARTITION OF t1 FOR VALUES FROM (10000) TO (20000);
CREATE TABLE t11 PARTITION OF t1 FOR VALUES FROM (20000) TO (40000);
CREATE TABLE t2 PARTITION OF t FOR VALUES FROM (40000) TO (50000);
INSERT INTO t SELECT i, i * 1.5, -i, i % 7, CASE WHEN i % 3 = 0 THEN 'note ' || i % 11 END FROM generate_series(0, 39999) i;
ANALYZE t;
"""
ALL = ("at", "v", "w", "n", "note")


class Read:
    """A table that is read, and how."""

    def __init__(self, url: str, schema: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.url, self.schema, self.sessions, self.settings = url, schema, Sessions(), {"work_mem": "4MB"}
        #: how often somebody has asked whether the tables are still those of the snapshot
        self.checks = 0
        #: the pages that each statement gathers
        self.gathered: list[range] = []
        query = vars(Gathering)["query"].fget

        def noticed(gathering: Gathering) -> str:
            self.gathered.append(gathering.pages)
            return str(query(gathering))

        monkeypatch.setattr(Gathering, "query", property(noticed))

    def checked(self) -> None:
        """Notice whoever asks."""
        self.checks += 1

    def execute(self, statements: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"SET search_path = {self.schema}".encode())
            cursor = connection.execute(statements.encode())
            return cursor.fetchall() if cursor.description else []

    async def batches(
        self, holder: psycopg.Connection, names: tuple[str, ...] = ALL, condition: str = "true"
    ) -> Generator[pa.RecordBatch]:
        """Of the table as it is now; `holder` holds the snapshot."""
        holder.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        [(snapshot,)] = holder.execute("SELECT pg_export_snapshot()").fetchall()
        relation = Relation(self.schema, "t")
        async with await psycopg.AsyncConnection.connect(self.url, autocommit=True) as connection:
            columns = [column for column in await catalog.columns(connection, relation) if column.name in names]
        members = self.execute(f"SELECT relid::oid::bigint FROM pg_partition_tree('{self.schema}.t')")
        oids = tuple(int(str(oid)) for (oid,) in members)

        def plan_of(nulls: Mapping[str, float]) -> ColumnPlan:
            return plan_columns(columns, nulls)

        whole = WholeTable(self.url, snapshot, relation, oids, self.settings, self.sessions, self.checked)
        return whole.read(names, plan_of, condition)

    async def same_as_postgresql(self, names: tuple[str, ...] = ALL, condition: str = "true") -> None:
        with psycopg.connect(self.url, autocommit=True) as holder, closing(await self.batches(holder, names, condition)) as got:
            table = pa.Table.from_batches(got)
        expected = self.execute(f"SELECT {', '.join(names)} FROM t WHERE {condition}")
        assert rows(table) == sorted(expected, key=repr)


@pytest.fixture
def read(source_database_url: str, schema: str, monkeypatch: pytest.MonkeyPatch) -> Read:
    found = Read(source_database_url, schema, monkeypatch)
    found.execute(TABLE)
    look_large(found.url, schema)
    return found


@pytest.mark.parametrize("condition", ["true", "at < 15000", "note = 'note 3'", "n IS NULL OR at BETWEEN 3 AND 30000"])
async def test_rows_that_are_scanned_are_gathered(read: Read, condition: str) -> None:
    await read.same_as_postgresql(condition=condition)
    await read.same_as_postgresql(("at", "note"), condition)
    assert read.gathered


async def test_rows_that_came_and_went(read: Read) -> None:
    read.execute("DELETE FROM t WHERE at % 5 = 0 OR at BETWEEN 3000 AND 9000; UPDATE t SET v = 1 WHERE at % 9 = 0")
    await read.same_as_postgresql()
    assert read.gathered


async def test_a_null_that_the_statistics_know_nothing_of(read: Read) -> None:
    """What was read stays, and the rest travels as arrays, over another session, which has all the locks before it goes on."""
    read.execute("INSERT INTO t SELECT 39000, 1, 1, 1, repeat('y', 200) FROM generate_series(1, 30000)")
    read.execute("INSERT INTO t VALUES (39000, NULL, 1, 1), (45000, 2, 2, 2)")
    with psycopg.connect(read.url, autocommit=True) as holder, closing(await read.batches(holder)) as batches:
        got = [next(batches)]
        [first], checks = read.sessions.pids, read.checks
        while [first] == read.sessions.pids:
            got.append(next(batches))
        assert (checks, read.checks) == (1, 2)
        with pytest.raises(psycopg.errors.LockNotAvailable):
            read.execute("SET lock_timeout = '100ms'; TRUNCATE t2")
        got += batches
    assert rows(pa.Table.from_batches(got)) == sorted(read.execute("SELECT * FROM t"), key=repr)
    assert any(pages.start > 0 for pages in read.gathered)


async def test_an_index_finds_few_rows_sooner(read: Read) -> None:
    read.execute("CREATE INDEX ON t (at)")
    await read.same_as_postgresql(condition="at BETWEEN 100 AND 120")
    assert read.gathered == []
    await read.same_as_postgresql()
    assert read.gathered


async def test_large_values_are_read_one_by_one(read: Read) -> None:
    read.execute("ALTER TABLE t ALTER note SET STORAGE EXTERNAL; INSERT INTO t VALUES (1, 1, 1, 1, repeat('x', 9000))")
    await read.same_as_postgresql()
    assert read.gathered == []
    await read.same_as_postgresql(("at", "v"))
    assert read.gathered


async def test_many_small_partitions_are_one_statement(read: Read) -> None:
    for at in range(50000, 50100):
        read.execute(f"CREATE TABLE t{at} PARTITION OF t FOR VALUES FROM ({at}) TO ({at + 1})")
        read.execute(f"INSERT INTO t VALUES ({at}, 1, 1)")
    look_large(read.url, read.schema)
    await read.same_as_postgresql()
    assert read.gathered == []


@pytest.mark.parametrize(
    ("granted", "is_gathered"),
    [
        ("GRANT SELECT ON t TO {role}", False),
        ("GRANT SELECT ON t, t0, t10, t11, t2 TO {role}", True),
        ("GRANT SELECT (at, note) ON t, t0, t10, t11, t2 TO {role}", False),
        ("GRANT SELECT ON t, t0, t10, t11 TO {role}; GRANT SELECT (at) ON t2 TO {role}", False),
        # of a partition in a schema that the role may not use
        ("GRANT SELECT ON t, t0, t10, t11, t2 TO {role}; CREATE SCHEMA {role}; ALTER TABLE t10 SET SCHEMA {role}", False),
        # of the partition alone, which the table's own rows are not asked for
        ("GRANT SELECT ON t, t0, t10, t11, t2 TO {role}; ALTER TABLE t10 ENABLE ROW LEVEL SECURITY", False),
    ],
)
async def test_rights_are_those_to_the_table(read: Read, granted: str, is_gathered: bool) -> None:
    role = f"reader_{read.schema}"
    read.execute(f"CREATE ROLE {role}; GRANT USAGE ON SCHEMA {read.schema} TO {role}; {granted.format(role=role)}")
    read.settings["role"] = role
    try:
        await read.same_as_postgresql(("at", "note"))
    finally:
        read.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")
    assert bool(read.gathered) is is_gathered


async def test_small_tables_are_not_asked_how_they_are_best_read(read: Read) -> None:
    read.execute("VACUUM t")
    await read.same_as_postgresql()
    assert read.gathered == []


async def test_nulls_in_many_columns(read: Read) -> None:
    """However often it is begun anew, no more than two sessions are open."""
    names = tuple(f"c{number}" for number in range(6))
    read.execute(
        f"DROP TABLE t; CREATE TABLE t (at int NOT NULL, {' text, '.join(names)} text) PARTITION BY RANGE (at);"
        "CREATE TABLE t0 PARTITION OF t FOR VALUES FROM (0) TO (60000); INSERT INTO t SELECT i,"
        f" {', '.join('repeat(chr(97 + i % 26), 40)' for _ in names)} FROM generate_series(1, 59999) i; ANALYZE t"
    )
    for number, name in enumerate(names):
        read.execute(f"UPDATE t SET {name} = NULL WHERE at = {9000 * (number + 1)}")
    # so that the NULLs lie far apart
    read.execute("CREATE INDEX by_time ON t0 (at); CLUSTER t0 USING by_time; DROP INDEX by_time")
    look_large(read.url, read.schema)
    at_once = []
    add = Sessions.with_one_more

    @contextmanager
    def noticed(sessions: Sessions, pid: int) -> Iterator[None]:
        with add(sessions, pid):
            at_once.append(len(sessions.pids))
            yield

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Sessions, "with_one_more", noticed)
        await read.same_as_postgresql(("at", *names))
    assert len(read.gathered) > 3
    assert max(at_once) == 2


@pytest.mark.parametrize("change", ["TRUNCATE t", "DROP TABLE t0, t1, t2"])
async def test_tables_that_went_since_the_snapshot(read: Read, change: str) -> None:
    """The caller notices, once the end has come."""
    with psycopg.connect(read.url, autocommit=True) as holder, closing(await read.batches(holder)) as got:
        read.execute(change)
        assert list(got) == []


@pytest.mark.parametrize("name", ["page", "groups", "chunk", "gathered", '"a ""%s"" {0};\'"'])
async def test_columns_of_any_name(read: Read, name: str) -> None:
    read.execute(f"ALTER TABLE t RENAME n TO {name}; ANALYZE t")
    look_large(read.url, read.schema)
    await read.same_as_postgresql(("at", "v"), f"{name} > 3")
    assert read.gathered


async def test_tables_of_another_shape(read: Read) -> None:
    """A partition with its columns in another order, and some dropped."""
    read.execute(
        "DROP TABLE t2; CREATE TABLE t2 (gone int, note text, w float8 NOT NULL, n int, old text, at int NOT NULL, v float8);"
        "INSERT INTO t2 SELECT 1, 'n' || i, i, i, 'x', i, i FROM generate_series(40000, 49999) i;"
        "ALTER TABLE t2 DROP gone, DROP old; ALTER TABLE t ATTACH PARTITION t2 FOR VALUES FROM (40000) TO (50000);"
        "ALTER TABLE t DROP n; ALTER TABLE t ADD n int; UPDATE t SET n = at % 5; ANALYZE t"
    )
    look_large(read.url, read.schema)
    await read.same_as_postgresql(("at", "v", "w", "note", "n"))
    assert read.gathered


async def test_a_schema_that_takes_the_name_of_another(read: Read) -> None:
    """Nobody's lock keeps a schema from being renamed, and a statement finds its table by the name."""
    former = f"{read.schema}_former"
    with psycopg.connect(read.url, autocommit=True) as holder, closing(await read.batches(holder)) as batches:
        next(batches)
        read.execute(f"ALTER SCHEMA {read.schema} RENAME TO {former}; CREATE SCHEMA {read.schema}")
        for name in ("t", "t10", "t11", "t2"):
            read.execute(f"CREATE TABLE {name} (LIKE {former}.t)")
        try:
            with pytest.raises(TransientError) as raised:
                list(batches)
        finally:
            batches.close()
            read.execute(f"DROP SCHEMA {former} CASCADE")
    assert raised.value.code == "moment-passed"


async def test_virtual_columns_are_computed_as_the_table_does(read: Read) -> None:
    if read.execute("SHOW server_version_num") < [("180000",)]:
        pytest.skip("PostgreSQL 18 brings virtual columns")
    read.execute(
        "ALTER TABLE t ADD twice int GENERATED ALWAYS AS (at * 2) VIRTUAL; DROP TABLE t2;"
        "CREATE TABLE t2 (LIKE t, CHECK (at > 0)); ALTER TABLE t2 ADD twice2 int GENERATED ALWAYS AS (at * 3) VIRTUAL;"
        "ALTER TABLE t2 DROP twice; ALTER TABLE t2 RENAME twice2 TO twice;"
        "ALTER TABLE t ATTACH PARTITION t2 FOR VALUES FROM (40000) TO (50000);"
        "INSERT INTO t (at, w) SELECT i, i FROM generate_series(40000, 49999) i; ANALYZE t"
    )
    look_large(read.url, read.schema)
    await read.same_as_postgresql(("at", "twice"))
    await read.same_as_postgresql(("at", "twice"), "twice > 70000")
    assert read.gathered == []
    await read.same_as_postgresql(("at", "v"))
    assert read.gathered
