-- name: removal_candidates
-- Archives whose chunk is to go now: the request says so, or the hypertable's policy, or the default. A refusal waits before it is tried
-- again: a minute if it may pass by itself, five if somebody has to do something, an hour if the archive is damaged, since every try reads
-- every byte. A chunk that is being archived anew is not touched, nor an archive that waits for a person's word. Who asks about one archive
-- is not alone, and leaves a hypertable be that somebody else holds. `offset 0` keeps the joins to one policy and one archive at a time: while
-- policies are new, their number is a guess, and for a wrong one every archive would be read.
select j.* from (
    select o.job_id from archival.job o
    where o.kind = 'archive' and o.status = 'archived' and o.restored_at is null and o.remove
    union all
    select old_enough.job_id from archival.policy p, lateral (
        select o.job_id from archival.job o
        where o.hypertable = p.hypertable and o.kind = 'archive' and o.status = 'archived' and o.restored_at is null and o.remove is null
          and archival.bound(o.range_end) <= extract(epoch from now() - p.remove_after)
          -- an age is one of clock time: integers have none, and a small integer would always be long ago
          and o.range_end !~ '^-?\d+$'
        offset 0
    ) old_enough
    where p.enabled
    union all
    select o.job_id from archival.job o
    where %(default_drop)s and o.kind = 'archive' and o.status = 'archived' and o.restored_at is null and o.remove is null
      and not exists (select from archival.policy p where p.hypertable = o.hypertable)
) wanted, lateral (select * from archival.job o where o.job_id = wanted.job_id offset 0) j
where j.hypertable <> all(%(busy)s::text[]) and j.job_id <> all(%(passed)s::uuid[])
  and j.finished_at + %(grace)s <= now()
  and j.removal_error ->> 'code' is distinct from 'archive-undecided'
  and coalesce(j.removal_tried_at + case when j.removal_error ->> 'code' = 'archive-damaged' then interval '1 hour'
                                         when j.removal_error ->> 'transient' = 'false' then interval '5 minutes'
                                         else interval '1 minute' end <= now(), true)
  and not exists (select from archival.job live where live.kind = 'archive' and live.status in ('queued', 'running')
                  and live.hypertable = j.hypertable and live.chunk = j.chunk)
  and (%(job_id)s::uuid is null or j.job_id = %(job_id)s and not exists (
           select from archival.job held
           where held.hypertable = j.hypertable and held.kind = 'archive' and held.status = 'archived'
             and held.removal_error ->> 'code' in ('source-locked', 'source-busy', 'gave-way')
             and held.removal_tried_at > now() - interval '1 minute'))
order by j.removal_tried_at nulls first, j.finished_at, j.job_id
limit %(limit)s

-- name: hold_removal
-- Guard ROWLOCK: with a ledger elsewhere the archive's row stays locked until the source has committed the drop. A later archive that would
-- supersede this one waits.
select job_id from archival.job j
where j.job_id = %(job_id)s and j.status = 'archived'
  and not exists (select from archival.job live where live.kind = 'archive' and live.status in ('queued', 'running')
                  and live.hypertable = j.hypertable and live.chunk = j.chunk)
for update

-- name: record_proof
update archival.job
set proof = %(proof)s, history_lost = false, relation_oid = %(oid)s, relation_born = %(born)s, manifest_sha256 = coalesce(manifest_sha256, %(sha256)s)
where job_id = %(job_id)s and status = 'archived'
returning job_id

-- name: archives_beside
-- Archives of other tables whose range overlaps, that are not removed: of chunks that are there, or that were merged, split or dropped.
select o.chunk, o.relation_oid, o.relation_born
from archival.job j join archival.job o
    on archival.is_of_one_hypertable(j, o) and o.kind = 'archive' and o.status in ('archived', 'removed') and o.status = 'archived'
where j.job_id = %(job_id)s and o.job_id <> j.job_id and o.restored_at is null
  and (o.relation_oid, o.relation_born) is distinct from (j.relation_oid, j.relation_born)
  and o.settled and archival.span(o.range_start, o.range_end) && archival.span(%(range_start)s, %(range_end)s)
order by o.chunk

-- name: finish_removal
update archival.job j
set status = 'removed', removed_at = now(), removal_error = null, announced = false, dropped_by = 'service'
where j.job_id = %(job_id)s and j.status = 'archived' and coalesce(j.manifest_sha256 = %(sha256)s, true)
  and not exists (select from archival.job live where live.kind = 'archive' and live.status in ('queued', 'running')
                  and live.hypertable = j.hypertable and live.chunk = j.chunk)
returning job_id

-- name: refuse_removal
update archival.job set removal_tried_at = now(), removal_error = %(error)s
where job_id = %(job_id)s and status = 'archived'
returning job_id

-- name: decide_removal
-- What was refused is tried again at once: somebody has looked.
update archival.job set remove = %(remove)s, removal_tried_at = null, removal_error = null
where job_id = %(job_id)s and status = 'archived'
returning job_id
