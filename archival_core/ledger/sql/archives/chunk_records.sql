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

-- name: ledger_clock
select now() as now

-- name: count_dropped
select count(*) as archives from archival.job j
where j.hypertable = %(hypertable)s and j.kind = 'archive' and j.status = 'archived' and j.restored_at is null
  and coalesce(j.relation_oid <> all(%(oids)s::bigint[]), false)

-- name: first_start
select j.range_start from archival.job j
where j.hypertable = %(hypertable)s and j.kind = 'archive' and j.status in ('archived', 'removed')
order by coalesce(archival.bound(j.range_start), '-Infinity'), j.chunk collate "C", j.revision limit 1
