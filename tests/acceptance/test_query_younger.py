"""Columns that are younger than archived rows: what PostgreSQL would give these rows, or a refusal."""

from __future__ import annotations

from datetime import timedelta

import pytest

from archival_core.errors import PermanentError
from tests.acceptance.conftest import Service
from tests.kit.asking import asked, queries_of

pytestmark = [pytest.mark.own_database, pytest.mark.usefixtures("at_once")]

TABLE = """
create table $s.readings (time timestamptz not null, v int) partition by range (time);
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
create table $s.feb partition of $s.readings for values from ('2026-02-01Z') to ('2026-03-01Z');
create table $s.mar partition of $s.readings for values from ('2026-03-01Z') to ('2026-04-01Z');
insert into $s.readings values ('2026-01-02Z', 7), ('2026-02-02Z', 7), ('2026-03-02Z', 7);
"""
#: type, default, and whether DuckDB's type has it
DEFAULTS = [
    ("bytea", r"'\x0102'", True),
    ("bytea", "''", True),
    ("bytea[]", r"array['\x01'::bytea]", False),
    ("int[]", "'{1,null}'", True),
    ("int[]", "'{{1},{2}}'", False),
    ("text[]", "'{a b,c,\"\"}'", True),
    ("text[]", "'{\"NULL\"}'", False),
    ("uuid[]", "'{00000000-0000-0000-0000-000000000001}'", True),
    ("interval", "'1 mon -2 days +01:00'", True),
    ("date", "'0044-03-15 BC'", True),
    ("date", "'infinity'", True),
    ("date[]", "'{-infinity,2026-01-01}'", True),
    ("timestamp", "'0044-03-15 10:00 BC'", True),
    ("timestamptz", "'2026-01-01 00:00:00.123+05'", True),
    ("timestamptz", "'infinity'", True),
    ("float8", "'NaN'", True),
    ("float8", "'-infinity'", True),
    ("real", "0.1", True),
    ("numeric(10,2)", "1.5", True),
    ("numeric(10,2)", "'NaN'", False),
    ("numeric", "1.50", True),
    ("bigint", "-9223372036854775808", True),
    ("bool", "true", True),
    ("jsonb", """'{"a": 1}'""", True),
    ("time", "'24:00'", True),
    ("char(5)", "'ab'", True),
    ("text", "'it''s {x}'", True),
    ("inet", "'10.0.0.1'", True),
]


async def _remove(service: Service, *chunks: str, table: str = "readings") -> None:
    for chunk in chunks:
        await service.publish(hypertable=f"{service.schema}.{table}", chunk=f"{service.schema}.{chunk}", remove=True)
    await service.work()
    assert (await service.runtime.chunk_removal.remove_due(timedelta(minutes=1))).removed == len(chunks)


async def _column(service: Service, column: str, table: str = "readings") -> list[object]:
    sql = f"select {column} as c from {service.schema}.{table} order by time"
    return list((await asked(queries_of(service), sql)).result.column("c").to_pylist())


async def _refused(service: Service, column: str) -> None:
    with pytest.raises(PermanentError) as refused:
        pytest.fail(str(await _column(service, column)))
    assert (refused.value.code, "not certain" in str(refused.value)) == ("value-without-form", True)


@pytest.mark.slow
async def test_a_default_is_read_as_live_values_are(service: Service) -> None:
    service.execute(TABLE)
    await _remove(service, "jan")
    added = ", ".join(f"add c{number} {kind} default {value}" for number, (kind, value, _) in enumerate(DEFAULTS))
    service.execute(f"alter table $s.readings {added}")
    queries, table = queries_of(service), f"{service.schema}.readings"
    for number, (kind, value, is_held) in enumerate(DEFAULTS):
        given = f"typeof(c{number}) || ' ' || c{number}::varchar as c"
        if is_held:
            answer = await asked(queries, f"select {given} from {table}")
            archived, *live = answer.result.column("c").to_pylist()
            assert live == [archived] * 2 and archived is not None, (kind, value)
        else:
            with pytest.raises(PermanentError) as refused:
                await asked(queries, f"select {given} from {table} where time < '2026-02-01'")
            assert refused.value.code == "value-without-form", (kind, value)
        texts = (await asked(queries, f"select c{number} as c from {table}", as_text=[f"c{number}"])).result.column("c")
        assert len(set(texts.to_pylist())) == 1, (kind, value)


