-- name: archives_of_marks
-- What the ledger says of the archives that have a mark in the source.
select job_id, status, manifest_sha256, restored_at is not null as restored, mark_owed, hypertable
from archival.job where job_id = any(%(archives)s) and kind = 'archive'

-- name: lock_archive
select job_id from archival.job where job_id = %(job_id)s for update

-- name: follow_mark
-- Guard FOLLOWS: whatever the ledger says, a mark in the source says that this archive stands in for rows, or that its rows are back, and
-- which manifest is meant. Where the archive stands in for rows, an archive of the same table that is not removed has its rows there too.
with owner as (
    update archival.job j
    set status = case when %(dropped_by)s::text is null then 'archived' else 'removed' end,
        removed_at = case when %(dropped_by)s::text is not null then coalesce(removed_at, now()) end,
        restored_at = case when %(dropped_by)s::text is null then coalesce(restored_at, now()) end,
        removal_error = case when removal_error ->> 'code' = 'archive-undecided' then null else removal_error end,
        finished_at = coalesce(finished_at, now()), lease_until = null, lease_token = null, progress = null, error = null,
        settled = true, announced = announced or %(dropped_by)s::text is null, mark_owed = false, revision = %(revision)s,
        relation_oid = %(relation_oid)s, relation_born = %(relation_born)s, range_start = %(range_start)s,
        range_end = %(range_end)s, rows = %(rows)s, source_bytes = %(source_bytes)s, parquet_bytes = %(parquet_bytes)s,
        lake_path = %(lake_path)s, manifest = %(manifest)s, manifest_sha256 = %(sha256)s,
        declared = array_append(array_remove(declared, %(sha256)s), %(sha256)s), dropped_by = %(dropped_by)s
    where job_id = %(job_id)s and kind = 'archive'
    returning job_id, hypertable, relation_oid, relation_born, status
), done as (
    delete from archival.part where job_id in (select job_id from owner)
), superseded as (
    update archival.job o set status = 'superseded' from owner
    where o.kind = 'archive' and o.status = 'archived' and o.job_id <> owner.job_id and o.hypertable = owner.hypertable
      and o.relation_oid = owner.relation_oid and o.relation_born = owner.relation_born and owner.status = 'removed'
)
select job_id from owner

-- name: known_manifest
-- The manifest of an archive, if the ledger has the manifest with this hash.
select manifest from archival.job where job_id = %(job_id)s and manifest_sha256 = %(sha256)s

-- name: manifest
select manifest from archival.job where job_id = %(job_id)s

-- name: removed_archives
-- In one order that begins anywhere and comes round.
(select job_id, hypertable, chunk, lake_path, manifest_sha256, relation_oid, relation_born, mark_owed, dropped_by
 from archival.job where kind = 'archive' and status = 'removed' and job_id > %(after)s order by job_id limit %(limit)s)
union all
(select job_id, hypertable, chunk, lake_path, manifest_sha256, relation_oid, relation_born, mark_owed, dropped_by
 from archival.job where kind = 'archive' and status = 'removed' and job_id <= %(after)s order by job_id limit %(limit)s)
limit %(limit)s

-- name: owed_removals
select job_id, hypertable, chunk, lake_path, manifest_sha256, relation_oid, relation_born, mark_owed, dropped_by
from archival.job where kind = 'archive' and status = 'removed' and mark_owed
order by job_id limit %(limit)s

-- name: owed_restores
select job_id, hypertable, chunk, lake_path, manifest_sha256, relation_oid, relation_born, mark_owed, dropped_by
from archival.job where kind = 'archive' and status = 'archived' and restored_at is not null and mark_owed
order by job_id limit %(limit)s

-- name: mark_paid
-- The next commit looks at the archive: what its mark says of the table's content is in no other row of the ledger.
with paid as (
    update archival.job set mark_owed = false, manifest_sha256 = coalesce(manifest_sha256, %(sha256)s)
    where job_id = %(job_id)s returning job_id, hypertable, lake_path
), noted as (
    insert into archival.table_due (hypertable, folder) select hypertable, lake_path from paid where lake_path is not null
)
select job_id from paid

-- name: back_to_archived
-- The source was put back: the archive's rows are there, and no mark says that they went.
update archival.job set status = 'archived', removed_at = null, removal_error = null, dropped_by = null
where job_id = %(job_id)s and kind = 'archive' and status = 'removed'
returning job_id

