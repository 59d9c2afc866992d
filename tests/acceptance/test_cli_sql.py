"""`archival sql`: questions from a terminal and from scripts."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from archival_core.query.kept_sessions import APPLICATION
from tests.acceptance.conftest import Service
from tests.acceptance.test_cli import ROOT, CommandLine, cli

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


async def test_a_column_is_written_as_text_where_that_is_asked(service: Service, cli: CommandLine, tmp_path: Path) -> None:
    service.execute("alter table $s.readings add price numeric(10, 2)")
    service.execute("update $s.readings set price = 'NaN' where time = '2026-01-31T12:00Z'")
    day = ("export", "readings", str(tmp_path / "rows.csv"), "--from", "2026-01-31", "--to", "2026-02-01")
    assert "value-without-form" in await cli(*day, expect=1)
    assert not (tmp_path / "rows.csv").exists()
    # DuckDB takes no notice of case in names
    await cli(*day, "--as-text", "PRICE")
    assert [row["price"] for row in csv.DictReader((tmp_path / "rows.csv").open())].count("NaN") == 1
    told = await cli("sql", f"select * from {service.schema}.readings", "--as-text", "nope", expect=1)
    assert (
        f"as_text names nope, and no table of the question has that: {service.schema}.readings has time, value, price" in told
    )


async def test_who_asked_for_a_cut_is_told_so(service: Service, cli: CommandLine, tmp_path: Path) -> None:
    sql = f"select * from {service.schema}.readings"
    assert "cut at 3 rows as asked" in await cli("sql", sql, "--limit", "3", merged=True)
    assert "cut at 3 rows as asked" in await cli("sql", sql, "--limit", "3", "--file", str(tmp_path / "a.csv"), merged=True)
    own: dict[str, Any] = {name: service.names[name] for name in ("SOURCE_DATABASE_URL", "LAKE_URL", "LAKE_ACCOUNT_KEY")}
    assert "cut at 3 rows as asked" in await cli("sql", sql, "--direct", "--limit", "3", merged=True, **own)


async def test_a_lake_without_its_key_is_said(service: Service, cli: CommandLine) -> None:
    own: dict[str, Any] = {name: service.names[name] for name in ("SOURCE_DATABASE_URL", "LAKE_URL")}
    told = await cli("sql", "select 1", "--direct", expect=2, **own, LAKE_ACCOUNT_KEY="")
    assert told.splitlines() == [
        "LAKE_URL: http:// needs LAKE_ACCOUNT_KEY; a token is sent over https:// only (wrong-setting)",
    ]


@pytest.mark.parametrize("moment", ["its process begins", "its process answers"])
async def test_ctrl_c_ends_a_question_of_the_own_process_without_a_word(service: Service, moment: str) -> None:
    own = {name: service.names[name] for name in ("SOURCE_DATABASE_URL", "LAKE_URL", "LAKE_ACCOUNT_KEY")}
    service.execute("create table $s.numbers (n bigint); insert into $s.numbers select generate_series(1, 100000)")
    sql = f"select count(*) from {service.schema}.numbers a, {service.schema}.numbers b where a.n % 7 + b.n % 11 > sqrt(a.n)"
    # as a terminal does it: whatever the command has started is of its group, unless it was put into another
    asked = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "archival_cli", "sql", sql, "--direct"),
        env=os.environ | own,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    snapshot = f"select from pg_stat_activity where application_name = '{APPLICATION}' and state = 'idle in transaction'"
    async with asyncio.timeout(30):
        while not (service.rows(snapshot) if moment == "its process answers" else _has_children(asked.pid)):
            await asyncio.sleep(0.05)
    await asyncio.sleep(1 if moment == "its process answers" else 0.1)
    os.killpg(asked.pid, signal.SIGINT)
    output, errors = await asyncio.wait_for(asked.communicate(), 30)
    assert (asked.returncode, output.decode(), errors.decode().strip()) == (130, "", "")


def _has_children(pid: int) -> bool:
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if stat.read_text().rpartition(")")[2].split()[1] == str(pid):
                return True
    return False
