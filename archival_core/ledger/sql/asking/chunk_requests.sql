-- name: add_chunk_jobs
-- As `add_jobs`, for many chunks of one request: a chunk that has a job of somebody else gets no row, and is returned as `taken`.
with asked as materialized (
    select chunk, position from unnest(%(chunks)s::text[]) with ordinality a (chunk, position)
), twin as materialized (
    select a.chunk, a.position, t.job_id from asked a cross join lateral (
        select job_id from archival.job
        where hypertable = %(hypertable)s and chunk = a.chunk and kind = 'archive'
          and (status in ('queued', 'running') or (status = 'archived' and restored_at is null
               and removal_error ->> 'code' is distinct from 'archive-undecided'))
          and request_key <> %(request_key)s
        order by status = 'archived', requested_at limit 1) t
), wished as (
    update archival.job set remove = true, removal_tried_at = null from twin
    where job.job_id = twin.job_id and %(remove)s::boolean and (not coalesce(remove, false) or removal_tried_at is not null)
), added as (
    insert into archival.job (kind, hypertable, chunk, status, remove, request_key, requested_by, traceparent)
    select 'archive', %(hypertable)s, a.chunk, 'queued', %(remove)s::boolean, %(request_key)s, %(requested_by)s, %(traceparent)s
    from asked a where not exists (select from twin where twin.position = a.position) order by a.position
    on conflict (request_key, hypertable, chunk) do update set request_key = excluded.request_key
    returning job_id, status, traceparent
)
select job_id, status, traceparent, null as taken from added
union all
(select null, null, null, chunk from twin order by position)

-- name: note_duplicates
insert into archival.job (kind, hypertable, chunk, status, remove, request_key, requested_by, traceparent, finished_at, error)
select 'archive', %(hypertable)s, %(chunk)s, 'skipped', r.remove, r.request_key, r.requested_by, r.traceparent, now(),
       jsonb_build_object('code', 'duplicate', 'message', %(what)s::text)
from unnest(%(keys)s::text[], %(requesters)s::text[], %(traceparents)s::text[], %(removes)s::boolean[])
     r (request_key, requested_by, traceparent, remove)
where not exists (select from archival.job j where j.request_key = r.request_key and j.status = 'skipped')
on conflict (request_key, hypertable, chunk) do nothing
returning job_id, traceparent
