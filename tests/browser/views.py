"""Every view of the console, and a service that has something to show in each."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.browser.history import Shown

# What the service did in an afternoon, as if it had taken a fortnight; the pictures show a history then.
A_FORTNIGHT = """
with place as (
    select job_id, row_number() over (order by chunk) as number,
           greatest(9 - row_number() over (order by chunk), 0) * interval '36 hours' as ago
    from archival.job where status in ('archived', 'removed')
)
update archival.job j
set finished_at = finished_at - ago, started_at = started_at - ago, removed_at = removed_at - ago + interval '1 day',
    source_bytes = source_bytes * 100 * (4 + number * 5 % 7),
    parquet_bytes = parquet_bytes * 100 * (3 + number % 4)
from place where place.job_id = j.job_id;
select archival.count_again();
"""

# A large chunk in the middle, and one that could not be archived.
AT_WORK = """
insert into archival.job (job_id, kind, hypertable, chunk, range_start, range_end, status, settled, attempt, lease_until,
                          request_key, requested_by, started_at, progress)
values ('00000000-0000-4000-8000-000000000001', 'archive', 'demo.readings', 'demo.readings_2026_01_11', '2026-01-11T00:00:00Z',
        '2026-01-12T00:00:00Z', 'running', true, 1, now() + interval '1 hour', 'test/1', 'test', now() - interval '40 seconds',
        '{"parts": [1, 2, 3, 4, 5, 6, 7, 8]}');
insert into archival.part (job_id, number, part)
select '00000000-0000-4000-8000-000000000001', number, '{"rows": 200000}' from generate_series(0, 4) number;
insert into archival.job (kind, hypertable, chunk, range_start, range_end, status, settled, attempt, request_key, requested_by,
                          finished_at, announced, error)
values ('archive', 'demo.readings', 'demo.readings_2026_01_10', '2026-01-10T00:00:00Z', '2026-01-11T00:00:00Z', 'failed', true,
        5, 'test/2', 'test', now() - interval '3 minutes', true,
        '{"code": "database-cancelled", "message": "the ledger: canceling statement due to user request", "transient": true}');
"""
VIEWS = {
    "overview": "#/",
    "hypertables": "#/hypertables",
    "hypertable": "#/hypertable?name=demo.readings",
    "chunks": "#/chunks?hypertable=demo.readings&in_database=true",
    "due": "#/chunks?because=due",
    "chunk": "#/chunk?hypertable=demo.readings&chunk=demo.readings_2026_01_07",
    "query": "#/query?sql=SELECT%20time::date%20AS%20day,%20avg(temperature)%20FROM%20demo.readings%20GROUP%20BY%20ALL",
    "jobs": "#/jobs",
    "job": "#/job?id=00000000-0000-4000-8000-000000000001",
    "dead-letters": "#/dead-letters",
    "verification": "#/verification",
    "audit": "#/audit",
    "errors": "#/errors?code=removal-blocked",
}


def history_of(shown: Shown) -> None:
    """A fortnight, and a job at work on a chunk of its own; once."""
    if not shown.rows("select from archival.job where status = 'running'"):
        shown.execute(A_FORTNIGHT)
        shown.execute(AT_WORK)
