"""People reshape the table: they split, merge, swap, attach, detach, rename, recreate and truncate partitions.

Each happens between the archive and the removal, or while one of them is at work. A row belongs to the table if the table's
readers see it: what people drop, they have dropped, and what they move has to be found where it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import psycopg

from tests.faults.stage import Stage, where_chunks_leave
from tests.faults.truth import COLUMNS, MONTHS, SCHEMA, TABLE, Row, fill, invented

_PARENT = f"{SCHEMA}.{TABLE}"
_COLUMNS = ", ".join(COLUMNS)
_MIDDLE = datetime(2026, 1, 16, tzinfo=UTC)
#: identities of new rows: odd ones, and those that a third leaf takes
_FRESH, _THIRD = 5_000_001, 9_000_000
#: which leaf below January has a row
_LEAF = f"(case when id >= {_THIRD} then 2 else (id % 2)::integer end)"


@dataclass(frozen=True, slots=True)
class Reshape:
    """One change of the table."""

    #: changes it in one transaction, says what is true afterwards, and which chunks are not what was asked for any more;
    #: the rows are those of a table that was filled before anything was asked
    change: Callable[[Stage, psycopg.Connection, Sequence[Row]], None]
    #: fills that table, `prepared`
    prepare: Callable[[Stage, psycopg.Connection], list[Row]] = lambda _, __: []
    #: chunks that people ask for afterwards
    then: tuple[str, ...] = ()


def split(stage: Stage, connection: psycopg.Connection, _: Sequence[Row]) -> None:
    """January becomes two partitions, with the same rows."""
    start, end = MONTHS["m1"]
    _run(connection, f"alter table {_PARENT} detach partition {SCHEMA}.m1")
    for name, (first, last) in {"m1a": (start, _MIDDLE), "m1b": (_MIDDLE, end)}.items():
        _run(
            connection,
            f"create table {SCHEMA}.{name} (like {_PARENT} including all)",
            f"insert into {SCHEMA}.{name} select * from {SCHEMA}.m1 where time >= '{first}' and time < '{last}'",
            f"alter table {_PARENT} attach partition {SCHEMA}.{name} for values from ('{first}') to ('{last}')",
        )
        stage.world.truth.ranges[name] = [(first, last)]
    _run(connection, f"drop table {SCHEMA}.m1")
    stage.excused |= {"m1", "m1a", "m1b"}


def merged(stage: Stage, connection: psycopg.Connection, _: Sequence[Row]) -> None:
    """January and February become one partition, with the same rows."""
    start, end = MONTHS["m1"][0], MONTHS["m2"][1]
    _run(connection, f"create table {SCHEMA}.m12 (like {_PARENT} including all)")
    for name in ("m1", "m2"):
        _run(
            connection,
            f"alter table {_PARENT} detach partition {SCHEMA}.{name}",
            f"insert into {SCHEMA}.m12 select * from {SCHEMA}.{name}",
            f"drop table {SCHEMA}.{name}",
        )
    _run(connection, f"alter table {_PARENT} attach partition {SCHEMA}.m12 for values from ('{start}') to ('{end}')")
    stage.world.truth.ranges["m12"] = [(start, end)]
    stage.excused |= {"m1", "m2", "m12"}


def swapped(stage: Stage, connection: psycopg.Connection, prepared: Sequence[Row]) -> None:
    """Another table takes January's place and name, with as many other rows."""
    _run(
        connection,
        f"alter table {_PARENT} detach partition {SCHEMA}.m1",
        f"alter table {SCHEMA}.m1 rename to m1_old",
        f"alter table {SCHEMA}.prepared rename to m1",
        f"alter table {_PARENT} attach partition {SCHEMA}.m1 {_bounds('m1')}",
    )
    stage.world.truth.replaced(stage.world.truth.rows_of("m1"), prepared)


