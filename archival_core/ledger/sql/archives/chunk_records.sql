-- name: chunk_places
-- Where the rows of a hypertable are, as far as the ledger tells: a row for each of `chunks`, which are in the database and have a job, and
-- a row for each archive that is in the lake alone (`oids` are all tables of the database that hold chunks), from a place on.
(
    -- Of a chunk, the archive job that says most: one on its way, the archive that is finished, the last that failed. An archive is of the
    -- chunk if it is of that very table, or if its rows went back into that range. The archive of an earlier table of the same name and
    -- range comes last: after a dump and restore, its rows are in the new table.
    select true as in_database, found.*
    from unnest(%(chunks)s::text[], %(chunk_oids)s::bigint[], %(starts)s::text[], %(ends)s::text[])
        asked (chunk, oid, range_start, range_end)
    cross join lateral (
        select asked.chunk, j.range_start, j.range_end, j.status, j.job_id, j.rows, j.source_bytes, j.parquet_bytes, j.lake_path,
               coalesce(j.removal_error, j.error) as error, j.finished_at, j.revision, false as restoring, j.remove, j.restored_at,
               j.removal_error, j.removal_tried_at, j.dismissed ->> 'reason' as dismissed,
               j.status = 'archived' and j.restored_at is null and coalesce(j.relation_oid <> asked.oid, false) as of_earlier_table
        from archival.job j
        where j.hypertable = %(hypertable)s and j.kind = 'archive'
          and (j.chunk = asked.chunk and (j.status in ('queued', 'running', 'failed', 'cancelled')
                                          or j.status = 'archived' and j.restored_at is null
                                             and (coalesce(j.relation_oid = asked.oid, true)
                                                  or (j.range_start, j.range_end)
                                                     is not distinct from (asked.range_start, asked.range_end)))
               or j.status = 'archived' and j.restored_at is not null
                  and (j.range_start, j.range_end) is not distinct from (asked.range_start, asked.range_end))
        order by case when j.status in ('queued', 'running') then 0
                      when j.status = 'archived' and (j.restored_at is not null or coalesce(j.relation_oid = asked.oid, true)) then 1
                      when j.status = 'archived' then 3 else 2 end, j.requested_at desc, j.job_id
        limit 1
    ) found
) union all (
    -- By their range. What was restored is in another table.
    select false, j.chunk, j.range_start, j.range_end, j.status, j.job_id, j.rows, j.source_bytes, j.parquet_bytes, j.lake_path,
           coalesce(j.removal_error, j.error), j.finished_at, j.revision,
           exists (select from archival.job r where r.restores = j.job_id and r.kind = 'restore'
                   and r.status in ('queued', 'running')), j.remove, j.restored_at, j.removal_error, j.removal_tried_at,
           null, false
    from archival.job j
    where j.hypertable = %(hypertable)s and j.kind = 'archive' and j.status in ('archived', 'removed')
      and (coalesce(archival.bound(j.range_start), '-Infinity'), j.chunk collate "C", j.revision)
          > (%(position)s::numeric, %(chunk)s::text, %(revision)s::integer)
      and archival.in_lake_alone(j.status, j.restored_at, j.relation_oid, %(oids)s::bigint[])
    order by coalesce(archival.bound(j.range_start), '-Infinity'), j.chunk collate "C", j.revision limit %(limit)s
)

-- name: ledger_clock
select now() as now

-- name: count_in_lake_alone
-- Of archives that are not removed; the tallies count those that are.
select count(*) as archives from archival.job j
where j.hypertable = %(hypertable)s and j.kind = 'archive' and j.status = 'archived'
  and archival.in_lake_alone(j.status, j.restored_at, j.relation_oid, %(oids)s::bigint[])

-- name: first_start
select j.range_start from archival.job j
where j.hypertable = %(hypertable)s and j.kind = 'archive' and j.status in ('archived', 'removed')
order by coalesce(archival.bound(j.range_start), '-Infinity'), j.chunk collate "C", j.revision limit 1
