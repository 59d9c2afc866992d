-- name: outdated_archives
-- Archives that count and are of before the lake's tables had a schema: columns without a number, or a folder whose name engines read
-- differently.
select j.job_id, j.hypertable, j.chunk, j.status, j.rows, j.parquet_bytes, j.lake_path, j.manifest_sha256, j.relation_oid,
       j.relation_born, j.mark_owed, j.remove, j.traceparent, j.restored_at is not null as restored,
       exists (select from archival.job live where live.kind = 'archive' and live.status in ('queued', 'running')
               and live.hypertable = j.hypertable and live.chunk = j.chunk) as in_hand
from archival.job j
where j.kind = 'archive' and j.status in ('archived', 'removed')
  and (%(hypertable)s::text is null or j.hypertable = %(hypertable)s)
  and (strpos(j.lake_path, '%%') > 0
       or exists (select from jsonb_array_elements(j.manifest -> 'columns') c where coalesce((c ->> 'lake_number')::integer, 0) = 0))
order by j.hypertable, j.finished_at, j.job_id

-- name: rewritten_archive
-- An archive that a job writes anew, whatever became of it.
select j.job_id, j.hypertable, j.chunk, j.status, j.rows, j.parquet_bytes, j.lake_path, j.manifest_sha256, j.relation_oid,
       j.relation_born, j.mark_owed, j.remove, j.traceparent, j.restored_at is not null as restored, true as in_hand
from archival.job j where j.job_id = %(job_id)s and j.kind = 'archive'

-- name: add_rewrites
-- A chunk that has a live job is left alone: whoever asks again asks for it then.
insert into archival.job (kind, hypertable, chunk, range_start, range_end, status, request_key, requested_by, traceparent, force, options)
select 'archive', o.hypertable, o.chunk, o.range_start, o.range_end, 'queued', %(request_key)s || '/' || o.job_id, %(requested_by)s,
       coalesce(%(traceparent)s, o.traceparent), true, jsonb_build_object('rewrites', o.job_id)
from archival.job o
where o.job_id = any(%(archives)s) and o.kind = 'archive' and o.status = 'removed'
on conflict do nothing
returning job_id, status, traceparent

-- name: hold_rewrite
-- Guard ROWLOCK, as for a removal.
select job_id from archival.job where job_id in (%(job_id)s, %(former)s) and kind = 'archive' order by job_id for update

-- name: finish_rewrite
-- The new archive stands in for the rows, and says of them what the former said: they went when they did. They went once, so the former does
-- not say it any more. It was archived now: a lake that goes back to before now has lost it.
with former as (
    select job_id, removed_at, dropped_by, removal_error, relation_oid, relation_born from archival.job
    where job_id = %(former)s and kind = 'archive' and status = 'removed' and manifest_sha256 = %(former_sha256)s
    for update
), superseded as (
    update archival.job o set status = 'superseded', removed_at = null from former where o.job_id = former.job_id
)
update archival.job j
set status = 'removed', finished_at = now(), removed_at = former.removed_at,
    dropped_by = former.dropped_by, removal_error = former.removal_error, relation_oid = former.relation_oid,
    relation_born = former.relation_born, range_start = %(range_start)s, range_end = %(range_end)s, rows = %(rows)s,
    source_bytes = %(source_bytes)s, parquet_bytes = %(parquet_bytes)s, lake_path = %(lake_path)s, manifest = %(manifest)s,
    manifest_sha256 = %(sha256)s, lease_until = null, progress = null, error = null, announced = true
from former
where j.job_id = %(job_id)s and j.lease_token = %(token)s and j.status = 'running' and %(sha256)s = any(j.declared)
returning j.job_id