def leaf_swapped(stage: Stage, connection: psycopg.Connection, prepared: Sequence[Row]) -> None:
    """January stays, and one of the leaves below it is another table, with as many other rows."""
    _run(
        connection,
        f"alter table {SCHEMA}.m1 detach partition {SCHEMA}.m1_odd",
        f"drop table {SCHEMA}.m1_odd",
        f"alter table {SCHEMA}.m1 attach partition {SCHEMA}.prepared for values in (1)",
    )
    stage.world.truth.replaced(_odd_rows(stage), prepared)


def leaf_attached(stage: Stage, connection: psycopg.Connection, prepared: Sequence[Row]) -> None:
    """January has a leaf more."""
    _run(connection, f"alter table {SCHEMA}.m1 attach partition {SCHEMA}.prepared for values in (2)")
    stage.world.truth.replaced([], prepared)


def detached(stage: Stage, connection: psycopg.Connection, _: Sequence[Row]) -> None:
    """January's table is nobody's partition any more."""
    _run(connection, f"alter table {_PARENT} detach partition {SCHEMA}.m1")
    stage.world.truth.replaced(stage.world.truth.rows_of("m1"))
    stage.excused.add("m1")


def renamed(stage: Stage, connection: psycopg.Connection, _: Sequence[Row]) -> None:
    """January has another name."""
    _run(connection, f"alter table {SCHEMA}.m1 rename to january")
    stage.world.truth.ranges["january"] = [MONTHS["m1"]]
    stage.excused |= {"m1", "january"}


def names_exchanged(stage: Stage, connection: psycopg.Connection, _: Sequence[Row]) -> None:
    """January is called as February was, and the other way round."""
    for old, new in (("m1", "m0"), ("m2", "m1"), ("m0", "m2")):
        _run(connection, f"alter table {SCHEMA}.{old} rename to {new}")
    for name in ("m1", "m2"):
        stage.world.truth.ranges[name] = [MONTHS["m1"], MONTHS["m2"]]


def recreated(stage: Stage, connection: psycopg.Connection, _: Sequence[Row]) -> None:
    """January is dropped, and made again with as many other rows."""
    rows = stage.world.truth.rows_of("m1")
    others = _others(stage, len(rows))
    _run(connection, f"drop table {SCHEMA}.m1", f"create table {SCHEMA}.m1 partition of {_PARENT} {_bounds('m1')}")
    fill(connection, f"{SCHEMA}.m1", others)
    stage.world.truth.replaced(rows, others)
    stage.excused.add("m1")


def truncated(stage: Stage, connection: psycopg.Connection, _: Sequence[Row]) -> None:
    """January is emptied, and filled with as many other rows, which are frozen at once."""
    rows = stage.world.truth.rows_of("m1")
    others = _others(stage, len(rows))
    _run(connection, f"truncate {SCHEMA}.m1")
    statement = f"copy {SCHEMA}.m1 ({', '.join(COLUMNS)}) from stdin (freeze)"
    with connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
        for row in others:
            copy.write_row(row)
    stage.world.truth.replaced(rows, others)


def rewritten(_: Stage, connection: psycopg.Connection, __: Sequence[Row]) -> None:
    """January's rows move to other pages of another file, and stay what they are."""
    _run(connection, f"create index m1_notes on {SCHEMA}.m1 (note)", f"cluster {SCHEMA}.m1 using m1_notes")


def column_added(_: Stage, connection: psycopg.Connection, __: Sequence[Row]) -> None:
    """The table has a column more, and each of its rows a value in it."""
    _run(connection, f"alter table {_PARENT} add column more integer default 7")


def _as_many(stage: Stage, connection: psycopg.Connection) -> list[Row]:
    return _prepared(connection, _others(stage, len(stage.world.truth.rows_of("m1"))))


def _as_many_odd(stage: Stage, connection: psycopg.Connection) -> list[Row]:
    _divide(connection)
    return _prepared(connection, _others(stage, len(_odd_rows(stage))))


def _some_of_a_third(stage: Stage, connection: psycopg.Connection) -> list[Row]:
    _divide(connection)
    return _prepared(connection, _others(stage, 20, _THIRD))


