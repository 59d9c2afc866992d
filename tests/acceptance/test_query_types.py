"""Every type: a live value and an archived one are the same to whoever asks, and what a type cannot hold is said."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from archival_core.errors import PermanentError
from tests.acceptance.conftest import Service
from tests.contract.test_round_trip import PREPARE
from tests.contract.type_values import NOT_HELD, TYPES
from tests.kit.asking import asked, queries_of

#: What DuckDB calls the types of PostgreSQL that are its own; others are text.
PRESENTED = {
    "smallint": "SMALLINT",
    "integer": "INTEGER",
    "bigint": "BIGINT",
    "real": "FLOAT",
    "double precision": "DOUBLE",
    "numeric(10,2)": "DECIMAL(10,2)",
    "numeric": "VARCHAR",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "time": "TIME",
    "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMP WITH TIME ZONE",
    "interval": "INTERVAL",
    "interval[]": "INTERVAL[]",
    "uuid": "UUID",
    "uuid[]": "UUID[]",
    "json": "JSON",
    "jsonb": "JSON",
    "bytea": "BLOB",
    "integer[]": "INTEGER[]",
    "inet": "VARCHAR",
    "mood": "VARCHAR",
}


def _prepare(service: Service, columns: dict[str, list[str]]) -> None:
    """A table with a column for each type; what is in its partition `kept` is in `gone` too."""
    types = PREPARE.partition(";")[2] if not service.rows("select 1 from pg_type where typname = 'mood'") else ""
    service.execute(f"set search_path = $s, public; {types}")
    names = {kind: f"c{number}" for number, kind in enumerate(columns)}
    declared = ", ".join(f"{names[kind]} {kind}" for kind in columns)
    rows = max(map(len, columns.values())) + 1
    service.execute(
        "set search_path = $s, public;"
        f"create table $s.readings (time date not null, n int, {declared}) partition by range (time);"
        "create table $s.gone partition of $s.readings for values from ('2026-01-01') to ('2026-02-01');"
        "create table $s.kept partition of $s.readings for values from ('2026-02-01') to ('2026-03-01');"
    )
    for day in ("2026-01-15", "2026-02-15"):
        for row in range(rows):
            values = ", ".join(f"({given[row]})::{kind}" if row < len(given) else "null" for kind, given in columns.items())
            service.execute(f"set search_path = $s, public; insert into $s.readings values ('{day}', {row}, {values})")


async def _remove(service: Service, chunk: str) -> None:
    await service.publish(hypertable=f"{service.schema}.readings", chunk=f"{service.schema}.{chunk}", remove=True)
    await service.work()
    assert (await service.runtime.chunk_removal.remove_due(timedelta(minutes=1))).removed == 1


@pytest.mark.own_database
@pytest.mark.usefixtures("at_once")
async def test_every_type_is_the_same_live_and_archived(service: Service) -> None:
    columns = {kind: values for kind, values in TYPES.items() if kind != "xml"}
    _prepare(service, columns)
    queries = queries_of(service)
    sql = "select * from {0}.readings where time {1} '2026-02-01' order by n"
    before = (await asked(queries, sql.format(service.schema, "<"))).result
    await _remove(service, "gone")

    archived = await asked(queries, sql.format(service.schema, "<"))
    assert (archived.figures.archives_read, archived.figures.live_rows) == (1, 0)
    kept = await asked(queries, sql.format(service.schema, ">="))
    assert (kept.figures.archives_read, kept.figures.archives) == (0, 1)

    for number, kind in enumerate(columns):
        name = f"c{number}"
        assert archived.result.schema.field(name).type == kept.result.schema.field(name).type, kind
        assert _told(archived.result.column(name)) == _told(before.column(name)) == _told(kept.result.column(name)), kind
    typed = ", ".join(f"typeof(c{number}) as c{number}" for number in range(len(columns)))
    [types] = (await asked(queries, f"select {typed} from {service.schema}.readings limit 1")).result.to_pylist()
    given = {kind: types[f"c{number}"] for number, kind in enumerate(columns)}
    assert {kind: given[kind] for kind in PRESENTED} == PRESENTED


@pytest.mark.own_database
@pytest.mark.usefixtures("at_once")
async def test_filters_find_live_and_archived_rows_alike(service: Service) -> None:
    """A filter goes to PostgreSQL and to Parquet, and there to statistics that leave NaN out: the answer has to be DuckDB's."""
    _prepare(service, {kind: TYPES[kind] for kind in FILTERS})
    await _remove(service, "gone")
    queries = queries_of(service)
    table = f"{service.schema}.readings"
    for number, (kind, conditions) in enumerate(FILTERS.items()):
        told = [condition.format(c=f"c{number}") for condition in conditions]
        # a condition that is a column of the result cannot be handed down to the scans
        rows = ", ".join(f'({condition}) as "{condition}"' for condition in told)
        wanted = (await asked(queries, f"select month(time) as month, n, {rows} from {table} order by all")).result.to_pylist()
        for condition in told:
            sql = f"select month(time) as month, n from {table} where {condition} order by all"
            found = [(row["month"], row["n"]) for row in (await asked(queries, sql)).result.to_pylist()]
            assert found == [(row["month"], row["n"]) for row in wanted if row[condition]], (kind, condition)
            live, archived = ([n for month, n in found if month == wanted_month] for wanted_month in (2, 1))
            assert live == archived, (kind, condition)


