-- name: jobs_by_state
select hypertable, kind, status, sum(jobs)::bigint as jobs, count(*) as differences
from archival.job_tally group by hypertable, kind, status

-- name: outcomes
select hypertable, outcome, seconds_bucket, bytes_bucket, sum(jobs)::bigint as jobs, sum(rows)::bigint as rows,
       sum(source_bytes)::bigint as source_bytes, sum(parquet_bytes)::bigint as parquet_bytes, sum(seconds) as seconds,
       count(*) as differences
from archival.outcome_tally group by hypertable, outcome, seconds_bucket, bytes_bucket

-- name: histogram_bounds
select archival.seconds_bounds() as seconds, archival.bytes_bounds() as bytes

-- name: fold_job_tally
-- What two do at the same time is done once: the second finds nothing left.
with gone as (delete from archival.job_tally returning *)
insert into archival.job_tally select hypertable, kind, status, sum(jobs) from gone group by 1, 2, 3 having sum(jobs) <> 0
returning hypertable

-- name: fold_outcome_tally
with gone as (delete from archival.outcome_tally returning *)
insert into archival.outcome_tally
select hypertable, outcome, seconds_bucket, bytes_bucket, sum(jobs), sum(rows), sum(source_bytes), sum(parquet_bytes),
       sum(seconds)
from gone group by 1, 2, 3, 4
returning hypertable

-- name: fold_day_tally
with gone as (delete from archival.day_tally returning *)
insert into archival.day_tally
select day, hypertable, outcome, sum(jobs), sum(rows), sum(source_bytes), sum(parquet_bytes) from gone group by 1, 2, 3
returning hypertable

-- name: oldest_unremoved
-- One look into an index for each hypertable.
select h.hypertable, oldest.finished_at
from (select distinct hypertable from archival.job_tally) h
cross join lateral (
    select j.finished_at from archival.job j
    where j.hypertable = h.hypertable and j.kind = 'archive' and j.status = 'archived' and j.restored_at is null
    order by j.finished_at limit 1
) oldest

-- name: running_jobs
select j.job_id, j.kind, j.hypertable, j.chunk, j.range_start, j.range_end, j.attempt, j.started_at,
       jsonb_array_length(j.progress -> 'parts') as parts,
       (select count(*) from archival.part p where p.job_id = j.job_id) as parts_done,
       (select sum((p.part ->> 'rows')::bigint)::bigint from archival.part p where p.job_id = j.job_id) as rows_done
from archival.job j
where j.status = 'running' order by j.started_at, j.job_id limit %(limit)s

-- name: newest_failures
-- Without those whose chunk has had a better job since.
select f.*
from (select * from archival.job where status = 'failed' order by finished_at desc limit 20 * %(limit)s) f
where not exists (
    select from archival.job later
    where later.hypertable = f.hypertable and later.chunk = f.chunk and later.kind = f.kind
      and later.requested_at > f.requested_at and later.status in ('queued', 'running', 'archived', 'removed', 'restored')
)
order by f.finished_at desc limit %(limit)s

-- name: findings_by_problem
select j.hypertable, f.problem, count(*) as findings from archival.finding f join archival.job j using (job_id) group by 1, 2

-- name: single_numbers
select (select count(*) from archival.stray) as strays, (select count(*) from archival.discarded) as discarded,
       (select paused from archival.intake) as paused

-- name: timeline
select day, outcome, sum(jobs)::bigint as jobs, sum(rows)::bigint as rows, sum(source_bytes)::bigint as source_bytes,
       sum(parquet_bytes)::bigint as parquet_bytes
from archival.day_tally where day >= %(first)s and (%(hypertable)s::text is null or hypertable = %(hypertable)s)
group by day, outcome order by day
