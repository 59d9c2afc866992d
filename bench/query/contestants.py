"""Who answers: `python -m bench.query.contestants NAME URL LAKE`, in a process that stays warm.

A line of JSON with `question` and `part` comes in, and one with `wall_s`, `cpu_s`, `peak_mb` and `rows` goes out. The service's
own packages are loaded by the service's contestant alone, so that the peers run in their own environment.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

from bench.query.questions import QUESTIONS

_THREADS, _MEMORY_MIB = 2, 512
_TABLES: Final = {"half": "bench.readings", "whole": "bench.whole"}
#: by question and part: rows, and whose memory has been used
type Answer = Callable[[str, str], tuple[list[list[Any]], int | str]]


def ours(url: str, lake: str) -> Answer:
    """Questions as the service answers them, in its process of questions; the lake's files lie on this machine."""
    from archival_core.clients.postgres.database import Database
    from archival_core.lake.client import LakehouseClient
    from archival_core.ledger.archives.standing import StandingArchives
    from archival_core.ledger.pool import LedgerPool
    from archival_core.ledger.tables.lake_columns import LakeColumns
    from archival_core.query.archives.archives import Ledgers
    from archival_core.query.process.workers import Workers
    from archival_core.query.queries import Queries
    from archival_core.query.question.limits import Limits
    from bench.query.lake_folder import lake_folder

    runner, workers = asyncio.Runner(), Workers()
    pool = LedgerPool(Database(url))
    queries = Queries(
        Database(url),
        LakehouseClient.open("http://127.0.0.1:1/nobody/asks", "bm9ib2R5"),
        Ledgers(StandingArchives(pool), LakeColumns(pool)),
        partial(lake_folder, lake),
        limits=Limits(seconds=600, memory_mib=_MEMORY_MIB, threads=_THREADS),
        workers=workers,
    )

    def answer(question: str, part: str) -> tuple[list[list[Any]], int | str]:
        sql = QUESTIONS[question].sql(_TABLES["half"], part)
        found = runner.run(queries.collected(sql, "json"))
        rows: list[list[Any]] = json.loads(found.body)
        figures = found.answer.figures
        if part == "archived" and (figures.live_rows or (question == "day" and figures.archives_read != 1)):
            raise RuntimeError(f"{question}: {figures} for rows that lie in the lake alone")
        if part == "live" and figures.files_read:
            raise RuntimeError(f"{question}: {figures} for rows that lie in the database alone")
        return rows, workers._idle[-1].pid

    return answer


def duckdb_on_files(_: str, lake: str) -> Answer:
    """DuckDB on the archives' Parquet files."""
    connection = _duckdb()
    files = sorted(str(file) for file in (Path(lake) / "tables" / _TABLES["half"]).glob("*/*.parquet"))
    listed = ", ".join(f"'{file}'" for file in files)
    connection.execute(f"CREATE VIEW archived AS SELECT * FROM read_parquet([{listed}])")
    return lambda question, part: (_rows(connection, QUESTIONS[question].sql("archived", part)), "self")


def duckdb_on_postgresql(url: str, _: str) -> Answer:
    """DuckDB's own scan of the database: of the live half, and of the table that is live as a whole."""
    import duckdb_extension_postgres_scanner as extension

    connection = _duckdb()
    (binary,) = Path(extension.__path__[0]).rglob("postgres_scanner.duckdb_extension")
    connection.execute(f"load '{binary}'")
    connection.execute(f"attach '{url}' as source (type postgres, read_only)")

    def answer(question: str, part: str) -> tuple[list[list[Any]], int | str]:
        table = _TABLES["half" if part == "live" else "whole"]
        return _rows(connection, QUESTIONS[question].sql(f"source.{table}", part)), "self"

    return answer


def postgresql(url: str, _: str) -> Answer:
    """PostgreSQL alone, with all rows live."""
    import psycopg

    connection = psycopg.connect(url, autocommit=True)
    connection.execute("set timezone = 'UTC'")

    def answer(question: str, part: str) -> tuple[list[list[Any]], int | str]:
        sql = QUESTIONS[question].sql(_TABLES["whole"], part, for_postgresql=True)
        return [list(row) for row in connection.execute(sql.encode()).fetchall()], ""

    return answer


CONTESTANTS: Final[dict[str, Callable[[str, str], Answer]]] = {
    "ours": ours,
    "duckdb on files": duckdb_on_files,
    "duckdb on postgresql": duckdb_on_postgresql,
    "postgresql": postgresql,
}


def _duckdb() -> Any:
    import duckdb

    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    for name, value in {
        "threads": str(_THREADS),
        "memory_limit": f"'{_MEMORY_MIB}MiB'",
        "preserve_insertion_order": "false",
        "TimeZone": "'UTC'",
    }.items():
        connection.execute(f"SET {name} = {value}")
    return connection


def _rows(connection: Any, sql: str) -> list[list[Any]]:
    return [list(row.values()) for row in connection.execute(sql).to_arrow_table().to_pylist()]


def _shown(value: Any) -> Any:
    """As every contestant has it: times to the second."""
    text = value.isoformat() if hasattr(value, "isoformat") else value
    return re.sub(r"[T ](\d\d:\d\d:\d\d).*", r" \1", text) if isinstance(text, str) else text


def _status(pid: int | str) -> Path:
    return Path(f"/proc/{pid}/status")


def _clear(pid: int | str) -> None:
    if pid:
        (_status(pid).parent / "clear_refs").write_text("5")


def _peak(pid: int | str) -> float:
    match = re.search(r"^VmHWM:\s+(\d+) kB", _status(pid).read_text(), re.MULTILINE) if pid else None
    return int(match[1]) * 1024 / 1e6 if match else 0.0


def _cpu(pid: int | str) -> float:
    """Seconds of this process, and of the one that answers for it; what the server computes is not in it."""
    if not isinstance(pid, int):
        return time.process_time()
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return time.process_time() + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Answer each line that comes."""
    name, url, lake = sys.argv[1:]
    answer = CONTESTANTS[name](url, lake)
    pid: int | str = ""
    for line in sys.stdin:
        asked = json.loads(line)
        _clear(pid)
        cpu, begun = _cpu(pid), time.perf_counter()
        rows, pid = answer(asked["question"], asked["part"])
        wall = time.perf_counter() - begun
        cpu = _cpu(pid) - cpu
        told = [[_shown(value) for value in row] for row in rows]
        print(json.dumps({"wall_s": wall, "cpu_s": cpu, "peak_mb": _peak(pid), "rows": told}), flush=True)


if __name__ == "__main__":
    main()
