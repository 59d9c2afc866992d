"""A table in the lake has one schema, whatever becomes of the hypertable."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from archival_core.model.chunks.grounds import TableIdentity
from archival_core.model.lake.lake_column import EXACT, EXACT_NUMBER, LakeColumn, SeenColumn, decide, lake_name, learn

TABLE, MADE_AGAIN = TableIdentity(oid=1, born="700"), TableIdentity(oid=2, born="900")
START = datetime(2026, 1, 1, tzinfo=UTC)
TIME = SeenColumn(1, "time", "timestamp with time zone", "timestamp[us, tz=UTC]")
PRICE = SeenColumn(2, "price", "numeric(10,2)", "decimal128(10, 2)")


class Lake:
    """What the ledger knows of one table, and each day another look at the hypertable."""

    def __init__(self) -> None:
        self.known: dict[int, LakeColumn] = {}
        self.day = 0

    def see(self, *seen: SeenColumn, table: TableIdentity | None = TABLE, day: int | None = None) -> tuple[LakeColumn, ...]:
        self.day += 1
        decided = decide(tuple(self.known.values()), seen, table, at(self.day if day is None else day))
        self.known |= {column.number: column for column in decided.changed}
        assert decide(tuple(self.known.values()), seen, table, at(self.day if day is None else day)).changed == ()
        return decided.columns

    @property
    def there(self) -> dict[int, str]:
        return {number: column.name for number, column in sorted(self.known.items()) if column.until is None}


def at(day: int) -> datetime:
    return START + timedelta(days=day)


def names(columns: Sequence[LakeColumn]) -> list[tuple[int, str]]:
    return [(column.number, column.name) for column in columns]


def column(attnum: int, name: str, form: str = "int32", kind: str = "integer", default: str | None = None) -> SeenColumn:
    return SeenColumn(attnum, name, kind, form, default)


def test_the_first_look_gives_numbers_and_names() -> None:
    lake = Lake()
    found = lake.see(TIME, PRICE)
    assert found == (
        LakeColumn(1, TABLE, 1, "time", "time", TIME.postgresql_type, TIME.form, None, at(1)),
        LakeColumn(2, TABLE, 2, "price", "price", PRICE.postgresql_type, PRICE.form, None, at(1)),
    )
    assert lake.see(TIME, PRICE) == found


def test_a_new_column_is_added_with_what_earlier_rows_have() -> None:
    lake = Lake()
    lake.see(TIME)
    added = lake.see(TIME, column(2, "n", default="7"))[1]
    assert (added.number, added.default, added.since) == (2, "7", at(2))
    # VACUUM FULL and its like make PostgreSQL forget
    assert lake.see(TIME, column(2, "n"))[1].default == "7"


def test_a_dropped_column_stays_and_its_number_is_not_given_again() -> None:
    lake = Lake()
    lake.see(TIME, PRICE)
    lake.see(TIME)
    assert lake.there == {1: "time"}
    assert lake.known[2].until == at(2)
    assert names(lake.see(TIME, column(3, "n"))) == [(1, "time"), (3, "n")]


def test_a_column_that_is_dropped_and_added_again_is_another_one() -> None:
    lake = Lake()
    lake.see(TIME, PRICE)
    again = SeenColumn(3, "price", PRICE.postgresql_type, PRICE.form)
    assert names(lake.see(TIME, again)) == [(1, "time"), (3, "price__2")]


def test_a_renamed_column_goes_on_as_another_one() -> None:
    lake = Lake()
    lake.see(TIME, PRICE)
    renamed = SeenColumn(2, "cost", PRICE.postgresql_type, PRICE.form)
    assert names(lake.see(TIME, renamed)) == [(1, "time"), (3, "cost")]
    assert lake.known[2].until == at(2)
    assert {c.attnum for c in lake.known.values() if c.name in ("price", "cost")} == {2}


def test_two_columns_that_change_names_keep_their_values_apart() -> None:
    lake = Lake()
    lake.see(column(1, "a"), column(2, "b"))
    assert names(lake.see(column(1, "b"), column(2, "a"))) == [(3, "b__2"), (4, "a__2")]
    assert names(lake.see(column(1, "a"), column(2, "b"))) == [(1, "a"), (2, "b")]
    assert lake.there == {1: "a", 2: "b"}


@pytest.mark.parametrize(
    ("kind", "form"),
    [("numeric(12,4)", "decimal128(12, 4)"), ("numeric", "string"), ("double precision", "double")],
)
def test_a_column_whose_form_changes_goes_on_as_another_one(kind: str, form: str) -> None:
    lake = Lake()
    lake.see(TIME, PRICE)
    assert names(lake.see(TIME, SeenColumn(2, "price", kind, form))) == [(1, "time"), (3, "price__2")]
    back = lake.see(TIME, PRICE)[1]
    assert (back.number, back.since, back.until) == (2, at(1), None)
    assert lake.see(TIME, SeenColumn(2, "price", "integer", "int32"))[1].name == "price__3"


def test_a_type_of_the_same_form_is_the_same_column() -> None:
    lake = Lake()
    lake.see(column(1, "s", "string", "character varying(10)"))
    [longer] = lake.see(column(1, "s", "string", "character varying(20)"))
    assert (longer.number, longer.postgresql_type) == (1, "character varying(20)")


def test_what_rows_had_before_outlives_a_change_of_type() -> None:
    lake = Lake()
    lake.see(TIME, column(2, "n", default="7"))
    assert lake.see(TIME, column(2, "n", "int64", "bigint"))[1].default == "7"
    assert lake.see(TIME, column(2, "m", "int64", "bigint"))[1].default == "7"
    assert lake.see(TIME, column(3, "n"))[1].default is None


def test_a_table_made_again_goes_on_with_columns_of_the_same_name_and_form() -> None:
    lake = Lake()
    lake.see(TIME, PRICE, column(3, "n"))
    found = lake.see(TIME, column(2, "n"), SeenColumn(3, "price", "numeric(12,4)", "decimal128(12, 4)"), table=MADE_AGAIN)
    assert names(found) == [(1, "time"), (3, "n"), (4, "price__2")]
    assert [(c.table, c.attnum) for c in found] == [(MADE_AGAIN, 1), (MADE_AGAIN, 2), (MADE_AGAIN, 3)]
    assert lake.known[2].until == at(2)
    # its `attnum` says nothing of the column that had this one in the table before
    assert lake.see(TIME, column(2, "price"), table=MADE_AGAIN)[1].name == "price__3"


def test_what_was_dropped_does_not_come_back_with_another_table() -> None:
    lake = Lake()
    lake.see(TIME, column(2, "n"))
    lake.see(TIME)
    assert names(lake.see(TIME, column(2, "n"), table=MADE_AGAIN)) == [(1, "time"), (3, "n__2")]


def test_a_table_that_nobody_could_tell_before_is_taken_by_its_names() -> None:
    lake = Lake()
    lake.see(TIME, PRICE, table=None)
    assert names(lake.see(TIME, PRICE)) == [(1, "time"), (2, "price")]
    assert lake.known[2].table == TABLE


def test_a_snapshot_of_before_the_last_change_finds_its_columns_and_changes_nothing() -> None:
    lake = Lake()
    lake.see(TIME, PRICE)
    lake.see(TIME, SeenColumn(2, "cost", PRICE.postgresql_type, PRICE.form), day=5)
    before = dict(lake.known)
    assert names(lake.see(TIME, PRICE, day=4)) == [(1, "time"), (2, "price")]
    assert lake.known == before


def test_a_column_that_only_an_older_snapshot_has_is_gone_at_once() -> None:
    lake = Lake()
    lake.see(TIME, day=1)
    lake.see(TIME, PRICE, day=5)
    [_, short] = lake.see(TIME, column(9, "short"), day=4)
    assert (short.number, short.name, short.since, short.until) == (3, "short", at(4), at(4))
    assert lake.there == {1: "time", 2: "price"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("price", "price"),
        ("Price", "Price"),
        ("größe", "größe"),
        ("my temp", "my_x20_temp"),
        ("a.b", "a_x2e_b"),
        ("temp °C", "temp_x20__xb0_C"),
        ("a,b;c{d}(e)\n\t=", "a_x2c_b_x3b_c_x7b_d_x7d__x28_e_x29__xa__x9__x3d_"),
        ("😀", "_x1f600_"),
        ("100%", "100_x25_"),
        ('"', "_x22_"),
        ("a`b", "a_x60_b"),
        ("a/b\\c", "a_x2f_b_x5c_c"),
    ],
)
def test_names_that_engines_cannot_take_are_escaped(name: str, expected: str) -> None:
    assert lake_name(name, []) == expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("a", "A", "A__2"),
        ("ß", "SS", "SS__2"),
        ("é", "É", "É__2"),
        ("a b", "a_x20_b", "a_x20_b__2"),
        ("a b", "A_X20_B", "A_X20_B__2"),
    ],
)
def test_names_that_differ_only_in_case_or_by_their_escapes_are_numbered(one: str, other: str, expected: str) -> None:
    assert [c.name for c in Lake().see(column(1, one), column(2, other))][1] == expected


@pytest.mark.parametrize("name", [EXACT, EXACT.upper()])
def test_no_column_takes_the_name_of_the_exact_values(name: str) -> None:
    [found] = Lake().see(column(1, name))
    assert found.name == f"{name}__2"
    assert found.number != EXACT_NUMBER


def test_a_name_that_looks_numbered_is_kept_apart() -> None:
    lake = Lake()
    lake.see(column(1, "a__2"), column(2, "a"))
    assert lake.see(column(1, "a__2"), column(2, "a", "int64"))[1].name == "a__3"


def test_manifests_teach_a_ledger_that_knows_nothing() -> None:
    told = Lake()
    first, later = told.see(TIME, PRICE), told.see(TIME, SeenColumn(2, "cost", PRICE.postgresql_type, PRICE.form))
    anew = Lake()
    for day, columns in ((1, first), (2, later)):
        decided = learn(tuple(anew.known.values()), columns, at(day))
        anew.known |= {c.number: c for c in decided.changed}
        assert decided.columns == columns
    assert anew.known == told.known


def test_an_older_manifest_says_nothing_about_what_is_there() -> None:
    told = Lake()
    first, later = told.see(TIME, PRICE), told.see(TIME)
    known = {c.number: c for c in learn((), later, at(2)).changed}
    changed = learn(tuple(known.values()), first, at(1)).changed
    assert [(c.number, c.until) for c in changed] == [(2, at(1))]


def test_a_number_or_a_name_that_is_anothers_is_not_taken_from_it() -> None:
    lake = Lake()
    [time, price] = lake.see(TIME, PRICE)
    stranger = Lake()
    [_, other_form, other_number] = stranger.see(TIME, column(2, "price"), column(3, "x"))
    decided = learn((time, price), [time, other_form], at(9))
    assert [c.number for c in decided.columns] == [1]
    same_name = [LakeColumn(7, TABLE, 2, "PRICE", "PRICE", "integer", "int32", None, at(9))]
    assert learn((time, price), same_name, at(9)).columns == ()
    assert [c.number for c in learn((time, price), [other_number], at(9)).changed] == [3, 1, 2]
