"""`archival tables show`: what is pasted elsewhere gives the archived part, by the exact boundary."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from archival_cli.showing.columns import OUTDATED
from archival_cli.showing.table import lines
from dev.delta_reader import read
from tests.acceptance.conftest import Service
from tests.acceptance.test_cli import CommandLine, cli

__all__ = ["cli"]

pytestmark = [pytest.mark.own_database, pytest.mark.usefixtures("at_once")]


@pytest.mark.slow
async def test_what_is_shown_for_other_engines(service: Service, cli: CommandLine) -> None:
    table = f"{service.schema}.readings"
    assert "no table in the lake" in await cli("tables", "show", table, expect=1)
    for chunk, remove in (("jan", True), ("feb", False)):
        await service.publish(hypertable=table, chunk=f"{service.schema}.{chunk}", remove=remove)
    await cli.work()
    assert (await service.runtime.chunk_removal.remove_due(timedelta(minutes=1))).removed == 1
    found = await cli.json("tables", "show", "readings")
    assert found["gone"] == [["2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"]]
    assert found["url"].endswith(f"/tables/{table}")
    assert found["lake"]["range"] == ["2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z"]
    assert found["database"]["range"] == ["2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"]
    assert found["lake"]["bytes"] > 0 and found["database"]["bytes"] > 0
    told = await cli("tables", "show", "readings")
    assert "in the lake      2026-01-01T00:00:00Z to 2026-03-01T00:00:00Z; " in told
    assert "in the database  2026-02-01T00:00:00Z to 2026-03-01T00:00:00Z; " in told
    assert "2026-01-01T00:00:00Z to 2026-02-01T00:00:00Z" in told
    for engine in ("spark", "polars", "fabric", "postgres"):
        told = await cli("tables", "show", "readings", "--for", engine)
        assert "2026-02-01T00:00:00Z" in told, engine
        assert "'2026-03-01" not in told, engine

    # DuckDB reads what was pasted: chunks that are in the lake and in the database count once
    told = await cli("tables", "show", "readings", "--for", "duckdb")
    folder = Path(service.lake) / "tables" / table
    assert read(folder, f"select count(*) from ({_archived(told)})") == [(744,)]
    assert read(folder, "select count(*) from t")[0][0] == 744 + 649


def _archived(told: str) -> str:
    """DuckDB's SELECT of the rows that are gone, of the table `t`."""
    [archived] = re.findall(r"(?<=AS\n)SELECT.*?(?=UNION ALL)", told, re.DOTALL)
    return re.sub(r"delta_scan\('[^']*'\)", "t", archived)


async def test_other_engines_have_the_names_of_the_database(service: Service, cli: CommandLine) -> None:
    service.execute(
        """create table $s."Straße" ("the time" timestamptz not null, "Größe mit Leer" text, cost numeric(10,2), extra text)
        partition by range ("the time");
        create table $s.one partition of $s."Straße" for values from ('2026-01-01Z') to ('2026-02-01Z');
        create table $s.two partition of $s."Straße" for values from ('2026-02-01Z') to ('2026-03-01Z');
        insert into $s."Straße" values ('2026-01-02Z', 'a', 1.25, 'x'), ('2026-02-02Z', 'b', 2.5, 'y')"""
    )
    table = f"{service.schema}.Straße"
    for chunk, then in (
        ("one", """alter table $s."Straße" rename cost to price; alter table $s."Straße" drop extra"""),
        ("two", """alter table $s."Straße" alter price type numeric(12,4); alter table $s."Straße" add note text"""),
    ):
        await service.publish(hypertable=table, chunk=f"{service.schema}.{chunk}", remove=True)
        await cli.work()
        assert (await service.runtime.chunk_removal.remove_due(timedelta(minutes=1))).removed == 1
        service.execute(then)
    columns = {column["name"]: column for column in (await cli.json("tables", "show", table))["columns"]}
    assert [one["name"] for one in columns["Größe mit Leer"]["stored"]] == ["Größe_x20_mit_x20_Leer"]
    assert [one["name"] for one in columns["price"]["stored"]] == ["price", "cost"]
    assert (columns["price"]["type"], columns["note"]["stored"]) == ("numeric(12,4)", [])
    assert columns[None]["stored"][0]["name"] == "extra"
    told = await cli("tables", "show", table, "--for", "duckdb")
    assert "NULL in archived rows: note" in told and "dropped in the database: extra" in told
    query = f'select "Größe mit Leer", price::text from ({_archived(told)}) order by "the time"'
    [folder] = (Path(service.lake) / "tables").glob("*.Stra*")
    assert read(folder, query) == [("a", "1.25"), ("b", "2.50")]


async def test_what_is_migrated(service: Service, cli: CommandLine) -> None:
    table = f"{service.schema}.readings"
    assert "there is no archive of before" in await cli("tables", "migrate", "--dry-run")
    await service.publish(hypertable=table, chunk=f"{service.schema}.jan", remove=False)
    await cli.work()
    service.execute(
        "update archival.job set manifest = jsonb_set(manifest, '{columns,0,lake_number}', '0')"
        " where hypertable = '$s.readings'"
    )
    told = await cli("tables", "migrate", "readings", "--dry-run")
    assert "archived anew" in told and "1 archive, 744 rows" in told and "nothing was recorded" in told
    meant = await cli.json("tables", "migrate", "--dry-run")
    assert all(line.cell_len <= 80 for line in lines(meant["archives"], OUTDATED, 80)[0])
    assert "1 archive, 744 rows" in await cli("tables", "migrate", expect=2), "nobody is there to be asked"
    assert "1 job recorded" in await cli("tables", "migrate", "readings", "--yes")
    assert "0 jobs recorded for 0 archives, 0 rows, 0 B (1 under way)" in await cli("tables", "migrate", "--yes")
    await cli.work()
    assert [job["status"] for job in service.jobs()] == ["superseded", "archived"]
    assert "POST /tables/migrate" in await cli("audit")
