"""`archival sql`: questions from a terminal and from scripts."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.acceptance.conftest import Service
from tests.acceptance.test_cli import CommandLine, cli

__all__ = ["cli"]

pytestmark = pytest.mark.own_database


@pytest.fixture(autouse=True)
def reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUERY_ROLE", "postgres")


async def test_questions_from_scripts_and_to_files(service: Service, cli: CommandLine, tmp_path: Path) -> None:
    table = f"{service.schema}.readings"
    sql = f"select month(time) as month, count(*) as n from {table} group by all order by all"
    assert "month" in (told := await cli("sql", sql))
    assert [line.split() for line in told.splitlines()[1:]] == [["1", "744"], ["2", "649"]]
    assert (await cli.json("sql", sql))["rows"] == [[1, 744], [2, 649]]
    assert list(csv.reader(io.StringIO(await cli.as_process("sql", sql, "-o", "csv")))) == [
        ["month", "n"],
        ["1", "744"],
        ["2", "649"],
    ]
    assert "649" in await cli("sql", words=sql)
    assert (await cli.json("sql", f"select * from {table}", "--limit", "3"))["cut"] == "rows"

    for name in ("a.csv", "a.json", "a.parquet", "a.arrow"):
        await cli("sql", sql, "--file", str(tmp_path / name))
    assert json.loads((tmp_path / "a.json").read_text())["rows"] == [[1, 744], [2, 649]]
    assert pq.read_table(tmp_path / "a.parquet").to_pylist()[0] == {"month": 1, "n": 744}
    assert pa.ipc.open_stream(tmp_path / "a.arrow").read_all().num_rows == 2

    refused = await cli("sql", "select nothing", expect=1)
    assert "nothing" in refused
    assert "query-invalid" in refused
    assert "unknown-table" in await cli("sql", "select * from nowhere", expect=1)
    assert f"did you mean {table}?" in await cli("sql", "select * from readings", expect=1)
    assert "LINE 1" in (misplaced := await cli("sql", "select cast(a as timestamptz) from (values ('abc')) t(a)", expect=1))
    assert "\n" in misplaced and "\\n" not in misplaced
    assert (await cli("sql", ".tables")).splitlines() == [table]
    assert "value" in await cli("sql", ".schema readings")
    assert ".parquet" in await cli("sql", sql, "--file", "a.xlsx", expect=2)


async def test_rows_of_a_table_go_into_a_file(service: Service, cli: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "rows.parquet"
    await cli("export", "readings", str(file), "--from", "2026-01-31", "--to", "2026-02-02")
    assert pq.read_table(file).num_rows == 48
    await cli("export", "readings", str(tmp_path / "rows.csv"))
    assert len((tmp_path / "rows.csv").read_text().splitlines()) == 1394


async def test_a_question_is_answered_in_the_caller_s_own_process(service: Service, cli: CommandLine) -> None:
    own: dict[str, Any] = {name: service.names[name] for name in ("SOURCE_DATABASE_URL", "LAKE_URL", "LAKE_ACCOUNT_KEY")}
    sql = f"select count(*) as n from {service.schema}.readings"
    assert json.loads(await cli.as_process("sql", sql, "--direct", "--json", **own, ARCHIVAL_API_URL=""))["rows"] == [[1393]]
    assert "SOURCE_DATABASE_URL" in await cli("sql", sql, "--direct", expect=2, SOURCE_DATABASE_URL="")