-- name: supersede_archive
update archival.job set status = 'superseded', removal_error = null
where job_id = %(job_id)s and kind = 'archive' and status = any(%(from_statuses)s)
returning lake_path

-- name: leave_undecided
-- No removal is tried before it is taken back.
update archival.job j set removal_error = %(error)s, removal_tried_at = now()
from archival.job before
where j.job_id = %(job_id)s and j.kind = 'archive' and j.status = 'archived' and before.job_id = j.job_id
returning before.removal_error is distinct from j.removal_error as is_new

-- name: take_back_undecided
update archival.job set removal_error = null, removal_tried_at = null
where job_id = any(%(archives)s) and kind = 'archive' and status = 'archived' and removal_error ->> 'code' = 'archive-undecided'
returning job_id

-- name: readings
-- Archives of a server, with the nonces of their reading and of the comparison that came after it. In one order that begins anywhere and
-- comes round. Of a removed archive the mark of its drop says more.
with turn as (
    (select job_id from archival.job where kind = 'archive' and status = 'archived' and job_id > %(after)s order by job_id limit %(limit)s)
    union all
    (select job_id from archival.job where kind = 'archive' and status = 'superseded' and job_id > %(after)s order by job_id limit %(limit)s)
    union all
    (select job_id from archival.job where kind = 'archive' and status = 'archived' and job_id <= %(after)s order by job_id limit %(limit)s)
    union all
    (select job_id from archival.job where kind = 'archive' and status = 'superseded' and job_id <= %(after)s order by job_id limit %(limit)s)
    limit %(limit)s
)
select j.job_id, j.nonces, j.history_lost from turn join archival.job j using (job_id)
where j.nonces <> '{}' and j.read_from = %(system_identifier)s || '/' || %(database)s

-- name: set_history_lost
update archival.job set history_lost = not history_lost where job_id = any(%(archives)s) and history_lost <> %(lost)s returning job_id

-- name: superseded_by_lost
-- Superseded archives whose place no archive of this history takes: none that names them, no later one of their table, and none of another
-- table whose range overlaps. The last is asked last, of the few archives that the others leave.
with candidate as materialized (
    select j.job_id from archival.job j
    where j.kind = 'archive' and j.status = 'superseded' and not j.history_lost and j.nonces <> '{}'
      and exists (select from archival.job lost where lost.hypertable = j.hypertable and lost.history_lost)
      and not exists (
        select from archival.superseding s join archival.job o on o.job_id = s.job_id
        where s.folder = j.lake_path and o.hypertable = j.hypertable and o.job_id <> j.job_id and not o.history_lost
          and o.status in ('archived', 'removed', 'superseded'))
      and not exists (
        select from archival.job o
        where o.hypertable = j.hypertable and o.kind = 'archive' and o.job_id <> j.job_id and not o.history_lost
          and o.status in ('archived', 'removed', 'superseded')
          and (o.relation_oid, o.relation_born) = (j.relation_oid, j.relation_born)
          and (o.status = 'removed' or o.finished_at > j.finished_at))
)
select j.* from candidate join archival.job j using (job_id)
where not exists (
    select from archival.job o
    where o.hypertable = j.hypertable and o.kind = 'archive' and o.job_id <> j.job_id and not o.history_lost
      and o.status in ('archived', 'removed', 'superseded') and o.finished_at > j.finished_at
      and o.settled and archival.span(o.range_start, o.range_end) && archival.span(j.range_start, j.range_end)
      and archival.lies_in_other_table(j, o))
order by j.job_id limit %(limit)s

-- name: lock_superseded
select job_id from archival.job where job_id = %(job_id)s and status = 'superseded' for update

-- name: back_from_superseded
update archival.job set status = 'archived', removal_error = null, removal_tried_at = null
where job_id = %(job_id)s and status = 'superseded' returning job_id

-- name: finish_dropped
-- Somebody else has dropped the chunk: its rows live in the archive alone.
update archival.job j
set status = 'removed', removed_at = now(), restored_at = null, removal_error = %(note)s, dropped_by = 'others', announced = false,
    mark_owed = false, relation_oid = %(oid)s, relation_born = %(born)s
