"""Which questions compare numbers that DuckDB has as text, as DuckDB's own plans tell."""

from __future__ import annotations

import pytest

from archival_core.query.engine.numbers import Place, compared

T = ("public", "t")
TABLES = {
    T: {
        "id": "INTEGER",
        "v": "VARCHAR",
        "w": "VARCHAR",
        "vs": "VARCHAR[]",
        "d": "DOUBLE",
        "s": "VARCHAR",
        "time": "TIMESTAMPTZ",
    }
}
TEXTS: list[Place] = [(T, "v"), (T, "w"), (T, "vs")]


def _columns(sql: str) -> list[str]:
    return [column for _, column in compared(sql, TABLES, TEXTS)]


@pytest.mark.parametrize(
    "sql",
    [
        "select * from t order by time",
        "select v, w from t where v is not null limit 3",
        "select cast(v as decimal(38, 10)) as n from t where v::double > 9 order by n",
        "select max(cast(v as double)), sum(v::decimal(38, 10)) from t group by s",
        "select list_max(cast(vs as double[])), list_transform(vs, lambda x: cast(x as double)) from t",
        "select v::varchar from t where v::varchar = '9' group by all",
        "select arg_max(v, time), first(v order by id), list(v order by time), count(v), any_value(v) from t",
        "select lag(v) over (partition by s order by id), v || 'x', to_json(v), {'a': v}, [v], unnest(vs) from t",
        "select vs[1], vs[1:2], len(vs), array_to_string(vs, ','), e from t, unnest(t.vs) u(e)",
        "select coalesce(v, w), case when id = 1 then v end from t union all select v, w from t",
        "with a as (select v as n from t) select n from a",
        "select v from t qualify row_number() over (partition by id order by time desc) = 1",
        "select a.v from t a join t b using (id) where exists (select 1 from t c where c.id = a.id and c.w is null)",
        "select distinct on (id) v from t order by id",
        "select min(s), max(d) from t where s > 'a' and id in (1, 2)",
        "select id from t a, lateral (select a.v::double as n) b where n > 3",
        "describe t",
    ],
)
def test_values_that_are_handed_on_or_cast_are_not_compared(sql: str) -> None:
    assert _columns(sql) == []


@pytest.mark.parametrize(
    "sql",
    [
        "select max(v) from t",
        "select min(v) over (order by id) from t",
        "select max(v) filter (where id = 1) from t",
        "select * from t where v = 10",
        "select * from t where v = '10'",
        "select v = d from t",
        "select v = s from t",
        "select id from t where v in (1, 2)",
        "select id from t where v in (select s from t)",
        "select case v when 10 then 1 end from t",
        "select nullif(v, 10) from t",
        "select v from t where v between '1' and '2'; -- texts",
        "select v from t order by v",
        "select length(v) from t where v like '1%'",
        "select map([v], [1])['9'] from t",
        "select b.id from t a, lateral (select id from t c where c.s = a.v) b",
        "select s from t group by s having max(v) > '1'",
        "select v from t group by v",
        "select distinct v from t",
        "select count(distinct v) from t",
        "select list(distinct v) over () from t",
        "select mode(v) from t",
        "select greatest(v, s) from t",
        "select arg_max(id, v) from t",
        "select first(id order by v) from t",
        "select row_number() over (order by v) from t",
        "select row_number() over (partition by v order by id) from t",
        "select a.id from t a join t b using (v)",
        "select a.id from t a asof join t b on a.v >= b.v",
        "select v from t intersect select s from t",
        "select v from t except all select s from t",
        "select v from t union select s from t",
        "with recursive r as (select v, 1 as n from t union select v, n + 1 from r where n < 3) select v from r",
        "with recursive r using key (v) as (select v, 1 n from t union all select v, n + 1 from r where n < 3) from r",
        "select a.id from t a join t b on a.v is not /**/ distinct /**/ from b.s",
        "select a.id from t a left join lateral (select s from t b where b.id = a.id) c on a.v is not distinct from c.s",
        "with a as (select v as n from t) select max(n) from a",
        "select max(n) from (select v as n from t union all select d from t)",
        "select (select max(v) from t b where b.id = a.id) from t a",
        "select max(n.v) from (select {'v': v} as n from t)",
        "select id from t where (v, id) = ('10', 1)",
    ],
)
def test_a_column_is_named_whose_text_would_be_compared(sql: str) -> None:
    assert _columns(sql) == ["v"]


@pytest.mark.parametrize(
    "sql",
    [
        "select list_max(vs) from t",
        "select list_sort(vs) from t",
        "select list_mode(vs) from t",
        "select list_aggregate(vs, 'min') from t",
        "select array_distinct(vs) from t",
        "select e from t, unnest(t.vs) u(e) where e = '10'",
        "select list_contains(vs, '10') from t",
        "select list_filter(vs, lambda x: x = '10') from t",
        "select list_transform(vs, lambda x: greatest(x, x)) from t",
        "select unnest(vs) as n from t order by n",
        "select vs[1] in ('9', '10') from t",
    ],
)
def test_a_column_of_lists_is_named_too(sql: str) -> None:
    assert _columns(sql) == ["vs"]


def test_all_columns_are_named_that_would_be_compared() -> None:
    assert _columns("select v from t where v = w") == ["v", "w"]
    assert _columns("summarize t") == _columns("select t from t order by t") == ["v", "w", "vs"]


@pytest.mark.parametrize(
    "sql", ["select nothing from t", "select sum(v) from t", "select v + 1 from t", "select v > 10.5 from t"]
)
def test_what_is_wrong_with_a_question_is_left_to_who_answers_it(sql: str) -> None:
    assert _columns(sql) == []


def test_a_text_that_is_wanted_as_text_is_compared() -> None:
    assert compared("select max(v) from t", TABLES, []) == []
