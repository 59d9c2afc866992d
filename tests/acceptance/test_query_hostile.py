"""Whoever asks can read tables, and nothing else: no file, no other server, no setting, no memory of the process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import duckdb
import psycopg
import pytest

from archival_core.errors import ArchivalError, PermanentError
from archival_core.query.process.workers import Worker
from archival_core.query.queries import Queries
from archival_core.query.question.limits import Limits
from archival_core.query.question.statement import REFUSED_FUNCTIONS, TABLE_FUNCTIONS, Statement, parse
from tests.acceptance.conftest import Service
from tests.kit.asking import asked, queries_of

SECRET = "not for your eyes"


@pytest.fixture
async def queries(service: Service, tmp_path: Path) -> AsyncIterator[Queries]:
    (tmp_path / "secret.csv").write_text(f"a\n{SECRET}\n")
    duckdb.sql(f"copy (select '{SECRET}' as a) to '{tmp_path}/secret.parquet'")
    service.execute(
        """create table $s.readings (time date not null, v int) partition by range (time);
        create table $s.a partition of $s.readings for values from ('2026-01-01') to ('2026-02-01');
        insert into $s.readings values ('2026-01-01', 1);
        create table $s.hidden (a int); create view $s.seen as select * from $s.readings"""
    )
    yield queries_of(service)


REFUSED = [
    # files
    "select * from '{file}.csv'",
    'select * from "{file}.csv"',
    "select * from read_csv('{file}.csv')",
    "select * from read_text('{file}.csv')",
    "select * from read_blob('/etc/passwd')",
    "select * from read_parquet('{file}.parquet')",
    "select * from parquet_scan('{file}.parquet')",
    "select * from parquet_metadata('{file}.parquet')",
    "select * from read_json_auto('{file}.csv')",
    "select * from sniff_csv('{file}.csv')",
    "select * from glob('/*')",
    "select * from read_duckdb('{file}.db')",
    "with x as (select * from read_text('{file}.csv')) select * from x",
    "select (select content from read_text('{file}.csv'))",
    "select * from query('select * from read_text(''{file}.csv'')')",
    "select * from query_table('{file}.csv')",
    "select * from json_execute_serialized_sql(json_serialize_sql('select 1'))",
    "select json_serialize_plan('select * from read_text(''{file}.csv'')')",
    "copy (select 1) to '{file}.out'",
    "copy $s.readings to '{file}.out'",
    "export database '{file}.d'",
    "import database '{file}.d'",
    "attach '{file}.db'",
    "attach 'postgresql://postgres@localhost/postgres' as p (type postgres)",
    "select * from read_csv('https://example.org/a.csv')",
    "select * from 'azure://archive/tables/x.parquet'",
    # the door by which DuckDB reads archives, whose protocol has digits that nobody knows
    "select * from read_parquet('archived://0')",
    "select * from read_blob('archived00000000000000000000000000000000://0')",
    "select * from 'archived://0'",
    "copy (select 1) to 'archived://0'",
    # extensions, settings, objects
    "install httpfs",
    "load postgres",
    "load '{file}.duckdb_extension'",
    "set threads = 64",
    "reset memory_limit",
    "set global enable_external_access = true",
    "pragma enable_profiling",
    "pragma database_list",
    "call enable_logging('QueryLog')",
    "select * from enable_logging('QueryLog', storage='file', storage_path='{file}')",
    "select * from duckdb_settings()",
    "select * from duckdb_secrets()",
    "select * from duckdb_functions()",
    "select current_setting('memory_limit')",
    "select getvariable('x')",
    "select getenv('HOME')",
    "set variable x = 1",
    "create table t as select 1",
    "create macro f(x) as x",
    "create secret (type azure)",
    "insert into $s.readings values ('2026-01-02', 2)",
    "delete from $s.readings",
    "update $s.readings set v = 2",
    "drop table $s.readings",
    "prepare p as select 1",
    "execute p",
    "begin",
    "checkpoint",
    "vacuum",
    "explain analyze select 1",
    "select 1; drop schema public",
    "select nextval('s')",
    "select write_log('x')",
    # memory of the process, and its time
    "select * from arrow_scan(1::pointer, 2::pointer, 3::pointer)",
    "select * from arrow_scan_dumb(1::pointer, 2::pointer, 3::pointer)",
    "select * from pandas_scan(1::pointer)",
    "select * from python_map_function(1)",
    "select * from seq_scan('x')",
    "select sleep_ms(100000)",
    "select system.main.sleep_ms(100000)",
    "select list_transform([1], lambda x: pg_sleep(x))",
    "select 1 order by sleep_ms(1)",
    "select count(*) over (partition by sleep_ms(1))",
    "select length(repeat('x', 1000000000))",
    "select len(range(1000000000))",
    "select lpad('x', 1000000000, 'y')",
    "select rpad('x', length('y') * 1000000000, 'y')",
    "select list_resize([1], 1000000000)",
    "select * from test_vector_types(1)",
    # what is not the asker's
    "select * from pg_catalog.pg_class",
    "select * from information_schema.tables",
    "select * from archival.job",
    "select * from archival_marks.stand_in",
    "select * from system.information_schema.tables",
    "select * from duckdb_tables",
    "select * from memory.$s.readings",
    'select * from main."part 0.0"',
    'select * from "part 0.0"',
    "select * from $s.a",
    "select * from $s.seen",
    "show tables",
    "select * from (show all tables)",
    "select * from service",
    "select * from reading",
    "select * from sqlite_master",
]


@pytest.mark.parametrize("sql", REFUSED)
async def test_hostile_statements(queries: Queries, service: Service, tmp_path: Path, sql: str) -> None:
    before = sorted(tmp_path.rglob("secret*"))
    with pytest.raises(PermanentError) as refused:
        await asked(queries, sql.replace("{file}", str(tmp_path / "secret")).replace("$s", service.schema))
    assert refused.value.code in ("query-refused", "query-invalid", "unknown-table")
    assert SECRET not in str(refused.value)
    assert sorted(tmp_path.rglob("secret*")) == before
    assert service.rows("select v from $s.readings") == [(1,)]


async def test_the_sandbox_alone_would_refuse_too(queries: Queries, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Were the statement not looked at, DuckDB itself reaches no file, changes no setting, and sees no object of Python."""

    def unread(worker: Worker, sql: str, _: float | None) -> Statement:
        parse_as_ever(worker, "select 1")
        return Statement(sql, frozenset())

    parse_as_ever = Worker.parse
    monkeypatch.setattr(Worker, "parse", unread)
    service = pytest  # an object that DuckDB could find by its name  # noqa: F841
    told = []
    # those that take addresses would end the process
    for sql in REFUSED[: REFUSED.index("select * from arrow_scan(1::pointer, 2::pointer, 3::pointer)")]:
        try:
            told.append(str((await asked(queries, sql.replace("{file}", str(tmp_path / "secret")))).result))
        except ArchivalError as error:
            told.append(str(error))
    assert SECRET not in "".join(told)
    assert sum("disabled" in text or "locked" in text for text in told) > 20
    assert not [path for path in tmp_path.rglob("secret*") if path.suffix not in (".csv", ".parquet")]
    with pytest.raises(PermanentError):
        await asked(queries, "select * from service")


