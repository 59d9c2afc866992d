"""A column whose type was changed: archived values are what PostgreSQL would have made of them, or are refused."""

from __future__ import annotations

from datetime import timedelta

import pytest

from archival_core.errors import PermanentError
from archival_core.query.queries import Queries
from tests.acceptance.conftest import Service
from tests.acceptance.test_query_tables import remove
from tests.kit.asking import asked, queries_of

pytestmark = [pytest.mark.own_database, pytest.mark.usefixtures("at_once")]

#: type before, a value, type after
KEPT = [
    ("smallint", "7", "bigint"),
    ("bigint", "7", "smallint"),
    ("int", "7", "numeric(12,2)"),
    ("numeric(10,2)", "1.50", "numeric(12,4)"),
    ("real", "0.1", "double precision"),
    ("varchar(5)", "'ab '", "text"),
    ("varchar(5)", "'ab '", "varchar(9)"),
    ("text", "'ab '", "varchar"),
    ("timestamp(3)", "'2026-01-01 00:00:00.123'", "timestamp"),
    ("time(3)", "'12:00:00.123'", "time"),
    ("int[]", "'{1,2}'", "int[]"),
]
#: and PostgreSQL's text of the value before; `None` where it is not known here
REFUSED = [
    ("float8", "1.005", "numeric(10,2)", None),
    ("float8", "1e20", "numeric", None),
    ("float8", "1", "text", None),
    ("float8", "2.5", "int", None),
    ("numeric(10,4)", "2.5", "int", "2.5000"),
    ("numeric(10,4)", "0.00005", "numeric(10,2)", "0.0001"),
    ("numeric(20,10)", "0.0000000001", "numeric", "0.0000000001"),
    ("bytea", r"'\x0102'", "text", r"\x0102"),
    ("int[]", "'{1,2}'", "text", "{1,2}"),
    ("bool[]", "'{t,null}'", "text", "{t,NULL}"),
    ("char(5)", "'ab'", "text", "ab   "),
    ("char(5)", "'ab'", "char(8)", "ab   "),
    ("varchar(5)", "'ab'", "char(8)", "ab"),
    ("text", "'ab   '", "varchar(3)", "ab   "),
    ("bool", "true", "text", "t"),
    ("json", """'{"a":1}'""", "jsonb", '{"a":1}'),
    ("timestamp", "'2026-01-01'", "timestamptz", "2026-01-01 00:00:00"),
    ("timestamp", "'2026-01-01'", "text", "2026-01-01 00:00:00"),
    ("timestamp", "'2026-01-01 00:00:00.5'", "timestamp(0)", "2026-01-01 00:00:00.5"),
    ("inet", "'10.0.0.1'", "text", "10.0.0.1"),
]


async def _prepare(service: Service, columns: list[tuple[str, str, str]]) -> Queries:
    """Column `c<n>` for each of `columns`, with its value in an archived and in a live row, and then its new type."""
    declared = ", ".join(f"c{number} {before}" for number, (before, _, _) in enumerate(columns))
    values = ", ".join(value for _, value, _ in columns)
    service.execute(
        f"""create table $s.readings (time timestamptz not null, {declared}) partition by range (time);
        create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
        create table $s.feb partition of $s.readings for values from ('2026-02-01Z') to ('2026-03-01Z');
        insert into $s.readings values ('2026-01-02Z', {values}), ('2026-02-02Z', {values})"""
    )
    await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.jan", remove=True)
    await service.work()
    assert (await service.runtime.chunk_removal.remove_due(timedelta(minutes=1))).removed == 1
    for number, (_, _, after) in enumerate(columns):
        service.execute(f"alter table $s.readings alter c{number} type {after} using c{number}::{after}")
    return queries_of(service)


async def test_what_keeps_every_value_is_converted(service: Service) -> None:
    queries = await _prepare(service, KEPT)
    for number, kept in enumerate(KEPT):
        answer = await asked(queries, f"select c{number} as c from {service.schema}.readings")
        one, other = answer.result.column("c").to_pylist()
        assert one == other, kept