FILTERS = {
    "smallint": ["{c} = 32767", "{c} < 0", "{c} in (-32768, 3)", "{c} is null", "{c} <> 32767"],
    "bigint": ["{c} >= 9223372036854775807", "{c} < 0 or {c} is null"],
    "real": ["{c} > 1", "{c} >= 'NaN'", "{c} = 'NaN'", "{c} <> 'NaN'", "{c} < 'Infinity'", "not {c} < 100", "{c} = 1.1::float"],
    "double precision": ["{c} > 1", "{c} = 'NaN'", "{c} <> 0.1", "{c} between 0 and 'NaN'", "{c} in (0.1, 'NaN')", "{c} = 0"],
    "numeric(10,2)": ["{c} = 99999999.99", "{c} < 0", "{c} > 0.5", "{c} = 0"],
    "numeric(38,38)": ["{c} > 0.12345678901234567890123456789012345677", "{c} < 0.2"],
    "numeric": ["{c}::varchar = 'NaN'", "{c}::varchar = '1.5'", "try_cast({c} as decimal(38, 10)) = 1.5"],
    "boolean": ["{c}", "not {c}", "{c} is null", "{c} = true"],
    "text": ["{c} = ''", "{c} = 'NULL'", "{c} like '%naïve%'", "{c} > 'a'", "{c} <> '\\.'", "length({c}) > 1000"],
    "varchar(20)": ["{c} = 'a '", "{c} = 'a'"],
    "char(5)": ["{c} = 'ab'", "{c} = 'ab   '"],
    "bytea": ["{c} = ''::blob", "{c} > '\\x00'::blob"],
    "date": ["{c} = 'infinity'", "{c} < '2000-01-01'", "{c} > '2026-01-30' and {c} < '2027-01-01'", "{c} > '9999-12-31'"],
    "time": ["{c} = '24:00'", "{c} < '12:00'"],
    "timestamp": ["{c} = 'infinity'", "{c} < '0001-01-01'", "{c} = '2026-01-31 23:59:59.999999'", "{c} > '2026-01-01'"],
    "timestamptz": ["{c} = '-infinity'", "{c} < '1900-01-01'", "{c} >= '2026-01-31 18:14:59.000001+00'"],
    "interval": ["{c} > interval '1 year'", "{c} = interval '0 days'"],
    "uuid": ["{c} = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"],
    "jsonb": ["{c} ->> 'a' = '1.50'", "{c} is not null"],
    "mood": ["{c} = 'it''s'"],
    "integer[]": ["{c} = [1, NULL, 3]", "len({c}) = 0", "list_contains({c}, 3)"],
}


@pytest.mark.own_database
@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("chunk", ["gone", pytest.param("kept", marks=pytest.mark.slow)])
async def test_a_value_that_a_type_has_not_is_said_and_to_be_had_as_text(service: Service, chunk: str) -> None:
    """Whether the value is archived or live: it is not NULL, and not another value."""
    kinds = {kind: values for kind, values in NOT_HELD.items() if kind not in ("date", "day", "mood[]")}
    _prepare(service, kinds)
    service.execute("delete from $s.readings where time = '2026-02-15'")
    if chunk == "kept":
        service.execute("update $s.readings set time = '2026-02-15'")
        service.execute("insert into $s.readings (time) values ('2026-01-15')")
    await _remove(service, "gone")
    queries = queries_of(service)
    for number, kind in enumerate(kinds):
        sql = f"select c{number} as c from {service.schema}.readings where c{number} is not null or n is not null order by n"
        with pytest.raises(PermanentError) as refused:
            pytest.fail(f"{kind}: {(await asked(queries, sql)).result}")
        assert refused.value.code in ("value-without-form", "query-failed"), kind
        assert "as_text" in str(refused.value), kind
        text = (await asked(queries, sql, as_text=[f"c{number}"])).result.column("c").to_pylist()
        with psycopg.connect(service.url) as connection:
            connection.execute(f"set timezone = 'UTC'; set search_path = {service.schema}, public".encode())
            values = ", ".join(f"(({value})::{kind})::text" for value in kinds[kind])
            printed = connection.execute(f"select {values}".encode()).fetchone() or ()
        assert [value for value in text if value is not None] == [value for value in printed if value is not None], kind


