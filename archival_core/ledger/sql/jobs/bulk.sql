-- name: matching_jobs
-- The oldest requests first, from a place on; what ended or was asked for after the first call began is not meant.
select j.job_id, j.requested_at from archival.job j
where j.status = any(%(statuses)s) and j.kind = any(%(kinds)s)
  and (%(hypertable)s::text is null or j.hypertable = %(hypertable)s)
  and (%(codes)s::text[] is null or coalesce(j.error ->> 'code', '') = any(%(codes)s))
  and (not %(open)s or exists (select from archival.open_failure o where o.job_id = j.job_id))
  and (not %(dismissed)s or j.dismissed is not null)
  and (%(job_ids)s::uuid[] is null or j.job_id = any(%(job_ids)s))
  and j.requested_at >= %(since)s::timestamptz and j.requested_at < %(until)s::timestamptz
  and coalesce(j.finished_at, j.requested_at) <= %(as_of)s
  and (j.requested_at, j.job_id) > (%(after)s::timestamptz, %(after_id)s::uuid)
order by j.requested_at, j.job_id limit %(limit)s

-- name: count_matching_jobs
select coalesce(j.error ->> 'code', '') as code, count(*) as jobs from archival.job j
where j.status = any(%(statuses)s) and j.kind = any(%(kinds)s)
  and (%(hypertable)s::text is null or j.hypertable = %(hypertable)s)
  and (%(codes)s::text[] is null or coalesce(j.error ->> 'code', '') = any(%(codes)s))
  and (not %(open)s or exists (select from archival.open_failure o where o.job_id = j.job_id))
  and (not %(dismissed)s or j.dismissed is not null)
  and (%(job_ids)s::uuid[] is null or j.job_id = any(%(job_ids)s))
  and j.requested_at >= %(since)s::timestamptz and j.requested_at < %(until)s::timestamptz
  and coalesce(j.finished_at, j.requested_at) <= %(as_of)s
  and (j.requested_at, j.job_id) > (%(after)s::timestamptz, %(after_id)s::uuid)
group by 1 order by 2 desc, 1

-- name: retry_jobs
-- Each of these that may be queued again, one for a chunk or an archive; `passed` says why one is left as it is. A job is not tried again
-- whose chunk was archived, or whose archive was restored, by a later request. Rows are locked in one order, so that two callers never
-- wait for each other. The statements below look up their jobs by the primary key: `status = any(...)` would let PostgreSQL read the index of
-- that status, and with it every failed job.
with meant as materialized (
    select job_id, kind, hypertable, chunk, restores, options, force, requested_at from archival.job
    where job_id = any(%(job_ids)s) and array_position(%(statuses)s, status) is not null and coalesce(finished_at, requested_at) <= %(as_of)s
    order by job_id for update
), judged as (
    select m.job_id,
           case m.kind
               when 'archive' then exists (
                   select from archival.job live where live.kind = 'archive' and live.status in ('queued', 'running')
                   and live.hypertable = m.hypertable and live.chunk = m.chunk)
               else exists (
                   select from archival.job live where live.kind = 'restore' and live.status in ('queued', 'running')
                   and live.restores = m.restores) end
           or row_number() over (partition by m.kind, case m.kind when 'archive' then (m.hypertable, m.chunk) end, m.restores
                                 order by m.requested_at desc, m.job_id) > 1 as has_live,
           not m.force and exists (
               select from archival.job later where later.kind = m.kind and later.requested_at > m.requested_at
               and (later.hypertable, later.chunk) = (m.hypertable, m.chunk)
               and case m.kind when 'archive' then later.status in ('archived', 'removed')
                               else later.status = 'restored' and later.restores = m.restores
                                    and later.options is not distinct from m.options end) as is_done
    from meant m
), queued as (
    update archival.job j
    set status = 'queued', finished_at = null, lease_until = null, messaged_at = null, error = null, announced = false,
        failures = '{}', postponed = 0
    from judged where j.job_id = judged.job_id and not judged.has_live and not judged.is_done
    returning j.job_id, j.kind, j.traceparent
)
select judged.job_id, queued.kind, queued.traceparent,
       case when queued.job_id is not null then null
            when judged.is_done then 'done' else 'live' end as passed
from judged left join queued using (job_id)

-- name: cancel_jobs
-- Their workers, if there are any, find out at their next guarded write.
with meant as materialized (
    select job_id from archival.job
    where job_id = any(%(job_ids)s) and array_position(%(statuses)s, status) is not null order by job_id for update
), owner as (
    update archival.job
    set status = 'cancelled', finished_at = now(), lease_until = null, progress = null,
        error = jsonb_build_object('code', 'cancelled', 'message', format('cancelled by %%s', %(cancelled_by)s::text))
    where job_id in (select job_id from meant)
    returning job_id
), done as (
    delete from archival.part where job_id in (select job_id from owner)
)
select job_id from owner

-- name: dismiss_jobs
-- Failures that somebody knows about: they are listed no more among those that wait for somebody.
with meant as materialized (
    select job_id from archival.job
    where job_id = any(%(job_ids)s) and array_position(%(statuses)s, status) is not null and dismissed is null order by job_id for update
)
update archival.job
set dismissed = jsonb_build_object('reason', %(reason)s::text, 'by', %(dismissed_by)s::text, 'at', now())
where job_id in (select job_id from meant)
returning job_id

-- name: undismiss_jobs
-- They wait for somebody again, unless a later job has made up for them.
with meant as materialized (
    select job_id from archival.job where job_id = any(%(job_ids)s) and dismissed is not null order by job_id for update
)
update archival.job set dismissed = null where job_id in (select job_id from meant) returning job_id
