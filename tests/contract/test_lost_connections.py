"""A connection of the Arrow driver that is lost, whatever it was doing: an error of ours, and the process lives on."""

from __future__ import annotations

import subprocess
import sys

import pytest

#: Run in a process of its own, since drivers before 1.11 end theirs.
PROGRAM = """
import sys
import psycopg
from archival_core.errors import TransientError
from archival_core.source.wire.driver import arriving, connected, driver_errors

url, what = sys.argv[1:]
admin = psycopg.connect(url, autocommit=True)

def lose(pid):
    admin.execute("select pg_terminate_backend(%s, 5000)", (pid,))

try:
    with connected(url) as connection, connection.cursor() as cursor, driver_errors():
        cursor.execute("select pg_catalog.pg_backend_pid()")
        [(pid,)] = cursor.fetchall()
        if what == "stream":
            cursor.execute("select pg_catalog.generate_series(1, 10000000), pg_catalog.repeat('x', 1000)")
            batches = arriving(cursor.fetch_record_batch())
            next(batches)
        lose(pid)
        if what == "stream":
            for _ in batches:
                pass
        elif what == "commit":
            connection.commit()
        elif what == "statement":
            cursor.execute("set transaction isolation level repeatable read read only")
        elif what == "query":
            cursor.execute("select 1")
        elif what == "ingest":
            import pyarrow as pa
            cursor.adbc_ingest("lost", pa.table({"a": [1]}), mode="append", db_schema_name="public")
except TransientError as error:
    print(error.code)
else:
    print("closed")
"""


@pytest.mark.parametrize("what", ["stream", "commit", "statement", "query", "ingest"])
def test_a_lost_connection_is_an_error(source_database_url: str, what: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, source_database_url, what], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "source-unreachable\n"), done.stderr[-1000:]


def test_one_that_is_lost_before_its_end_is_closed(source_database_url: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, source_database_url, "close"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "closed\n"), done.stderr[-1000:]
