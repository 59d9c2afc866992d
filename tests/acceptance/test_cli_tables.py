"""`archival tables show`: what is pasted elsewhere gives the archived part, by the exact boundary."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from dev.delta_reader import read
from tests.acceptance.conftest import Service
from tests.acceptance.test_cli import CommandLine, cli

__all__ = ["cli"]

pytestmark = [pytest.mark.own_database, pytest.mark.usefixtures("at_once")]


async def test_what_is_shown_for_other_engines(service: Service, cli: CommandLine) -> None:
    table = f"{service.schema}.readings"
    assert "no table in the lake" in await cli("tables", "show", table, expect=1)
    for chunk, remove in (("jan", True), ("feb", False)):
        await service.publish(hypertable=table, chunk=f"{service.schema}.{chunk}", remove=remove)
    await service.work()
    assert (await service.runtime.chunk_removal.remove_due(timedelta(minutes=1))).removed == 1
    found = await cli.json("tables", "show", "readings")
    assert found["gone"] == [["2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"]]
    assert found["url"].endswith(f"/tables/{table}")
    assert "2026-01-01T00:00:00Z to 2026-02-01T00:00:00Z" in await cli("tables", "show", "readings")
    for engine in ("spark", "polars", "fabric", "postgres"):
        told = await cli("tables", "show", "readings", "--for", engine)
        assert "2026-02-01T00:00:00Z" in told, engine
        assert "'2026-03-01" not in told, engine

    # DuckDB reads what was pasted: chunks that are in the lake and in the database count once
    told = await cli("tables", "show", "readings", "--for", "duckdb")
    [archived] = re.findall(r"SELECT COLUMNS.*?(?=UNION ALL)", told, re.DOTALL)
    folder = Path(service.lake) / "tables" / table
    query = re.sub(r"delta_scan\('[^']*'\)", "t", archived)
    assert read(folder, f"select count(*) from ({query})") == [(744,)]
    assert read(folder, "select count(*) from t")[0][0] == 744 + 649
