-- name: add_jobs
-- The same request finds its own row again. A request for a chunk that has a live archive, or a finished one and no `force`, is
-- recorded as skipped; that it wants the chunk removed counts for the other job. A removed or restored archive is no reason: who asks
-- wants the rows that are there now to be archived. Nor is one whose table is gone: a chunk of its name is another one. No two of the
-- requests are for one chunk.
with asked as materialized (
    select * from unnest(%(hypertables)s::text[], %(chunks)s::text[], %(removes)s::boolean[], %(keys)s::text[], %(requesters)s::text[],
                         %(traceparents)s::text[], %(forces)s::boolean[])
         with ordinality a (hypertable, chunk, remove, request_key, requested_by, traceparent, force, position)
), twin as materialized (
    select a.position, a.remove, t.job_id, t.status from asked a cross join lateral (
        select job_id, status from archival.job
        where hypertable = a.hypertable and chunk = a.chunk and kind = 'archive'
          and (status in ('queued', 'running') or (status = 'archived' and restored_at is null and not a.force
               and removal_error ->> 'code' is distinct from 'archive-undecided'))
          and request_key <> a.request_key
        order by status = 'archived', requested_at limit 1) t
), wished as (
    -- whoever asks again may have mended what stood in the way: the removal is tried at once
    update archival.job set remove = true, removal_tried_at = null from twin where job.job_id = twin.job_id and twin.remove
), added as (
    insert into archival.job (kind, hypertable, chunk, status, remove, request_key, requested_by, traceparent, force, finished_at,
                              error)
    select 'archive', a.hypertable, a.chunk, case when twin.job_id is null then 'queued' else 'skipped' end,
           a.remove, a.request_key, a.requested_by, a.traceparent, a.force,
           case when twin.job_id is not null then now() end,
           case when twin.job_id is not null then jsonb_build_object('code', 'duplicate', 'message',
                format('the chunk has job %%s already, which was %%s then', twin.job_id, twin.status), 'job_id', twin.job_id) end
    -- in one order whoever asks, so that two drains do not wait for each other
    from asked a left join twin using (position) order by a.hypertable, a.chunk
    on conflict (request_key, hypertable, chunk) do update set request_key = excluded.request_key
    returning job_id, status, traceparent, hypertable, chunk
)
select added.job_id, added.status, added.traceparent from asked a join added using (hypertable, chunk) order by a.position

-- name: messaged
update archival.job set messaged_at = now() where job_id = any(%(job_ids)s) and status in ('queued', 'running') returning job_id

-- name: assign_revision
-- The first attempt decides; later ones find `settled`. Whatever became of an earlier archive of the same chunk or range, its
-- revision is taken, and so is every revision up to `taken`, at whose place in the lake lies something else.
update archival.job j
set settled = true,
    range_start = case when settled then range_start else %(range_start)s end,
    range_end = case when settled then range_end else %(range_end)s end,
    relation_oid = case when settled then relation_oid else %(relation_oid)s end,
    relation_born = case when settled then relation_born else %(relation_born)s end,
    revision = greatest(%(taken)s + 1, case when settled then revision else 1 + greatest(-1, (
        select max(o.revision) from archival.job o
        where o.hypertable = j.hypertable and o.chunk = j.chunk and o.kind = 'archive' and o.job_id <> j.job_id and o.settled
    ), (
        select max(o.revision) from archival.job o
        where o.hypertable = j.hypertable and o.kind = 'archive' and o.job_id <> j.job_id and o.settled
          and archival.span(o.range_start, o.range_end) && archival.span(%(range_start)s, %(range_end)s)
          and (o.range_start, o.range_end) is not distinct from (%(range_start)s, %(range_end)s)
    )) end)
where job_id = %(job_id)s and lease_token = %(token)s and status = 'running'
returning revision

