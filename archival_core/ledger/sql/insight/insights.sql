-- name: jobs_by_state
select hypertable, kind, status, sum(jobs)::bigint as jobs, sum(rows)::bigint as rows, sum(source_bytes)::bigint as source_bytes,
       sum(parquet_bytes)::bigint as parquet_bytes, count(*) as differences
from archival.job_tally group by hypertable, kind, status

-- name: outcomes
select hypertable, outcome, seconds_bucket, bytes_bucket, sum(jobs)::bigint as jobs, sum(rows)::bigint as rows,
       sum(source_bytes)::bigint as source_bytes, sum(parquet_bytes)::bigint as parquet_bytes, sum(seconds) as seconds,
       count(*) as differences
from archival.outcome_tally group by hypertable, outcome, seconds_bucket, bytes_bucket

-- name: histogram_bounds
select archival.seconds_bounds() as seconds, archival.bytes_bounds() as bytes

-- name: fold_job_tally
-- Two processes may do this at the same time: the second finds nothing left.
with gone as (delete from archival.job_tally returning *)
insert into archival.job_tally
select hypertable, kind, status, sum(jobs), sum(rows), sum(source_bytes), sum(parquet_bytes) from gone group by 1, 2, 3
having sum(jobs) <> 0
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

-- name: fold_freed_tally
with gone as (delete from archival.freed_tally returning *)
insert into archival.freed_tally
select day, hypertable, sum(source_bytes) from gone group by 1, 2 having sum(source_bytes) <> 0
returning hypertable

-- name: oldest_unremoved
-- One step of the index for each hypertable.
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
-- Failures, without those whose chunk has had a better job since, and those that somebody dismissed.
select * from archival.open_failure order by finished_at desc limit %(limit)s

-- name: open_failures
-- The newest of each hypertable, with how many there are.
select distinct on (hypertable) *, count(*) over (partition by hypertable) as jobs
from archival.open_failure order by hypertable, finished_at desc

-- name: failure_groups
select coalesce(f.error ->> 'code', 'unknown') as code, count(*) as jobs, min(f.finished_at) as oldest, max(f.finished_at) as newest,
       coalesce(bool_or(f.error ->> 'transient' = 'true'), false) as is_transient,
       (array_agg(f.error ->> 'message' order by f.finished_at desc))[1] as message,
       (array_agg(distinct f.hypertable))[:20] as hypertables
from archival.open_failure f group by 1 order by 2 desc, 1

-- name: refusal_groups
select coalesce(j.removal_error ->> 'code', 'unknown') as code, count(*) as chunks, coalesce(sum(j.source_bytes), 0)::bigint as bytes,
       max(j.removal_tried_at) as newest, (array_agg(j.removal_error ->> 'message' order by j.removal_tried_at desc))[1] as message,
       (array_agg(distinct j.hypertable))[:20] as hypertables
from archival.job j
where j.kind = 'archive' and j.status = 'archived' and j.restored_at is null and j.removal_error is not null
group by 1 order by 2 desc, 1

-- name: pace
select count(*) as archives, coalesce(sum(source_bytes), 0)::bigint as source_bytes,
       coalesce(extract(epoch from now() - min(started_at)), 0)::float8 as seconds
from archival.job
where kind = 'archive' and status in ('archived', 'removed', 'superseded') and finished_at > now() - interval '1 hour'

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

-- name: freed_since
-- Not by the tallies of what happened on each day: what a restore has brought back is not free any more, as in the sums by state.
select hypertable, sum(source_bytes)::bigint as source_bytes from archival.freed_tally
where day >= %(first)s group by hypertable having sum(source_bytes) <> 0