def _told(column: pa.ChunkedArray) -> list[str]:
    """Values as texts, those beyond the reach of Python's own types too."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_list(array.type):
        return [str(pc.list_value_length(array)), *_told(array.flatten())]
    if pa.types.is_timestamp(array.type) or pa.types.is_date32(array.type) or pa.types.is_time64(array.type):
        array = array.view(f"int{array.type.bit_width}")
    return [str(value) for value in array]


@pytest.mark.own_database
@pytest.mark.usefixtures("at_once")
async def test_an_interval_of_more_hours_than_arrow_has_is_said(service: Service) -> None:
    """Whether it is archived, live or computed, and in whichever form the answer goes out."""
    _prepare(
        service, {"interval": ["'3000000 hours'", "'-3000000 hours'", "'2562047:47:16.854775'", "'178000000 years 1 second'"]}
    )
    await _remove(service, "gone")
    queries, table = queries_of(service), f"{service.schema}.readings"
    for sql in (
        f"select c0 from {table} where n < 2",
        f"select c0, n as c0 from {table} where time < '2026-02-01' order by n; -- archived",
        f"select c0 from {table} where time >= '2026-02-01' and n = 1",
        f"select c0 + interval '1 hour' as more from {table} where n = 2",
        f"select [c0] as list from {table} where n = 0",
    ):
        for form in ("json", "parquet"):
            with pytest.raises(PermanentError) as refused:
                pytest.fail(str((await queries.collected(sql, form)).body))
            assert (refused.value.code, "CAST it to VARCHAR" in str(refused.value)) == ("value-without-form", True), sql
    held = await asked(queries, f"select c0, c0 from {table} where n in (2, 3) order by n, time desc;")
    first, second = held.result.columns
    assert [tuple(value) for value in first.to_pylist()] == [(0, 0, 9223372036854775000)] * 2 + [(2136000000, 0, 10**9)] * 2
    assert first == second
    text = await asked(queries, f"select c0::varchar as c from {table} where n < 2 order by n, time")
    assert text.result.column("c").to_pylist() == ["3000000:00:00"] * 2 + ["-3000000:00:00"] * 2


@pytest.mark.own_database
@pytest.mark.usefixtures("at_once")
async def test_a_column_that_is_called_like_the_texts_of_another_is_a_column_of_its_own(service: Service) -> None:
    service.execute(
        """create table $s.readings (time date not null, d date, "d exact" text, p numeric(10,2), "p exact" text,
            "a exact" int[], a date[]) partition by range (time);
        create table $s.gone partition of $s.readings for values from ('2026-01-01') to ('2026-02-01');
        create table $s.kept partition of $s.readings for values from ('2026-02-01') to ('2026-03-01');
        insert into $s.readings select time, '2026-05-05', '1999-09-09', 1.5, 'note', '{1}', '{infinity}'
        from (values (date '2026-01-15'), ('2026-02-15')) as of (time);
        insert into $s.readings select time, 'infinity', null, 2.5, '3.50', null, null
        from (values (date '2026-01-16'), ('2026-02-16')) as of (time)"""
    )
    await _remove(service, "gone")
    sql = f"""select d::varchar as d, "d exact", p::varchar as p, "p exact", "a exact", a::varchar as a
        from {service.schema}.readings order by day(time), time"""
    plain = {"d": "2026-05-05", "d exact": "1999-09-09", "p": "1.50", "p exact": "note", "a exact": [1], "a": "[infinity]"}
    other = {"d": "infinity", "d exact": None, "p": "2.50", "p exact": "3.50", "a exact": None, "a": None}
    assert (await asked(queries_of(service), sql)).result.to_pylist() == [plain, plain, other, other]
    # the columns alone, which is what a scan is asked for
    few = await asked(queries_of(service), f'select d, "d exact" from {service.schema}.readings where "d exact" is not null')
    assert [str(row["d"]) for row in few.result.to_pylist()] == ["2026-05-05"] * 2
