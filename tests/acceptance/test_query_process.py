"""A question has a process of its own: what it needs too much of is its own loss, and it ends with whoever asked."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from archival_core.errors import PermanentError
from archival_core.query.process.workers import Workers
from archival_core.query.question.limits import Limits
from tests.acceptance.conftest import Service
from tests.kit.asking import asked, queries_of

MIB = 1024 * 1024
#: 100 times as long with each step, by functions that DuckDB's limit of memory knows nothing of
HUGE = "select length(replace(replace(lpad('', 10000, 'x'), 'x', lpad('', 10000, 'y')), 'y', lpad('', 100, 'z')))"

pytestmark = [pytest.mark.own_database, pytest.mark.skipif(sys.platform != "linux", reason="the bound is Linux's")]


def _peak(pid: int) -> int:
    """The most memory that the process had at a time."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))


def _is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.slow
async def test_a_huge_value_is_refused_and_harms_nobody(service: Service) -> None:
    workers = Workers()
    queries = queries_of(service, workers=workers)
    await asked(queries, "select 1")
    [worker] = workers._idle
    before = _peak(os.getpid())
    with pytest.raises(PermanentError) as refused:
        await asked(queries, HUGE, limits=Limits(memory_mib=256))
    assert refused.value.code == "query-memory"
    # what it is at first, what DuckDB may hold, and what is read beside it
    assert not _is_there(worker.pid) or _peak(worker.pid) < (200 + 256 + 256) * MIB
    assert _peak(os.getpid()) < before + 64 * MIB
    assert (await asked(queries, "select 2 as n")).result.to_pylist() == [{"n": 2}]
    workers.close()


async def test_nothing_of_a_question_stays_in_its_process(service: Service) -> None:
    """Neither what gave the answer, nor what gave none; and the next question's DuckDB is made before it is asked."""
    workers = Workers()
    queries = queries_of(service, workers=workers)

    async def settled() -> int:
        """Threads of the process when nobody asks, and nothing is made or closed any more."""
        before = -1
        while True:
            await asyncio.sleep(0.5)
            now = len(list(Path(f"/proc/{workers._idle[0].pid}/task").iterdir()))
            if now == before:
                return now
            before = now

    await asked(queries, "select 1")
    at_first = await settled()
    for number in range(5):
        await asked(queries, "select count(*) from range(100000)")
        with pytest.raises(PermanentError):
            await asked(queries, f"select error('{number}')")
    assert await settled() == at_first
    workers.close()


async def test_a_process_that_was_ended_while_it_waited_costs_no_question(service: Service) -> None:
    workers = Workers()
    queries = queries_of(service, workers=workers)
    for number in (signal.SIGKILL, signal.SIGABRT):
        await asked(queries, "select 1")
        [idle] = workers._idle
        os.kill(idle.pid, number)
        assert (await asked(queries, "select 2 as n")).result.to_pylist() == [{"n": 2}]
        assert [worker.pid for worker in workers._idle] != [idle.pid]
    workers.close()


async def test_a_process_that_says_nothing_is_asked_no_more(service: Service) -> None:
    """It may be stopped, or wait for the lake although its last answer is given."""
    workers = Workers()
    queries = queries_of(service, workers=workers)
    await asked(queries, "select 1")
    [silent] = workers._idle
    os.kill(silent.pid, signal.SIGSTOP)
    assert (await asked(queries, "select 2 as n")).result.to_pylist() == [{"n": 2}]
    assert not _is_there(silent.pid)
    workers.close()


async def test_one_row_that_is_larger_than_an_answer(service: Service) -> None:
    sql = "select string_agg(lpad('', 10000, 'x'), '') as x from range(300)"
    queries = queries_of(service)
    assert (await asked(queries, sql)).result.num_rows == 1
    with pytest.raises(PermanentError) as refused:
        await asked(queries, sql, limits=Limits(bytes=MIB))
    assert refused.value.code == "row-too-large"
    # rows before it are an answer
    found = await asked(
        queries, f"select * from (select 'a' as x union all ({sql})) order by length(x)", limits=Limits(bytes=MIB)
    )
    assert (found.result.to_pylist(), found.cut) == ([{"x": "a"}], "bytes")


async def test_a_question_ends_with_its_request(service: Service) -> None:
    service.execute("create table $s.rows as select i, repeat('x', 1000) as t from generate_series(1, 200000) i")
    workers = Workers()
    queries = queries_of(service, workers=workers, limits=Limits(seconds=60))
    await asked(queries, "select 1")
    [worker] = workers._idle
    sql = f"select count(*) from {service.schema}.rows a join {service.schema}.rows b on a.t < b.t || a.i"
    # one that waits for the next question does nothing
    sessions = "select count(*) from pg_stat_activity where application_name = 'archival_query' and state <> 'idle'"
    asking = asyncio.create_task(asked(queries, sql))
    while service.rows(sessions) < [(2,)]:
        await asyncio.sleep(0.05)
    begun = time.monotonic()
    asking.cancel()
    await asyncio.wait([asking])
    assert asking.cancelled()
    assert time.monotonic() - begun < 10
    assert not _is_there(worker.pid)
    deadline = time.monotonic() + 10
    while service.rows(sessions) != [(0,)]:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    assert (await asked(queries, "select 2 as n")).result.to_pylist() == [{"n": 2}]
    workers.close()


def test_no_process_outlives_the_service() -> None:
    program = """
import threading, time
from archival_core.query.process.workers import Workers
workers = Workers()
idle, _ = workers.take("select 1")
print(idle.pid, flush=True)
# parsing holds the process's main thread
deep = "select " + "+".join(["(" * 100 + "1" + ")" * 100] * 500)
threading.Thread(target=lambda: [workers.take(deep) for _ in range(1000)], daemon=True).start()
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as host:
        assert host.stdout is not None
        pid = int(host.stdout.readline())
        assert _is_there(pid)
        children = Path(f"/proc/{host.pid}/task/{host.pid}/children").read_text().split()
        assert str(pid) in children
        host.send_signal(signal.SIGKILL)
        host.wait()
        deadline = time.monotonic() + 10
        while any(_is_there(int(child)) for child in children):
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_process_of_questions_is_told_no_secret_of_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKE_ACCOUNT_KEY", "a secret")
    monkeypatch.setenv("REDIS_URL", "another")
    workers = Workers()
    worker, _ = workers.take("select 1")
    told = Path(f"/proc/{worker.pid}/environ").read_text()
    worker.close()
    assert "PATH=" in told
    assert "secret" not in told
    assert "REDIS" not in told
