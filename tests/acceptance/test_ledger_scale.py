"""Lists, metrics and pages stay quick with a million jobs: `pytest -m by_hand -s tests/acceptance/test_ledger_scale.py`."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

import psycopg
import pytest

from archival_core.flows.insight import chunk_map, insights
from tests.acceptance.api_client import api_client

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

pytestmark = [pytest.mark.by_hand, pytest.mark.timeout(1800), pytest.mark.own_database]

JOBS = 1_000_000
HYPERTABLES = 100
MEDIAN_SECONDS = 0.2
REPEATS = 21

# 100 hypertables with 10,000 jobs each, one for each hour: most removed long ago, few failed, hardly any on its way
FILL = """
insert into archival.job (kind, hypertable, chunk, range_start, range_end, status, settled, request_key, requested_by,
                          requested_at, started_at, finished_at, removed_at, rows, source_bytes, parquet_bytes, lake_path,
                          manifest, announced, messaged_at)
select case when lot < 5 then 'restore' else 'archive' end, hypertable, chunk,
       to_char(first, 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), to_char(first + interval '1 hour', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
       status, true, 'scale/' || i, 'policy', asked, asked, asked + interval '30 s',
       case when status = 'removed' then asked end, 100000, 8e8, 1e8, 'tables/' || hypertable || '/' || chunk || '_r0',
       jsonb_build_object('padding', repeat('x', 200)), true, asked
from (select i, lot, format('%(schema)s.scale_%%s', i %% %(hypertables)s) as hypertable,
             format('%(schema)s.scale_%%s_%%s', i %% %(hypertables)s, i / %(hypertables)s) as chunk,
             timestamp '2016-01-01' + (i / %(hypertables)s) * interval '1 hour' as first,
             timestamptz '2026-01-01Z' + i * interval '10 s' as asked,
             case when lot < 5 then 'restored' when lot = 5 then 'failed' when lot < 50 then 'skipped'
                  when lot < 70 then 'superseded' when i > %(jobs)s - 20 then 'queued' when lot < 300 then 'archived'
                  else 'removed' end as status
      from (select i, hashint4(i) & 1023 as lot from generate_series(1, %(jobs)s) i) numbered) made
"""


@pytest.fixture(autouse=True)
def nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each question is answered anew."""
    monkeypatch.setattr(insights, "_GOOD_FOR", 0.0)
    monkeypatch.setattr(insights, "_OVERDUE_GOOD_FOR", 0.0)
    monkeypatch.setattr(chunk_map, "_GOOD_FOR", 0.0)


async def test_lists_stay_quick_with_a_million_jobs(service: Service) -> None:
    table = f"{service.schema}.scale_7"
    service.execute(
        "create table $s.scale_7 (time timestamptz not null) partition by range (time);"
        "do $do$ begin for i in 0..499 loop execute format('create table $s.scale_7_%s partition of $s.scale_7"
        " for values from (%L) to (%L)', i, timestamptz '2016-01-01Z' + i * interval '1 hour',"
        " timestamptz '2016-01-01Z' + (i + 1) * interval '1 hour'); end loop; end $do$"
    )
    async with api_client() as client:
        assert (await client.get("/jobs")).status_code == 200  # the ledger is there
        with psycopg.connect(service.url, autocommit=True) as connection:
            started = time.perf_counter()
            # one row after the other would take the triggers minutes; they have their own tests
            connection.execute("alter table archival.job disable trigger user")
            connection.execute((FILL % {"schema": service.schema, "hypertables": HYPERTABLES, "jobs": JOBS}).encode())
            connection.execute("alter table archival.job enable trigger user")
            connection.execute("vacuum analyze archival.job")
            connection.execute("select archival.count_again()")
            print(f"\n{JOBS:,} jobs written in {time.perf_counter() - started:.0f} s")
            [job_id] = connection.execute("select job_id from archival.job where status = 'failed' limit 1").fetchone() or [""]
        deep = (await client.get("/jobs", params={"to": "2026-02-01T00:00:00Z"})).json()["next"]
        deep_chunk = (await client.get("/chunks", params={"hypertable": table, "limit": 500})).json()["next"]
        questions = {
            "jobs": ("/jobs", {}),
            "jobs, deep": ("/jobs", {"cursor": deep}),
            "jobs, 500 at once": ("/jobs", {"limit": 500}),
            "jobs of a hypertable": ("/jobs", {"hypertable": table}),
            "jobs of an unknown hypertable": ("/jobs", {"hypertable": "public.nothing"}),
            "failed jobs": ("/jobs", {"status": "failed"}),
            "cancelled jobs, of which there are none": ("/jobs", {"status": "cancelled"}),
            "live jobs": ("/jobs", {"status": ["queued", "running"]}),
            "restores": ("/jobs", {"kind": "restore"}),
            "archived restores, of which there are none": ("/jobs", {"kind": "restore", "status": "archived"}),
            "failed jobs of a hypertable in a month": (
                "/jobs",
                {"hypertable": table, "status": "failed", "from": "2026-02-01T00:00:00Z", "to": "2026-03-01T00:00:00Z"},
            ),
            "one job": (f"/jobs/{job_id}", {}),
            "chunks": ("/chunks", {"hypertable": table}),
            "chunks, deep": ("/chunks", {"hypertable": table, "cursor": deep_chunk}),
            "hypertables": ("/hypertables", {}),
            "policies": ("/policies", {}),
            "dead letters": ("/dead-letters", {}),
            "metrics": ("/metrics", {}),
            "dashboard, overview": ("/dashboard/overview", {}),
            "dashboard, a year": ("/dashboard/timeline", {"days": 366}),
            "dashboard, a year of a hypertable": ("/dashboard/timeline", {"days": 366, "hypertable": table}),
            "dashboard, chunks": ("/dashboard/hypertables", {}),
        }
        medians = {}
        for name, (path, params) in questions.items():
            taken = []
            for _ in range(REPEATS):
                started = time.perf_counter()
                answer = await client.get(path, params=params)
                taken.append(time.perf_counter() - started)
                assert answer.status_code == 200, answer.text
            medians[name] = statistics.median(taken)
            print(f"{name:45} median {medians[name] * 1000:6.1f} ms, worst {max(taken) * 1000:6.1f} ms")
    assert {name: median for name, median in medians.items() if median > MEDIAN_SECONDS} == {}
