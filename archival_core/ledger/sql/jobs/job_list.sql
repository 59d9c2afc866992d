-- name: list_jobs
-- The newest jobs before a place in the list, of each status and kind, merged.
with newest as (
    select found.job_id, found.requested_at
    from unnest(%(statuses)s::text[]) s (status) cross join unnest(%(kinds)s::text[]) k (kind) cross join lateral (
        select j.job_id, j.requested_at from archival.job j
        where j.status = s.status and j.kind = k.kind and j.requested_at >= %(since)s::timestamptz
          and (%(codes)s::text[] is null or j.error ->> 'code' = any(%(codes)s))
          and (not %(open)s or exists (select from archival.open_failure o where o.job_id = j.job_id))
          and (j.requested_at, j.job_id) < (%(before)s::timestamptz, %(before_id)s::uuid)
        order by j.requested_at desc, j.job_id desc limit %(limit)s
    ) found
    order by found.requested_at desc, found.job_id desc limit %(limit)s
)
select l.* from newest join archival.listed_job l using (job_id) order by newest.requested_at desc, newest.job_id desc

-- name: list_jobs_of_hypertable
with newest as (
    select found.job_id, found.requested_at
    from unnest(%(statuses)s::text[]) s (status) cross join unnest(%(kinds)s::text[]) k (kind) cross join lateral (
        select j.job_id, j.requested_at from archival.job j
        where j.hypertable = %(hypertable)s and j.status = s.status and j.kind = k.kind
          and j.requested_at >= %(since)s::timestamptz
          and (%(codes)s::text[] is null or j.error ->> 'code' = any(%(codes)s))
          and (not %(open)s or exists (select from archival.open_failure o where o.job_id = j.job_id))
          and (j.requested_at, j.job_id) < (%(before)s::timestamptz, %(before_id)s::uuid)
        order by j.requested_at desc, j.job_id desc limit %(limit)s
    ) found
    order by found.requested_at desc, found.job_id desc limit %(limit)s
)
select l.* from newest join archival.listed_job l using (job_id) order by newest.requested_at desc, newest.job_id desc

-- name: list_jobs_by_id
-- People give a few digits of an id: a short range of the primary key, which has room for few jobs.
select l.* from archival.listed_job l
where l.job_id between %(first_id)s::uuid and %(last_id)s::uuid
  and (%(hypertable)s::text is null or l.hypertable = %(hypertable)s)
  and l.status = any(%(statuses)s) and l.kind = any(%(kinds)s) and l.requested_at >= %(since)s::timestamptz
  and (%(codes)s::text[] is null or l.error ->> 'code' = any(%(codes)s))
  and (not %(open)s or exists (select from archival.open_failure o where o.job_id = l.job_id))
  and (l.requested_at, l.job_id) < (%(before)s::timestamptz, %(before_id)s::uuid)
order by l.requested_at desc, l.job_id desc limit %(limit)s

-- name: list_refused_jobs
-- Archives whose chunk is to leave and is refused: as many as the index of the refusals has, which are few.
select l.* from archival.job j join archival.listed_job l using (job_id)
where j.kind = 'archive' and j.status = 'archived' and j.removal_error is not null
  and (j.restored_at is null or j.removal_error ->> 'code' = 'archive-undecided')
  and coalesce(j.removal_error ->> 'code', 'unknown') = any(%(removal_codes)s)
  and (%(hypertable)s::text is null or j.hypertable = %(hypertable)s)
  and j.status = any(%(statuses)s) and j.kind = any(%(kinds)s) and j.requested_at >= %(since)s::timestamptz
  and (%(codes)s::text[] is null or j.error ->> 'code' = any(%(codes)s)) and not %(open)s
  and (j.requested_at, j.job_id) < (%(before)s::timestamptz, %(before_id)s::uuid)
order by j.requested_at desc, j.job_id desc limit %(limit)s

-- name: list_dismissed_jobs
-- Failures that somebody dismissed and nobody retried since: as many as their index has, which are few.
select l.* from archival.job j join archival.listed_job l using (job_id)
where j.dismissed is not null and (%(hypertable)s::text is null or j.hypertable = %(hypertable)s)
  and j.status = any(%(statuses)s) and j.kind = any(%(kinds)s) and j.requested_at >= %(since)s::timestamptz
  and (%(codes)s::text[] is null or j.error ->> 'code' = any(%(codes)s)) and not %(open)s
  and (j.requested_at, j.job_id) < (%(before)s::timestamptz, %(before_id)s::uuid)
order by j.requested_at desc, j.job_id desc limit %(limit)s