@pytest.mark.slow
async def test_what_postgresql_converts_by_rules_of_its_own_is_refused(service: Service) -> None:
    queries = await _prepare(service, [(before, value, after) for before, value, after, _ in REFUSED])
    table = f"{service.schema}.readings"
    for number, (*kinds, text) in enumerate(REFUSED):
        sql = f"select c{number} as c from {table}"
        with pytest.raises(PermanentError) as refused:
            pytest.fail(f"{kinds}: {(await asked(queries, sql)).result}")
        assert refused.value.code == "value-without-form", kinds
        assert ("as_text" in str(refused.value)) == (text is not None), kinds
        live = await asked(queries, f"{sql} where time >= '2026-02-01'")
        assert live.result.num_rows == 1, kinds
        if text is not None:
            archived = await asked(queries, f"{sql} where time < '2026-02-01'", as_text=[f"c{number}"])
            assert archived.result.column("c").to_pylist() == [text], kinds
    assert (await asked(queries, f"select time from {table}")).result.num_rows == 2


async def test_a_time_column_that_was_given_a_zone_is_refused(service: Service) -> None:
    service.execute(
        """create table $s.readings (time timestamp not null, n int) partition by range (n);
        create table $s.low partition of $s.readings for values from (0) to (10);
        create table $s.high partition of $s.readings for values from (10) to (20);
        insert into $s.readings values ('2026-01-01', 1), ('2026-01-01', 11)"""
    )
    await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.low", remove=True)
    await service.work()
    assert (await service.runtime.chunk_removal.remove_due(timedelta(minutes=1))).removed == 1
    service.execute("set timezone = 'America/New_York'; alter table $s.readings alter time type timestamptz")
    table = f"{service.schema}.readings"
    for sql in (f"select time from {table}", f"select n from {table} where time < '2026-01-01 03:00:00+00'"):
        with pytest.raises(PermanentError) as refused:
            await asked(queries_of(service), sql)
        assert refused.value.code == "value-without-form"
    assert (await asked(queries_of(service), f"select n from {table}")).result.num_rows == 2


RELABELLED = """
create type $s.state as enum ('new', 'done'); create domain $s.stage as $s.state;
create table $s.readings (time timestamptz not null, one $s.state, several $s.stage[], other int) partition by range (time);
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
create table $s.feb partition of $s.readings for values from ('2026-02-01Z') to ('2026-03-01Z');
insert into $s.readings values ('2026-01-02Z', 'new', '{new}', 7), ('2026-02-02Z', 'new', '{new}', 7);
"""


async def test_labels_of_an_enum_that_were_renamed(service: Service) -> None:
    service.execute(RELABELLED)
    await remove(service, "readings", "jan")
    queries, table = queries_of(service), f"{service.schema}.readings"
    # labels that were added change no value
    service.execute("alter type $s.state add value 'held' before 'done'")
    assert (await asked(queries, f"select one from {table} where one = 'new'")).result.num_rows == 2
    service.execute("alter type $s.state rename value 'new' to 'open'")
    for question in (f"select count(*) from {table} where one = 'open'", f"select several from {table}"):
        with pytest.raises(PermanentError, match="with the labels 'new', 'done' when rows were archived") as caught:
            await asked(queries, question)
        assert caught.value.code == "value-without-form"
    assert (await asked(queries, f"select other from {table}")).result.num_rows == 2
    texts = (await asked(queries, f"select one, several from {table} order by time", as_text=["one", "several"])).result
    assert texts.to_pylist() == [{"one": "new", "several": "{new}"}, {"one": "open", "several": "{open}"}]
    # the archive itself is remembered, and the label may be called as before again
    service.execute("alter type $s.state rename value 'open' to 'new'")
    assert (await asked(queries, f"select one from {table} where one = 'new'")).result.num_rows == 2