def _divide(connection: psycopg.Connection) -> None:
    """January is partitioned again: by a list, into even and odd identities."""
    _run(
        connection,
        f"alter table {_PARENT} detach partition {SCHEMA}.m1",
        f"alter table {SCHEMA}.m1 rename to m1_before",
        f"create table {SCHEMA}.m1 (like {_PARENT}) partition by list ({_LEAF})",
        f"create table {SCHEMA}.m1_even partition of {SCHEMA}.m1 for values in (0)",
        f"create table {SCHEMA}.m1_odd partition of {SCHEMA}.m1 for values in (1)",
        f"insert into {SCHEMA}.m1 select * from {SCHEMA}.m1_before",
        f"drop table {SCHEMA}.m1_before",
        f"alter table {_PARENT} attach partition {SCHEMA}.m1 {_bounds('m1')}",
    )


def _prepared(connection: psycopg.Connection, rows: list[Row]) -> list[Row]:
    _run(connection, f"create table {SCHEMA}.prepared (like {_PARENT} including all)")
    fill(connection, f"{SCHEMA}.prepared", rows)
    return rows


def _others(stage: Stage, count: int, first: int = _FRESH) -> list[Row]:
    return [invented(stage.rng, "m1", first + 2 * number) for number in range(count)]


def _odd_rows(stage: Stage) -> list[Row]:
    return [row for row in stage.world.truth.rows_of("m1") if row[0] % 2]


def _bounds(chunk: str) -> str:
    start, end = MONTHS[chunk]
    return f"for values from ('{start}') to ('{end}')"


def _run(connection: psycopg.Connection, *statements: str) -> None:
    for statement in statements:
        connection.execute(statement.encode())


@where_chunks_leave
def _reshaped(name: str, stage: Stage) -> None:
    """Before a function or in the middle of it; then the service goes on, and people ask for what is new."""
    reshape = RESHAPES[name]
    with psycopg.connect(stage.world.database_url) as connection:
        rows = reshape.prepare(stage, connection)
    function = stage.rng.choice(["remove_chunks", "remove_chunks", "archive_chunk"])
    stage.approach(function)
    running = stage.begin_until(function, stage.step(function)) if stage.rng.random() < 0.5 else None
    stage.note(f"{name}, {'in the middle of' if running else 'before'} {function}")
    stage.struck = _change(stage, reshape, rows)
    if running:
        running.worker.resume()
        running.end()
    stage.host.round()
    if stage.struck and stage.rng.random() < 0.5:
        for chunk in reshape.then:
            stage.world.publish(hypertable=_PARENT, chunk=f"{SCHEMA}.{chunk}", remove=True)
    stage.world.let_time_pass()
    stage.host.invoke("reconcile")


def _change(stage: Stage, reshape: Reshape, rows: Sequence[Row]) -> bool:
    """Whether it was possible: the service may hold a lock just then, or have removed the chunk."""
    with psycopg.connect(stage.world.database_url) as connection:
        connection.execute("set lock_timeout = '200ms'")
        try:
            reshape.change(stage, connection, rows)
        except (psycopg.errors.LockNotAvailable, psycopg.errors.UndefinedTable) as error:
            stage.note(f"it was not possible: {error}")
            connection.rollback()
            return False
    return True


RESHAPES = {
    "split": Reshape(split, then=("m1a", "m1b")),
    "leaf swapped": Reshape(leaf_swapped, _as_many_odd),
    "merged": Reshape(merged, then=("m12",)),
    "swapped": Reshape(swapped, _as_many),
    "leaf attached": Reshape(leaf_attached, _some_of_a_third),
    "detached": Reshape(detached),
    "renamed": Reshape(renamed, then=("january",)),
    "names exchanged": Reshape(names_exchanged),
    "recreated": Reshape(recreated, then=("m1",)),
    "truncated": Reshape(truncated),
    "rewritten": Reshape(rewritten),
    "column added": Reshape(column_added),
}


SCENARIOS: list[Callable[[Stage], None]] = [partial(_reshaped, name) for name in RESHAPES]