-- name: supersedes
-- Published archives whose rows are in a chunk: of the same table of the same server, that of the last comparison of the whole archive or else
-- that of its reading, or restored into the chunk. Of a restored archive every other chunk that took rows must have a finished archive of its own, or rows would be in none.
select o.lake_path from archival.job o
where o.kind = 'archive' and o.job_id <> %(job_id)s and o.lake_path is not null
  and o.status = 'archived'
  and (o.relation_oid = %(relation_oid)s and o.relation_oid <> 0
       and (o.relation_born is null or o.relation_born = %(relation_born)s)
       and coalesce(o.proof ->> 'system_identifier', o.manifest #>> '{source,system_identifier}') = %(system_identifier)s
       and coalesce(o.proof ->> 'database', o.manifest #>> '{source,database}') = %(database)s
    or o.job_id = any(%(restored)s::uuid[])
       and not exists (
           select from jsonb_each_text(%(others)s::jsonb -> o.job_id::text) other (name, xact)
           where not exists (select from archival.job a where a.kind = 'archive' and a.status in ('archived', 'removed')
                             and a.relation_oid = split_part(other.name, '/', 1)::bigint
                             and coalesce(a.relation_born = nullif(split_part(other.name, '/', 2), ''), true)
                             and pg_visible_in_snapshot(
                                 other.xact::xid8, (a.manifest ->> 'snapshot')::pg_snapshot))
       ))
order by o.lake_path

-- name: take_lease
-- Guard TOKEN: what guards a lease is random. Attempts are counted: when the ledger is put back, the same numbers come again, and a worker
-- from before the put-back would write on.
update archival.job
set status = 'running', attempt = attempt + 1, lease_token = gen_random_uuid(), lease_until = now() + %(lease)s,
    started_at = now(), error = null, first_attempt = coalesce(first_attempt, %(traceparent)s),
    -- whose lease has run out was killed, or could not say how the run has ended
    failures = case when status = 'running' then archival.one_more(failures, 'interrupted') else failures end
where job_id = %(job_id)s and (status = 'queued' or (status = 'running' and lease_until < now()))
returning *

-- name: find_job
select *, greatest(extract(epoch from lease_until - now()), 0)::float8 as lease_seconds from archival.job where job_id = %(job_id)s

-- name: renew_lease
update archival.job set lease_until = now() + %(lease)s
where job_id = %(job_id)s and lease_token = %(token)s and status = 'running'
returning job_id

-- name: check_lease
select job_id from archival.job where job_id = %(job_id)s and lease_token = %(token)s and status = 'running'

-- name: begin_parts
-- A new set of parts: what an earlier attempt had is forgotten.
with owner as (
    update archival.job set progress = %(progress)s
    where job_id = %(job_id)s and lease_token = %(token)s and status = 'running'
    returning job_id
), claims as (
    delete from archival.part_claim where job_id in (select job_id from owner)
), forgotten as (
    delete from archival.part where job_id in (select job_id from owner)
)
select job_id from owner

-- name: take_parts
-- The next attempt looks for the parts in this folder too.
update archival.job set progress = jsonb_set(progress, '{staging}', progress -> 'staging' || to_jsonb(%(staging)s::text))
where job_id = %(job_id)s and lease_token = %(token)s and status = 'running'
returning job_id

-- name: add_part
insert into archival.part (job_id, number, part)
select job_id, %(number)s, %(part)s from archival.job
where job_id = %(job_id)s and lease_token = %(token)s and status = 'running'
returning job_id

-- name: parts
select j.progress, coalesce(jsonb_object_agg(p.number, p.part) filter (where p.number is not null), '{}') as parts,
       coalesce(jsonb_object_agg(p.number, p.staged) filter (where p.staged is not null), '{}') as staged
from archival.job j left join archival.part p using (job_id)
where j.job_id = %(job_id)s group by j.job_id

-- name: postpone
-- The run's time is nearly over: the next one goes on.
update archival.job set status = 'queued', lease_until = null, failures = '{}', postponed = 0
where job_id = %(job_id)s and lease_token = %(token)s and status = 'running'
returning job_id

-- name: declare
-- Guard HASH: what lies in the lake is the job's own only if its hash was recorded here before it was published there.
update archival.job set declared = array_append(array_remove(declared, %(sha256)s), %(sha256)s)
where job_id = %(job_id)s and lease_token = %(token)s and status = 'running'
returning job_id

-- name: lock_archives
-- Guard ROWLOCK: whoever removes or restores an archive keeps its row locked until the source has committed. What supersedes the archive
-- waits here, and then sees what became of it.
select job_id from archival.job where lake_path = any(%(folders)s) and kind = 'archive' order by job_id for update

-- name: finish_archive
-- Guard ONCE: on whose grounds a chunk went is decided by the transaction that dropped it. An archive of a table that went on the grounds
-- of another archive inherits nothing, and ends as superseded by that one.
with owner as (
    update archival.job j
    set status = case when %(by_another)s or exists (
            select from archival.job o
            where o.kind = 'archive' and o.status = 'removed' and o.job_id <> j.job_id
              and o.relation_oid = %(relation_oid)s and o.relation_born = %(relation_born)s
        ) then 'superseded' else 'archived' end,
        finished_at = now(), lease_until = null, progress = null, rows = %(rows)s, source_bytes = %(source_bytes)s,
        parquet_bytes = %(parquet_bytes)s, lake_path = %(lake_path)s, manifest = %(manifest)s, manifest_sha256 = %(sha256)s,
        error = null, range_start = %(range_start)s, range_end = %(range_end)s, relation_oid = %(relation_oid)s,
        relation_born = %(relation_born)s
    where job_id = %(job_id)s and lease_token = %(token)s and status = 'running' and %(sha256)s = any(declared)
    returning job_id, status
), claims as (
    delete from archival.part_claim where job_id in (select job_id from owner)
), done as (
    delete from archival.part where job_id in (select job_id from owner)
), superseded as (
    update archival.job o set status = 'superseded' from owner
    where o.lake_path = any(%(supersedes)s) and o.kind = 'archive' and o.status = 'archived' and o.job_id <> owner.job_id
      and owner.status = 'archived'
)
select job_id, status from owner

-- name: count_failure
update archival.job set failures = archival.one_more(failures, %(kind)s)
where job_id = %(job_id)s and lease_token = %(token)s and status = 'running'
returning failures

-- name: release
-- Back to the queue after a transient failure: the message comes again, or another one if the job is postponed.
update archival.job
set status = 'queued', lease_until = null, error = %(error)s, postponed = case when %(postponed)s then postponed + 1 else 0 end
where job_id = %(job_id)s and lease_token = %(token)s and status = 'running'
returning postponed

-- name: fail
with owner as (
    update archival.job set status = 'failed', finished_at = now(), lease_until = null, progress = null, error = %(error)s
    where job_id = %(job_id)s and lease_token = %(token)s and status = 'running'
    returning job_id
), claims as (
    delete from archival.part_claim where job_id in (select job_id from owner)
), done as (
    delete from archival.part where job_id in (select job_id from owner)
)
select job_id from owner

-- name: skip_removed
with twin as (
    select o.job_id from archival.job j join archival.job o on o.hypertable = j.hypertable and o.chunk = j.chunk
    where j.job_id = %(job_id)s and o.status = 'removed' and o.kind = 'archive' order by o.removed_at desc limit 1
)
update archival.job j
set status = 'skipped', finished_at = now(), lease_until = null, progress = null,
    error = jsonb_build_object('code', 'removed', 'message',
        format('the chunk is gone: job %%s archived it, and it was removed', twin.job_id), 'job_id', twin.job_id)
from twin
where j.job_id = %(job_id)s and j.lease_token = %(token)s and j.status = 'running'
returning j.job_id

-- name: fail_poisoned
-- The host has delivered the job's message too often. The job fails if it is running, its lease is over and its workers were
-- interrupted often enough: something kills them. A worker that holds the lease keeps the job. A queued job waits for something that is
-- away, and a job that fails by itself is given up by its worker.
update archival.job
set status = 'failed', finished_at = now(), lease_until = null,
    error = coalesce(error, '{}') || jsonb_build_object('poisoned', true, 'message',
        coalesce(error ->> 'message', 'the message was delivered too often without a result; the worker may have been killed'),
        'code', coalesce(error ->> 'code', 'poisoned'))
where job_id = %(job_id)s and status = 'running' and lease_until < now()
  and coalesce((failures ->> 'interrupted')::integer, 0) + 1 >= %(allowed)s
returning job_id

-- name: mark_announced
update archival.job set announced = true where job_id = %(job_id)s returning job_id

-- name: now
select now() as now
