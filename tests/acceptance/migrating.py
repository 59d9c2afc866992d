"""An archive of before the lake's tables had a schema, and what becomes of it, for the tests of its migration."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from deltalake import DeltaTable
from psycopg.rows import dict_row

from archival_core.flows.tables.migrating.outdated import Planned
from archival_core.model.lake.manifest import Manifest
from dev import delta_reader
from tests.kit.asking import asked, queries_of
from tests.kit.older_archives import earlier_forms, make_older, whole_texts
from tests.kit.worlds import MINUTE, World

TABLE = """
drop table $s.readings;
create table $s.readings (time timestamptz not null, value bigint, price numeric(10,2), day date, seen timestamp, grid int[],
                          days date[], "Odd Name" double precision, note text) partition by range (time);
create table $s."jan 1" partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
create table $s.feb partition of $s.readings for values from ('2026-02-01Z') to ('2026-03-01Z');
insert into $s.readings select t, n, n / 4.0, t, t, array[n, null], array[t]::date[], n / 3.0, 'note ' || n
from generate_series(timestamptz '2026-01-01Z', '2026-02-28Z', '1 hour') with ordinality as g (t, n);
insert into $s.readings values
    ('2026-01-05Z', -1, 'NaN', 'infinity', '-infinity', '{{1,2},{3,4}}', '{infinity,NULL,-infinity}', 'NaN', null),
    ('2026-01-05Z', null, null, '20000-01-01', '0044-03-15 12:00:00 BC', '[0:1]={1,2}', '{0044-03-15 BC}', '-0', ''),
    ('2026-01-05Z', 0, -0.01, null, null, null, '{}', 'infinity', E'a\tb\\c"{},\x01');
"""
TEXTS = ("price", "grid")
JANUARY, FEBRUARY = 744 + 3, 649


async def older(world: World, *, remove: bool = True, before_marks: bool = False) -> Counter[Any]:
    """A table of which January is in an archive of before, and with `remove` nowhere else; returns its rows."""
    world.service.execute(TABLE)
    rows = texts(world)
    with earlier_forms(), whole_texts(*TEXTS):
        await world.service.publish(
            hypertable=f"{world.service.schema}.readings", chunk=f'{world.service.schema}."jan 1"', remove=remove
        )
        await world.work()
        if remove:
            assert (await world.remove()).removed == 1
    make_older(world, before_marks=before_marks)
    return rows


def texts(world: World) -> Counter[Any]:
    """The rows that are in the database, as PostgreSQL prints them."""
    return Counter(world.service.rows("select r::text from $s.readings r"))


async def ask(world: World) -> list[Planned]:
    return await world.service.runtime.table_migration.ask(None, "a test")


async def migrate(world: World) -> list[Planned]:
    planned = await ask(world)
    await world.work()
    return planned


async def commit(world: World) -> None:
    report = await world.service.runtime.table_commits.commit_due(MINUTE)
    assert (report.failed, report.left_out) == ({}, 0)


async def answers(world: World) -> Counter[str]:
    """All rows of the hypertable, archived and live, as `archival_core.query` answers."""
    whole = f"select * from {world.service.schema}.readings"
    found = await asked(queries_of(world.service), whole, as_text=["grid", "price", "day", "days", "seen"])
    return Counter(map(repr, found.result.to_pylist()))


def marks(world: World) -> list[tuple[UUID, str, str]]:
    return world.service.rows("select archive, kind, manifest from archival_marks.stand_in order by archive")


def table(world: World) -> Path:
    return world.service.lake / "tables" / f"{world.service.schema}.readings"


def in_ledger(world: World, statement: str) -> None:
    with psycopg.connect(world.ledger_url or world.service.url, autocommit=True, row_factory=dict_row) as connection:
        connection.execute(statement.encode())


def expire_leases(world: World) -> None:
    in_ledger(world, "update archival.job set lease_until = now() - interval '1 second' where status = 'running'")


def check_migrated(world: World) -> dict[str, Any]:
    """One archive stands in for January, which is of the table's schema; returns its row in the ledger."""
    new, former = sorted(world.jobs(), key=lambda job: job["status"])
    assert (new["status"], former["status"]) == ("removed", "superseded")
    assert marks(world) == [(new["job_id"], "removed", new["manifest_sha256"])]
    manifest = Manifest.model_validate(new["manifest"])
    assert manifest.supersedes == (former["lake_path"],)
    assert "%" not in manifest.lake_path and all(column.lake_number for column in manifest.columns)
    assert (manifest.rows, new["rows"], new["dropped_by"]) == (JANUARY, JANUARY, "service")
    assert (world.service.lake / manifest.lake_path).is_dir()
    left = world.service.rows("select relname from pg_class where relnamespace = to_regnamespace('archival_restore')::oid")
    assert not [name for (name,) in left if name[:1].isdigit() or name.startswith(new["job_id"].hex)]
    return new


async def check_table(world: World, new: dict[str, Any]) -> None:
    """The table in the lake has exactly the rows of January, in its schema."""
    await commit(world)
    paths = DeltaTable(table(world)).get_add_actions()["path"].to_pylist()
    assert {f"tables/{table(world).name}/{path.partition('/')[0]}" for path in paths} == {new["lake_path"]}
    assert delta_reader.count(table(world)) == JANUARY
    found = delta_reader.read(
        table(world),
        "select price, day::text, grid, _archival_exact['price'] from t where value = -1 or value = 0 order by value",
    )
    assert [(str(row[0]), *row[1:]) for row in found] == [("None", "9999-12-31", None, "NaN"), ("-0.01", None, None, None)]
    assert delta_reader.read(table(world), "select count(*) from t where price >= 100")[0][0] == 345
