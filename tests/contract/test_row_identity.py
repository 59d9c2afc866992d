"""Rows are told by what each type prints of their values, never by a type's own idea of equality."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import psycopg
import pytest
from psycopg import sql

from archival_core.clients.postgres.database import Database
from archival_core.flows.restore.archive_loader import ArchiveLoader
from archival_core.model.chunks.chunk import Relation
from archival_core.source import catalog
from archival_core.source.restore.columns.fitting import FittedColumn, fit_columns
from archival_core.source.restore.loading.staging import StagingTable, drop_staging, ensure_schema
from archival_core.source.restore.proof import row_hash
from archival_core.source.session import READ_SETTINGS, pin_statement
from archival_core.source.statement import name_of
from tests.contract.restore_support import Bench
from tests.contract.type_values import NOT_HELD, TYPES

PREPARE = """
SET datestyle = 'ISO, YMD';
CREATE TYPE mood AS ENUM ('it''s'); CREATE DOMAIN price AS numeric(10, 2); CREATE DOMAIN day AS date;
CREATE TYPE pair AS (a numeric, "the b" text, c integer[]); CREATE TYPE span AS RANGE (subtype = float8);
CREATE DOMAIN prices AS price[];
"""
CHUNK = "CREATE TABLE p PARTITION OF t FOR VALUES FROM (MINVALUE) TO (MAXVALUE);"
#: Values of a type that its own equality, or a careless text, takes for the same.
ALIKE = {
    "double precision": ["'0'", "'-0'"],
    "real[]": ["'{0}'", "'{-0}'", "'{NULL}'", "'{}'", "NULL"],
    "numeric": ["1.0", "1.00", "'NaN'", "'Infinity'", "NULL"],
    "numeric(60,2)[]": ["'{1}'", "'{{1}}'", "'[0:0]={1}'"],
    "text": ["''", "NULL", "'NULL'", "' '", "','", "'\"\"'", "'a'", "'A'", "'(a)'"],
    "char(3)": ["'a'", "'a\t'", "NULL"],
    "timestamptz": ["'infinity'", "'-infinity'", "'294276-12-31 23:59:59.999999+00'", "NULL"],
    "interval": ["'1 month'", "'30 days'", "'720 hours'"],
    "json": ["'{\"a\":1}'", "'{\"a\": 1}'", "' {\"a\":1}'"],
    "text[]": ["'{a,b}'", "'{\"a,b\"}'", "'[2:3]={a,b}'", "'{{a,b}}'", "'{NULL}'", "'{\"NULL\"}'"],
    "pair": ["ROW(NULL, NULL, NULL)", "NULL", "ROW(NULL, '', NULL)", "ROW(1.0, 'a', '{}')", "ROW(1.00, 'a', '{}')"],
    "tstzrange": ["'empty'", "'(,)'", "'[infinity,)'", "NULL"],
    "bit varying": ["B'1'", "B'10'"],
    "inet": ["'10.0.0.1'", "'10.0.0.1/31'"],
    "xml": ["'<a/>'", "'<?xml version=\"1.0\"?><a/>'", "NULL"],
    "xml[]": ["'{<a/>,<b/>}'", "'{<a/><b/>}'", "'{{<a/>},{<b/>}}'", '\'{"<?xml version=\\"1.0\\"?><a/>",<b/>}\''],
    "regproc": ["'abs(int4)'::regprocedure", "'abs(int8)'::regprocedure"],
    "regproc[]": ["ARRAY['abs(int4)'::regprocedure::regproc]", "ARRAY['abs(int8)'::regprocedure::regproc]"],
}


@dataclass
class Loaded:
    """A table `t` with one partition `p`, and its archive in a staging table."""

    bench: Bench
    staging: StagingTable
    columns: tuple[FittedColumn, ...]

    def rows(self, query: sql.Composed) -> list[tuple[str, ...]]:
        """Under the service's own settings."""
        with psycopg.connect(self.bench.url) as connection:
            connection.execute(pin_statement(READ_SETTINGS))
            return connection.execute(query).fetchall()

    def in_table(self) -> list[str]:
        query = sql.SQL("SELECT {} FROM {}").format(
            row_hash.table_identity(self.columns), sql.Identifier(self.bench.schema, "p")
        )
        return sorted(text for (text,) in self.rows(query))

    def in_staging(self) -> list[str]:
        query = sql.SQL("SELECT {} FROM {}").format(row_hash.staged_identity(self.columns), name_of(self.staging.relation))
        return sorted(text for (text,) in self.rows(query))


