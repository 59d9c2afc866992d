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

-- name: chunk_records
-- Of each of these chunks, which are in the database, the archive job that says most: one on its way, the archive that is finished, the
-- last that failed. An archive is of the chunk if it is of that very table, or if its rows went back into that range.
select found.*
from unnest(%(chunks)s::text[], %(oids)s::bigint[], %(starts)s::text[], %(ends)s::text[])
    asked (chunk, oid, range_start, range_end)
cross join lateral (
    select asked.chunk, j.range_start, j.range_end, j.status, j.job_id, j.rows, j.source_bytes, j.parquet_bytes, j.lake_path,
           coalesce(j.removal_error, j.error) as error, j.finished_at, j.revision, false as restoring, j.remove, j.restored_at,
           j.removal_error, j.removal_tried_at, j.dismissed ->> 'reason' as dismissed
    from archival.job j
    where j.hypertable = %(hypertable)s and j.kind = 'archive'
      and (j.chunk = asked.chunk and (j.status in ('queued', 'running', 'failed', 'cancelled')
                                      or j.status = 'archived' and j.restored_at is null
                                         and coalesce(j.relation_oid = asked.oid, true))
           or j.status = 'archived' and j.restored_at is not null
              and (j.range_start, j.range_end) is not distinct from (asked.range_start, asked.range_end))
    order by case j.status when 'queued' then 0 when 'running' then 0 when 'archived' then 1 else 2 end, j.requested_at desc, j.job_id
    limit 1
) found

-- name: archives_without_chunk
-- Published archives whose table is none of those in the database, by their range. What was restored is in another table.
select j.chunk, j.range_start, j.range_end, j.status, j.job_id, j.rows, j.source_bytes, j.parquet_bytes, j.lake_path,
       coalesce(j.removal_error, j.error) as error, j.finished_at, j.revision,
       exists (select from archival.job r where r.restores = j.job_id and r.kind = 'restore'
               and r.status in ('queued', 'running')) as restoring, j.remove, j.restored_at, j.removal_error, j.removal_tried_at,
       null as dismissed
from archival.job j
where j.hypertable = %(hypertable)s and j.kind = 'archive' and j.status in ('archived', 'removed')
  and (coalesce(archival.bound(j.range_start), '-Infinity'), j.chunk collate "C", j.revision)
      > (%(position)s::numeric, %(chunk)s::text, %(revision)s::integer)
  and j.restored_at is null and coalesce(j.status = 'removed' or j.relation_oid <> all(%(oids)s::bigint[]), false)
order by coalesce(archival.bound(j.range_start), '-Infinity'), j.chunk collate "C", j.revision limit %(limit)s

-- name: forget_requests
delete from archival.request where requested_at < now() - interval '7 days' returning key

-- name: claim_request
with mine as (
    insert into archival.request (key, fingerprint) values (%(key)s, %(fingerprint)s) on conflict (key) do nothing
    returning fingerprint, jobs
)
select fingerprint, jobs from mine union all select fingerprint, jobs from archival.request where key = %(key)s limit 1

-- name: answer_request
update archival.request set jobs = %(jobs)s where key = %(key)s returning key

-- name: intake
select paused, reason, changed_by, changed_at from archival.intake

-- name: set_intake
update archival.intake set paused = %(paused)s, reason = %(reason)s, changed_by = %(changed_by)s, changed_at = now()
where paused is distinct from %(paused)s or paused
returning paused, reason, changed_by, changed_at

-- name: ledger_clock
select now() as now

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

-- name: note_audit
insert into archival.audit (who, action, asked) values (%(who)s, %(action)s, %(asked)s) returning entry

-- name: end_audit
update archival.audit set outcome = %(outcome)s, ended_at = clock_timestamp() where entry = %(entry)s returning entry

-- name: audit_page
select entry, at, who, action, asked, outcome from archival.audit
where entry < %(before)s order by entry desc limit %(limit)s

-- name: count_dropped
select count(*) as archives from archival.job j
where j.hypertable = %(hypertable)s and j.kind = 'archive' and j.status = 'archived' and j.restored_at is null
  and coalesce(j.relation_oid <> all(%(oids)s::bigint[]), false)

-- name: first_start
select j.range_start from archival.job j
where j.hypertable = %(hypertable)s and j.kind = 'archive' and j.status in ('archived', 'removed')
order by coalesce(archival.bound(j.range_start), '-Infinity'), j.chunk collate "C", j.revision limit 1
