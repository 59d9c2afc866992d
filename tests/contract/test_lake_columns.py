"""The columns of a table in the lake, decided with a real ledger and a real hypertable."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import psycopg
import pytest

from archival_core.clients.postgres.database import Database
from archival_core.flows.archive.lake_schema import LakeSchema
from archival_core.ledger.pool import LedgerPool
from archival_core.ledger.tables.lake_columns import LakeColumns
from archival_core.model.chunks.chunk import Relation
from archival_core.model.lake.lake_column import LakeColumn
from archival_core.source import catalog
from archival_core.source.catalog.definition.defaults import stored_before
from archival_core.source.state.snapshot.snapshot import ReadSnapshot
from archival_core.source.state.tables import identity_of

MAKE = "CREATE TABLE {0} (at timestamptz NOT NULL, price numeric(10,2)) PARTITION BY RANGE (at)"
PARTITION = "CREATE TABLE {0}_1 PARTITION OF {0} FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')"
ROW = "INSERT INTO {0} (at) VALUES ('2026-01-02')"


class Table:
    """A partitioned table, altered by people, and what the service makes of its columns."""

    def __init__(self, url: str, pool: LedgerPool, name: Relation) -> None:
        self.url, self.name, self.columns = url, name, LakeColumns(pool)

    def execute(self, *statements: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.format(f"{self.name.schema}.{self.name.name}").encode())

    async def look(self) -> tuple[LakeColumn, ...]:
        async with Database(self.url).connect() as connection:
            chunk = await catalog.find_chunk(connection, self.name, Relation(self.name.schema, f"{self.name.name}_1"))
            async with ReadSnapshot(connection, chunk) as snapshot:
                return await LakeSchema(self.columns).columns_for(
                    connection,
                    self.name,
                    await identity_of(connection, self.name),
                    await catalog.columns(connection, self.name),
                    snapshot.started_at,
                )


@pytest.fixture
def schema_name(source_database_url: str) -> Iterator[str]:
    name = f"lake_columns_{uuid4().hex[:12]}"
    with psycopg.connect(source_database_url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}".encode())
        yield name
        connection.execute(f"DROP SCHEMA {name} CASCADE".encode())


@pytest.fixture
async def table(source_database_url: str, schema_name: str) -> AsyncIterator[Table]:
    pool = LedgerPool(Database(source_database_url))
    made = Table(source_database_url, pool, Relation(schema_name, "t"))
    made.execute(MAKE, PARTITION, ROW)
    yield made
    await pool.close()


def names(columns: tuple[LakeColumn, ...]) -> list[tuple[int, str, str]]:
    return [(column.number, column.name, column.form) for column in columns]


async def test_what_is_decided_is_recorded(table: Table) -> None:
    first = await table.look()
    assert names(first) == [(1, "at", "timestamp[us, tz=UTC]"), (2, "price", "decimal128(10, 2)")]
    assert await table.columns.columns_of(table.name) == first == await table.look()
    table.execute("ALTER TABLE {0} ALTER price TYPE numeric(12,4)", "ALTER TABLE {0} ADD tags text[]")
    assert names(await table.look())[1:] == [(3, "price__2", "decimal128(12, 4)"), (4, "tags", "list<item: string>")]
    assert [column.until is None for column in await table.columns.columns_of(table.name)] == [True, False, True, True]


async def test_a_table_dropped_and_made_again_goes_on(table: Table) -> None:
    [_, price] = await table.look()
    table.execute("DROP TABLE {0}", MAKE, PARTITION)
    [_, again] = await table.look()
    assert (again.number, again.name) == (price.number, price.name)
    assert again.table != price.table


async def test_workers_that_decide_at_once_agree(table: Table) -> None:
    await table.look()
    table.execute("ALTER TABLE {0} RENAME price TO cost", 'ALTER TABLE {0} ADD "Cost" int', "ALTER TABLE {0} ADD n int")
    found = await asyncio.gather(*(table.look() for _ in range(8)))
    assert set(map(str, map(names, found))) == {str(names(found[0]))}
    assert [name for _, name, _ in names(found[0])] == ["at", "cost", "Cost__2", "n"]


async def test_what_rows_have_that_were_stored_before_a_column(table: Table) -> None:
    await table.look()
    table.execute(
        "ALTER TABLE {0} ADD n int DEFAULT 7",
        "ALTER TABLE {0} ADD t timestamptz DEFAULT '2026-01-01 12:00+03'",
        "ALTER TABLE {0} ADD a int[] DEFAULT '{{1,NULL}}'",
        "ALTER TABLE {0} ADD b box[] DEFAULT '{{(1,1),(0,0)}}'",
        "ALTER TABLE {0} ADD s text DEFAULT 'it''s, \"so\"'",
        "ALTER TABLE {0} ADD nothing int",
    )
    defaults = {column.column: column.default for column in (await table.look())[2:]}
    assert defaults == {
        "n": "7",
        "t": "2026-01-01 09:00:00+00",
        "a": "{1,NULL}",
        "b": "{(1,1),(0,0)}",
        "s": 'it\'s, "so"',
        "nothing": None,
    }
    # each row gets a value of its own, so the rows are written anew
    table.execute("ALTER TABLE {0} ADD r float DEFAULT random()")
    found = {column.column: column.default for column in (await table.look())[2:]}
    assert found == defaults | {"r": None}


async def test_a_hypertable_keeps_such_values_itself(table: Table) -> None:
    """TimescaleDB's is a plain table, and its chunks are its children."""
    plain = Relation(table.name.schema, "plain")
    with psycopg.connect(table.url, autocommit=True) as connection:
        connection.execute(f"CREATE TABLE {plain.sql} (a int)".encode())
        connection.execute(f"INSERT INTO {plain.sql} VALUES (1)".encode())
        connection.execute(f"ALTER TABLE {plain.sql} ADD b date DEFAULT 'infinity'".encode())
    async with Database(table.url).connect() as connection:
        assert await stored_before(connection, plain, ["a", "b"]) == {"b": "infinity"}
        assert await stored_before(connection, plain, []) == {}