@asynccontextmanager
async def load(bench: Bench) -> AsyncIterator[Loaded]:
    """Archive `p`, and have the archive beside it for a while."""
    manifest = await bench.archive("t", "p")
    staging = StagingTable.of_trial()
    async with Database(bench.url).connect() as connection:
        await ensure_schema(connection)
        table = Relation(bench.schema, "t")
        columns = fit_columns(manifest, await catalog.columns(connection, table), table, by_number=False)
        await ArchiveLoader(bench.lake, bench.url, staging, manifest, columns).load()
        try:
            yield Loaded(bench, staging, columns)
        finally:
            await drop_staging(connection, [staging])


def _table(columns: dict[str, str]) -> str:
    listed = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
    return f"CREATE TABLE t (at int, {listed}) PARTITION BY RANGE (at); {CHUNK}"


async def test_every_type_is_the_same_in_the_table_and_in_staging(bench: Bench) -> None:
    rows = max(map(len, TYPES.values()))
    values = [[kind_values[row % len(kind_values)] for kind_values in TYPES.values()] for row in range(rows)]
    bench.execute(
        PREPARE + _table({f"c{number}": kind for number, kind in enumerate(TYPES)}),
        *(f"INSERT INTO t VALUES ({row}, {', '.join(listed)})" for row, listed in enumerate(values)),
        "INSERT INTO t (at) VALUES (-1)",
    )
    async with load(bench) as loaded:
        assert loaded.in_table() == loaded.in_staging()


@pytest.mark.parametrize("kind", NOT_HELD)
async def test_so_are_values_that_the_form_does_not_hold(bench: Bench, kind: str) -> None:
    values = ", ".join(f"({number}, {value}::{kind})" for number, value in enumerate([*NOT_HELD[kind], "NULL"]))
    bench.execute(PREPARE + _table({"v": kind}) + f"INSERT INTO t VALUES {values}")
    async with load(bench) as loaded:
        assert loaded.in_table() == loaded.in_staging()


@pytest.mark.parametrize("kind", ALIKE)
async def test_values_that_are_not_the_same_are_told_apart(bench: Bench, kind: str) -> None:
    inserts = [f"INSERT INTO t VALUES (1, {value})" for value in ALIKE[kind]]
    try:
        bench.execute(PREPARE + _table({"v": kind}), *inserts)
    except psycopg.errors.FeatureNotSupported:
        pytest.skip("the server is built without XML")
    async with load(bench) as loaded:
        found = loaded.in_staging()
        assert loaded.in_table() == found
    assert len(set(found)) == len(ALIKE[kind])


async def test_a_type_that_calls_different_values_equal(bench: Bench) -> None:
    """The archive of one is not that of the other, whatever their type says."""
    if ("citext",) not in bench.query("SELECT name FROM pg_available_extensions"):
        pytest.skip("the server has no such extension")
    values = {
        "public.citext": ("'Ab'", "'aB'"),
        "public.citext[]": ("'{Ab}'", "'{aB}'"),
        "calm": ("'Ab'", "'aB'"),
        "two": ("ROW('Ab', 1.0)", "ROW('aB', 1.00)"),
        "numrange": ("'[1.0,2)'", "'[1.00,2)'"),
    }
    bench.execute(
        "CREATE EXTENSION IF NOT EXISTS citext SCHEMA public",
        "CREATE DOMAIN calm AS public.citext",
        "CREATE TYPE two AS (a public.citext, b numeric)",
        _table({f"c{number}": kind for number, kind in enumerate(values)}),
        f"INSERT INTO t VALUES (1, {', '.join(first for first, _ in values.values())})",
    )
    async with load(bench) as loaded:
        assert loaded.in_table() == loaded.in_staging()
        for number, (kind, (first, second)) in enumerate(values.items()):
            assert bench.query(f"SELECT c{number} = {second}::{kind} FROM p") == [(True,)]
            bench.execute(f"UPDATE p SET c{number} = {second}")
            assert loaded.in_table() != loaded.in_staging()
            bench.execute(f"UPDATE p SET c{number} = {first}")
            assert loaded.in_table() == loaded.in_staging()


async def test_columns_do_not_run_into_each_other(bench: Bench) -> None:
    values = ["'a,b', 'c'", "'a', 'b,c'", "'a\",\"b', 'c'", "NULL, 'a'", "'', 'a'", "'a', NULL", "'a', ''"]
    bench.execute(_table({"v": "text", "w": "text"}) + "".join(f"INSERT INTO t VALUES (1, {pair});" for pair in values))
    async with load(bench) as loaded:
        assert loaded.in_table() == loaded.in_staging()
        assert len(set(loaded.in_table())) == len(values)