async def test_what_is_generated_computed_or_forgotten_is_refused(service: Service) -> None:
    service.execute(TABLE)
    await _remove(service, "jan")
    service.execute(
        """alter table $s.readings add g int generated always as (v * 2) stored;
        alter table $s.readings add volatile float8 default random();
        alter table $s.readings add unit text default 'metre'; alter table $s.readings add note text"""
    )
    for column in ("g", "volatile"):
        await _refused(service, column)
    assert await _column(service, "unit") == ["metre"] * 3
    service.execute("vacuum full $s.feb")
    assert await _column(service, "unit") == ["metre"] * 3
    service.execute("vacuum full $s.mar")
    await _refused(service, "unit")
    assert await _column(service, "note") == [None] * 3
    assert await _column(service, "time is not null") == [True] * 3
    # what is not certain of a value is its type's all the same, where no live row says the type
    sql = f"select date_trunc('day', computed) as c from {service.schema}.readings where time < '2026-02-01' and v = -1"
    service.execute("alter table $s.readings add computed timestamptz default clock_timestamp()")
    assert (await asked(queries_of(service), sql)).result.num_rows == 0


async def test_what_the_ledger_has_recorded_is_known_under_any_name(service: Service) -> None:
    service.execute(TABLE)
    await _remove(service, "jan")
    service.execute("alter table $s.readings add unit text default 'metre'")
    await _remove(service, "feb")
    service.execute("vacuum full $s.mar")
    assert await _column(service, "unit") == ["metre"] * 3
    service.execute("alter table $s.readings rename to measured")
    assert await _column(service, "unit", "measured") == ["metre"] * 3


async def test_a_default_that_no_table_of_before_has_is_refused(service: Service) -> None:
    service.execute(TABLE)
    await _remove(service, "jan", "feb", "mar")
    service.execute("alter table $s.readings add unit text default 'metre'; alter table $s.readings add note text")
    await _refused(service, "unit")
    assert await _column(service, "note") == [None] * 3


async def test_a_partition_that_was_attached_has_no_say(service: Service) -> None:
    service.execute(TABLE)
    await _remove(service, "feb")
    service.execute("alter table $s.readings add unit text")
    service.execute(
        """create table $s.apr (time timestamptz not null, v int); insert into $s.apr values ('2026-04-02Z', 1);
        alter table $s.apr add unit text default 'from apr'; alter table $s.apr alter unit drop default;
        alter table $s.readings attach partition $s.apr for values from ('2026-04-01Z') to ('2026-05-01Z')"""
    )
    await _refused(service, "unit")
    assert (await asked(queries_of(service), f"select v from {service.schema}.readings")).result.num_rows == 4


@pytest.mark.timescaledb
async def test_a_hypertable_s_own_table_remembers_what_its_chunks_forget(timescaledb_service: Service) -> None:
    service = timescaledb_service
    service.execute(
        """create table $s.readings (time timestamptz not null, v int);
        select create_hypertable('$s.readings', 'time', chunk_time_interval => interval '10 days');
        insert into $s.readings values ('2026-01-02Z', 7), ('2026-02-02Z', 7)"""
    )
    chunks = service.rows(
        "select chunk_schema, chunk_name from timescaledb_information.chunks"
        " where hypertable_schema = '$s' order by range_start"
    )
    gone, kept = (f"{schema}.{name}" for schema, name in chunks)
    await service.publish(hypertable=f"{service.schema}.readings", chunk=gone, remove=True)
    await service.work()
    assert (await service.runtime.chunk_removal.remove_due(timedelta(minutes=1))).removed == 1
    service.execute(
        """alter table $s.readings add unit text default 'metre'; alter table $s.readings add note text;
        alter table $s.readings alter note set default 'later'"""
    )
    service.execute(f"vacuum full {kept}")
    assert await _column(service, "unit") == ["metre"] * 2
    assert await _column(service, "note") == [None] * 2
    service.execute("vacuum full $s.readings")
    await _refused(service, "unit")
