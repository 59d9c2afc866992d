-- name: restorable
-- Published archives of a hypertable, by its name and by its identity: those of one chunk, or all that overlap a range. Bounds that
-- cannot be compared count as overlapping.
with named as (
    select job_id from archival.job
    where kind = 'archive' and status in ('archived', 'removed') and hypertable = %(hypertable)s
      and (%(chunk)s::text is null or chunk = %(chunk)s)
    union
    select job_id from archival.job
    where kind = 'archive' and status in ('archived', 'removed')
      and manifest #>> '{hypertable_table,oid}' = %(oid)s::bigint::text
      and manifest #>> '{hypertable_table,born}' = %(born)s
      and manifest #>> '{source,system_identifier}' = %(system_identifier)s and manifest #>> '{source,database}' = %(database)s
      and (%(chunk)s::text is null or chunk = %(chunk)s)
)
select j.* from archival.job j join named using (job_id)
where coalesce(archival.bound(j.range_start) < archival.bound(%(range_end)s), true)
  and coalesce(archival.bound(%(range_start)s) < archival.bound(j.range_end), true)
order by archival.bound(j.range_start), j.chunk, j.revision

-- name: add_restore
-- The same request finds its own row again.
insert into archival.job (kind, hypertable, chunk, range_start, range_end, status, settled, request_key, requested_by, traceparent,
                          restores, options, rows, lake_path, manifest, manifest_sha256, source_bytes, parquet_bytes, revision)
select 'restore', hypertable, chunk, range_start, range_end, 'queued', true, %(request_key)s, %(requested_by)s,
       coalesce(%(traceparent)s, traceparent), job_id, %(options)s, rows, lake_path, manifest, manifest_sha256, source_bytes, parquet_bytes, revision
from archival.job where job_id = %(archive)s
on conflict (request_key, hypertable, chunk) do update set request_key = excluded.request_key
returning job_id, status, traceparent

-- name: hold_restore
-- Guard ROWLOCK, as for a removal. A restore holds locks of the source, so it waits here only shortly.
select job_id from archival.job where job_id = %(archive)s and kind = 'archive' and status = 'removed' for update

-- name: finish_restore
update archival.job set status = 'restored', finished_at = now(), lease_until = null, error = null
where job_id = %(job_id)s and lease_token = %(token)s and status = 'running'
returning job_id

-- name: mark_restored
-- The rows of the archive are in their hypertable again. The archive is not removed any more, and its chunk stays until somebody asks for a
-- removal.
update archival.job set status = 'archived', restored_at = now(), mark_owed = false, dropped_by = null
where job_id = %(archive)s and kind = 'archive' and status = 'removed'
returning job_id