where j.job_id = %(job_id)s and j.status = 'archived'
  and not exists (select from archival.job live where live.kind = 'archive' and live.status in ('queued', 'running')
                  and live.hypertable = j.hypertable and live.chunk = j.chunk)
returning job_id

-- name: later_archives
-- Archives of other tables whose range overlaps, archived after this one.
select later.job_id, later.manifest
from archival.job j join archival.job later on archival.is_of_one_hypertable(j, later)
where j.job_id = %(job_id)s and later.kind = 'archive' and later.status in ('archived', 'removed')
  and later.job_id <> j.job_id and later.finished_at > j.finished_at and not later.history_lost
  and later.settled and archival.span(later.range_start, later.range_end) && archival.span(j.range_start, j.range_end)
  and archival.lies_in_other_table(j, later)
order by later.finished_at, later.job_id limit %(limit)s

-- name: archived_tables
-- In one order that begins anywhere and comes round. What was restored has another table now. The server is that of the last comparison
-- of the whole archive, or else that of the reading.
(select job_id, relation_oid, relation_born, restored_at is not null as restored, coalesce((proof ->> 'system_identifier') || '/' || (proof ->> 'database'), read_from) as server,
       chunk, coalesce(removal_error ->> 'code' = 'archive-undecided', false) as undecided,
       coalesce(removal_error ->> 'code' = 'archive-undecided' and removal_tried_at > now() - interval '1 hour', false) as rests
 from archival.job where kind = 'archive' and status = 'archived' and relation_oid is not null and job_id > %(after)s
 order by job_id limit %(limit)s)
union all
(select job_id, relation_oid, relation_born, restored_at is not null as restored, coalesce((proof ->> 'system_identifier') || '/' || (proof ->> 'database'), read_from) as server,
       chunk, coalesce(removal_error ->> 'code' = 'archive-undecided', false) as undecided,
       coalesce(removal_error ->> 'code' = 'archive-undecided' and removal_tried_at > now() - interval '1 hour', false) as rests
 from archival.job where kind = 'archive' and status = 'archived' and relation_oid is not null and job_id <= %(after)s
 order by job_id limit %(limit)s)
limit %(limit)s

-- name: archived_table
select job_id, relation_oid, relation_born, restored_at is not null as restored, coalesce((proof ->> 'system_identifier') || '/' || (proof ->> 'database'), read_from) as server,
       chunk, coalesce(removal_error ->> 'code' = 'archive-undecided', false) as undecided,
       coalesce(removal_error ->> 'code' = 'archive-undecided' and removal_tried_at > now() - interval '1 hour', false) as rests
from archival.job where job_id = %(job_id)s and kind = 'archive' and status = 'archived' and relation_oid is not null

-- name: archived_anew
-- Those of some archives of former servers whose range another server has a later archive of, and whether that is of a chunk of the same
-- name. The source may have moved once more since. Whom nobody can decide about stays, and must not keep others from their turn.
select j.job_id, later.is_same_chunk
from archival.job j cross join lateral (
    select bool_or(later.chunk = j.chunk) as is_same_chunk from archival.job later
    where later.hypertable = j.hypertable and later.kind = 'archive' and later.status = 'archived' and later.job_id <> j.job_id
      and later.finished_at > j.finished_at and not later.history_lost
      and later.read_from <> coalesce((j.proof ->> 'system_identifier') || '/' || (j.proof ->> 'database'), j.read_from)
      and later.settled and archival.span(later.range_start, later.range_end) && archival.span(j.range_start, j.range_end)
) later
where j.job_id = any(%(job_ids)s) and j.kind = 'archive' and j.status = 'archived' and later.is_same_chunk is not null
order by random() limit %(limit)s

-- name: archived_jobs
select j.*, coalesce(p.dropped_by_others, 'keep') as dropped_by_others
from archival.job j left join archival.policy p on p.hypertable = j.hypertable
where j.job_id = any(%(job_ids)s) and j.kind = 'archive' and j.status = 'archived'
order by j.job_id

-- name: owe_all_marks
-- The source has lost its marks: all are owed, and written again from what the ledger says.
update archival.job set mark_owed = true
where kind = 'archive' and (status = 'removed' or restored_at is not null and status = 'archived')
returning job_id