-- name: list_audited_jobs
-- The jobs that one request of the audit made or changed, which are at most some thousands. Those that were folded since are not among them.
select l.* from archival.audit a cross join unnest(a.job_ids) asked (job_id) join archival.listed_job l on l.job_id = asked.job_id
where a.entry = %(audit_entry)s and (%(hypertable)s::text is null or l.hypertable = %(hypertable)s)
  and l.status = any(%(statuses)s) and l.kind = any(%(kinds)s) and l.requested_at >= %(since)s::timestamptz
  and (%(codes)s::text[] is null or l.error ->> 'code' = any(%(codes)s))
  and (%(removal_codes)s::text[] is null or l.removal_error ->> 'code' = any(%(removal_codes)s))
  and (not %(open)s or exists (select from archival.open_failure o where o.job_id = l.job_id))
  and (not %(dismissed)s or l.dismissed is not null)
  and (l.requested_at, l.job_id) < (%(before)s::timestamptz, %(before_id)s::uuid)
order by l.requested_at desc, l.job_id desc limit %(limit)s

-- name: audited_job_total
select count(*) as jobs
from archival.audit a cross join unnest(a.job_ids) asked (job_id) join archival.job j on j.job_id = asked.job_id
where a.entry = %(audit_entry)s and (%(hypertable)s::text is null or j.hypertable = %(hypertable)s)
  and j.status = any(%(statuses)s) and j.kind = any(%(kinds)s)
  and (%(codes)s::text[] is null or j.error ->> 'code' = any(%(codes)s))
  and (%(removal_codes)s::text[] is null or j.removal_error ->> 'code' = any(%(removal_codes)s))
  and (not %(open)s or exists (select from archival.open_failure o where o.job_id = j.job_id))
  and (not %(dismissed)s or j.dismissed is not null)

-- name: listed_jobs
select * from archival.listed_job where job_id = any(%(job_ids)s) order by archival.bound(range_start), chunk, job_id

-- name: job_history
select at, from_status, to_status, attempt, began_at, error, written_by from archival.job_event
where job_id = %(job_id)s order by at, attempt limit %(limit)s

-- name: cancel_job
-- Its worker, if there is one, finds out at its next guarded write.
with owner as (
    update archival.job
    set status = 'cancelled', finished_at = now(), lease_until = null, progress = null,
        error = jsonb_build_object('code', 'cancelled', 'message', format('cancelled by %%s', %(cancelled_by)s::text))
    where job_id = %(job_id)s and status in ('queued', 'running')
    returning job_id
), done as (
    delete from archival.part where job_id in (select job_id from owner)
)
select job_id from owner

-- name: ledger_hypertables
-- One step of the index for each hypertable, not one for each job.
with recursive found (hypertable) as (
    (select hypertable from archival.job order by hypertable limit 1)
    union all
    select (select j.hypertable from archival.job j where j.hypertable > found.hypertable order by j.hypertable limit 1)
    from found where found.hypertable is not null
)
select hypertable from found where hypertable is not null

-- name: jobs_of_chunk
-- The newest jobs of a chunk, and restores of its archives.
select l.*
from (select job_id from archival.job
      where hypertable = %(hypertable)s and chunk = %(chunk)s order by requested_at desc, job_id desc limit %(limit)s) newest
join archival.listed_job l using (job_id) order by l.requested_at desc, l.job_id desc

-- name: job_total
-- By the sums, less what was folded away and is in no list.
select coalesce(sum(jobs), 0)::bigint as jobs
from (select jobs from archival.job_tally
      where status = any(%(statuses)s) and kind = any(%(kinds)s) and (%(hypertable)s::text is null or hypertable = %(hypertable)s)
      union all
      select -jobs from archival.folded_job
      where status = any(%(statuses)s) and kind = any(%(kinds)s) and (%(hypertable)s::text is null or hypertable = %(hypertable)s)) sums

-- name: open_job_total
-- The failures that wait for somebody are counted one by one: no sum knows which were made up for.
select count(*) as jobs from archival.open_failure f
where f.kind = any(%(kinds)s) and (%(hypertable)s::text is null or f.hypertable = %(hypertable)s)
  and (%(codes)s::text[] is null or f.error ->> 'code' = any(%(codes)s))

-- name: refused_job_total
select count(*) as jobs from archival.job j
where j.kind = 'archive' and j.status = 'archived' and j.removal_error is not null
  and (j.restored_at is null or j.removal_error ->> 'code' = 'archive-undecided')
  and coalesce(j.removal_error ->> 'code', 'unknown') = any(%(removal_codes)s)
  and (%(hypertable)s::text is null or j.hypertable = %(hypertable)s)

-- name: dismissed_job_total
select count(*) as jobs from archival.job j
where j.dismissed is not null and j.status = any(%(statuses)s) and j.kind = any(%(kinds)s)
  and (%(hypertable)s::text is null or j.hypertable = %(hypertable)s)
  and (%(codes)s::text[] is null or j.error ->> 'code' = any(%(codes)s))
