-- name: known_archives
-- The jobs of these folders below tables/. `overtaken`: the rows of the archive are in another archive, too. A removed archive is never
-- overtaken, because its mark in the source says that it stands in for rows.
select j.lake_path, j.status, j.status = 'archived' and archival.is_overtaken(
    j.job_id, j.hypertable, j.chunk, j.relation_oid, j.relation_born, j.revision, j.lake_path, '{}'
) as overtaken
from archival.job j
where j.lake_path = any(%(folders)s) and j.kind = 'archive' and j.status in ('archived', 'superseded', 'removed')

-- name: publisher
-- The job of a published folder that the ledger does not know. `declared`: the job has said that it would publish this very manifest.
-- `contested`: another job of the chunk is live, and decides what becomes of the folder. `overtaken`: the rows of the archive are in
-- another archive, too.
select j.status, coalesce(%(sha256)s = any(j.declared), false) as declared, exists (
    select from archival.job live
    where live.hypertable = %(hypertable)s and live.chunk = %(chunk)s and live.kind = 'archive'
      and live.status in ('queued', 'running') and live.job_id <> %(job_id)s
) as contested,
archival.is_overtaken(%(job_id)s, %(hypertable)s, %(chunk)s, %(relation_oid)s, %(relation_born)s, %(revision)s,
                      %(lake_path)s, %(supersedes)s) as overtaken
from (select 1) one left join archival.job j on j.job_id = %(job_id)s

-- name: adopt
-- A job that ended, or that waits, has published its archive after all. The archive inherits no removal (guard ONCE): if its table went on
-- the grounds of another archive, that other archive stands in for the rows. An archive that was written anew counts only once the mark of the
-- former has changed hands, which its job sees to: until then the former has the same rows.
with owner as (
    update archival.job j
    set status = case when j.options ->> 'rewrites' is not null or exists (
            select from archival.job o
            where o.kind = 'archive' and o.status = 'removed' and o.job_id <> j.job_id
              and o.relation_oid = %(relation_oid)s and o.relation_born = %(relation_born)s
        ) then 'superseded' else %(status)s end,
        finished_at = now(), lease_until = null, progress = null, error = null, settled = true, announced = false,
        revision = %(revision)s, relation_oid = %(relation_oid)s, relation_born = %(relation_born)s,
        range_start = %(range_start)s, range_end = %(range_end)s, rows = %(rows)s, source_bytes = %(source_bytes)s,
        parquet_bytes = %(parquet_bytes)s, lake_path = %(lake_path)s, manifest = %(manifest)s, manifest_sha256 = %(sha256)s
    where job_id = %(job_id)s and kind = 'archive' and %(sha256)s = any(declared)
      and (status in ('failed', 'cancelled')
           or (status = 'queued' and coalesce(lease_until < now(), true) and j.options ->> 'rewrites' is null))
      and not exists (select from archival.job live where live.hypertable = j.hypertable and live.chunk = j.chunk
                      and live.kind = 'archive' and live.status in ('queued', 'running') and live.job_id <> j.job_id)
    returning job_id, status
), done as (
    delete from archival.part where job_id in (select job_id from owner)
), superseded as (
    update archival.job o set status = 'superseded' from owner
    where o.lake_path = any(%(supersedes)s) and o.kind = 'archive' and o.status = 'archived' and o.job_id <> owner.job_id
      and owner.status = 'archived'
)
select job_id, status from owner

-- name: insert_archive
-- A published archive whose row the ledger has lost. The times of the new row are those of the manifest.
with owner as (
    insert into archival.job (job_id, kind, hypertable, chunk, range_start, range_end, status, attempt, revision, settled,
                              relation_oid, relation_born, request_key, requested_by, requested_at, started_at, finished_at,
                              removed_at, rows, source_bytes, parquet_bytes, lake_path, manifest, manifest_sha256, announced,
                              adopted)
    select %(job_id)s, 'archive', %(hypertable)s, %(chunk)s, %(range_start)s, %(range_end)s, %(status)s, %(attempt)s,
           %(revision)s, true, %(relation_oid)s::bigint, %(relation_born)s, %(request_key)s, %(requested_by)s, %(archived_at)s,
           %(archived_at)s, %(archived_at)s, case %(status)s when 'removed' then now() end, %(rows)s, %(source_bytes)s,
           %(parquet_bytes)s, %(lake_path)s, %(manifest)s, %(sha256)s, %(announced)s, true
    where not exists (select from archival.job live where live.hypertable = %(hypertable)s and live.chunk = %(chunk)s
                      and live.kind = 'archive' and live.status in ('queued', 'running'))
    on conflict (job_id) do nothing
    returning job_id, hypertable, status
), superseded as (
    update archival.job o set status = 'superseded' from owner
    where o.lake_path = any(%(supersedes)s) and o.kind = 'archive' and o.status = 'archived'
      and o.hypertable = owner.hypertable and owner.status <> 'superseded'
)
select job_id from owner

-- name: supersede_overtaken
update archival.job j set status = 'superseded'
where j.lake_path = any(%(folders)s) and j.kind = 'archive' and j.status = 'archived'
  and archival.is_overtaken(j.job_id, j.hypertable, j.chunk, j.relation_oid, j.relation_born, j.revision, j.lake_path, '{}')
returning j.lake_path

-- name: record_strays
insert into archival.stray (folder, reason) select * from unnest(%(folders)s::text[], %(reasons)s::text[])
on conflict (folder) do update set reason = excluded.reason, seen_at = now()
returning folder

-- name: strays_still
-- Nothing new is known of these folders: a folder that was a stray still is one.
update archival.stray set seen_at = now() where folder = any(%(folders)s) returning folder

-- name: forget_strays
-- A folder that a whole round has not found again is no stray any more.
delete from archival.stray where seen_at < %(began_at)s returning folder

-- name: any_job
select exists (select from archival.job) as found