def test_every_function_of_this_version_was_looked_at() -> None:
    """A new version of DuckDB may have functions that do more than compute: look at them before these numbers are changed."""
    found = duckdb.connect().execute(
        "select function_type, count(distinct function_name) from duckdb_functions() where internal group by all order by all"
    )
    assert dict(found.fetchall()) == LOOKED_AT
    known = {name for (name,) in duckdb.connect().execute("select function_name from duckdb_functions()").fetchall()}
    assert known >= REFUSED_FUNCTIONS | TABLE_FUNCTIONS


LOOKED_AT = {"aggregate": 88, "macro": 118, "pragma": 45, "scalar": 616, "table": 87, "table_macro": 4}


async def test_time_and_memory_are_limited(queries: Queries) -> None:
    with pytest.raises(PermanentError) as slow:
        await asked(queries, "select count(*) from range(10000000000) a, range(100) b", limits=Limits(seconds=0.5))
    assert slow.value.code == "query-time"
    with pytest.raises(PermanentError) as large:
        sql = "select count(*) from (select distinct range::varchar || 'x' as r from range(100000000))"
        await asked(queries, sql, limits=Limits(memory_mib=64))
    assert large.value.code == "query-memory"


@pytest.mark.own_database  # marks of other tests name archives of other lakes
async def test_rows_are_read_under_the_rights_of_a_role(queries: Queries, service: Service) -> None:
    role = f"reader_{service.schema}"
    service.execute(f"create role {role}; grant usage on schema $s to {role}; grant select (time) on $s.readings to {role}")
    asking = queries_of(service, role=role)
    try:
        assert (await asked(asking, f"select * from {service.schema}.readings")).result.column_names == ["time"]
        with pytest.raises(PermanentError) as hidden:
            await asked(asking, f"select * from {service.schema}.hidden")
        assert hidden.value.code == "unknown-table"
        with pytest.raises(PermanentError) as column:
            await asked(asking, f"select v from {service.schema}.readings")
        assert column.value.code == "query-invalid"
        with pytest.raises(PermanentError) as nobody:
            await asked(queries_of(service, role="nobody_there"), "select 1")
        assert nobody.value.code == "query-role"
        service.execute("alter table $s.readings enable row level security")
        with pytest.raises(PermanentError) as policies:
            await asked(asking, f"select * from {service.schema}.readings")
        assert policies.value.code == "row-security"
    finally:
        service.execute(f"drop owned by {role}; drop role {role}")


@pytest.mark.own_database  # marks of other tests name archives of other lakes
async def test_sessions_are_read_only_and_say_who_they_are(queries: Queries, service: Service) -> None:
    looked: list[str] = []

    class Look:
        async def begin(self) -> None:
            pass

        def write(self, data: bytes) -> None:
            with psycopg.connect(service.url) as connection:
                found = connection.execute(
                    "select distinct xact_start is null or backend_xmin is not null, backend_xid is null from pg_stat_activity"
                    " where application_name = 'archival_query'"
                ).fetchall()
            looked.extend(map(str, found))

    await queries.ask(f"select * from {service.schema}.readings", "csv", Look())
    assert set(looked) == {"(True, True)"}


def test_a_statement_is_small() -> None:
    for sql in ("select " + "+".join(["1"] * 40_000), "select * from (" * 3000 + "select 1" + ")" * 3000):
        with pytest.raises(PermanentError) as refused:
            parse(sql)
        assert refused.value.code in ("query-refused", "query-invalid")
