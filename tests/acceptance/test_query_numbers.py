"""Numbers and moments that a question has as text: nothing compares their texts in the place of what they are."""

from __future__ import annotations

import pytest

from archival_core.errors import PermanentError
from archival_core.query.queries import Queries
from tests.acceptance.api_client import api_client
from tests.acceptance.conftest import Service
from tests.acceptance.test_query_tables import remove
from tests.kit.asking import asked, queries_of

pytestmark = [pytest.mark.own_database, pytest.mark.usefixtures("at_once")]

#: Values whose texts are in another order than they are.
COLUMNS = {
    "n": ("numeric", ["9", "10.4", "100", "9.00"], "DECIMAL(38, 10)"),
    "wide": ("numeric(50, 5)", ["9", "10.4", "100", "-1"], "DECIMAL(38, 10)"),
    "paid": ("money", ["9", "10.4", "100", "-1"], "DECIMAL(38, 2)"),
    "clock": ("timetz", ["'9:00+00'", "'10:00+05'", "'11:00+00'", "'10:00-05'"], "TIMETZ"),
    "x": ("xid8", ["'9'", "'10'", "'100'", "'8'"], "UBIGINT"),
    "many": ("numeric[]", ["'{9}'", "'{10.4}'", "'{100}'", "'{-1}'"], "DECIMAL(38, 10)[]"),
}


@pytest.fixture(autouse=True)
def reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUERY_ROLE", "postgres")


async def _prepared(service: Service) -> Queries:
    """Half of the rows archived, half of them live."""
    declared = ", ".join(f"{name} {kind}" for name, (kind, _, _) in COLUMNS.items())
    service.execute(
        f"""create table $s.readings (time timestamptz not null, id int, {declared}) partition by range (time);
        create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
        create table $s.feb partition of $s.readings for values from ('2026-02-01Z') to ('2026-03-01Z')"""
    )
    for row in range(4):
        values = ", ".join(f"({given[row]})::{kind}" for kind, given, _ in COLUMNS.values())
        service.execute(f"insert into $s.readings values ('2026-0{row % 2 + 1}-02Z', {row}, {values})")
    service.execute("create table $s.whole as select * from $s.readings")
    await remove(service, "readings", "jan")
    return queries_of(service)


@pytest.mark.slow
async def test_a_comparison_needs_a_cast_and_is_as_postgresql_has_it(service: Service) -> None:
    queries, table = await _prepared(service), f"{service.schema}.readings"
    for name, (kind, _, cast) in COLUMNS.items():
        for sql in (
            f"select max({name}) from {table}",
            f"select id from {table} order by {name}",
            f"select id from {table} where {name} = 10"
            if "[]" not in kind
            else f"select id from {table} where {name}[1] = '10'",
            f"select count(*) from {table} group by {name}",
        ):
            with pytest.raises(PermanentError) as refused:
                pytest.fail(f"{sql}: {(await asked(queries, sql)).result}")
            assert refused.value.code == "numbers-as-text", sql
            assert f'CAST("{name}" AS {cast})' in str(refused.value), sql
        found = (await asked(queries, f'select id from {table} order by cast("{name}" as {cast}), id')).result
        assert found.column("id").to_pylist() == [n for (n,) in service.rows(f"select id from $s.whole order by {name}, id")], (
            name
        )


async def test_values_that_are_handed_on_are_their_texts(service: Service) -> None:
    queries, table = await _prepared(service), f"{service.schema}.readings"
    sql = f"select n, arg_max(n, id) over () as last, n::varchar = '9' as nine, n is null as none from {table} order by id"
    [n, last, nine, none] = (await asked(queries, sql)).result.columns
    assert n.to_pylist() == ["9", "10.4", "100", "9.00"] and last.to_pylist() == ["9.00"] * 4
    assert (nine.to_pylist(), none.to_pylist()) == ([True, False, False, False], [False] * 4)
    equal = f"select id from {table} where cast(n as decimal(38, 10)) = 10 or n::double = 9 order by id"
    assert (await asked(queries, equal)).result.column("id").to_pylist() == [0, 3]
    # who wants the text everywhere says so
    assert (await asked(queries, f"select max(n) as n from {table}", as_text=["n"])).result.to_pylist() == [{"n": "9.00"}]


async def test_whoever_asks_over_http_is_told(service: Service) -> None:
    await _prepared(service)
    async with api_client() as client:
        for sql, named in (
            ("select max(n) as n from {}", "n (numeric)"),
            ("summarize {}", "n (numeric), wide (numeric(50,5)),"),
        ):
            answer = await client.post("/queries", json={"sql": sql.format(f"{service.schema}.readings")})
            assert (answer.status_code, answer.json()["code"]) == (422, "numbers-as-text"), answer.text
            assert named in answer.text
