-- name: policies
select *, to_char(greatest(now() - archive_after, timestamptz '0001-01-01Z') at time zone 'UTC',
                  'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as cutoff
from archival.policy order by hypertable

-- name: policy_cutoff
select to_char(greatest(now() - %(archive_after)s::interval, timestamptz '0001-01-01Z') at time zone 'UTC',
               'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as cutoff

-- name: set_policy
insert into archival.policy (hypertable, archive_after, remove_after, enabled, dropped_by_others)
values (%(hypertable)s, %(archive_after)s, %(remove_after)s, %(enabled)s, %(dropped_by_others)s)
on conflict (hypertable) do update
set archive_after = excluded.archive_after, remove_after = excluded.remove_after, enabled = excluded.enabled,
    dropped_by_others = excluded.dropped_by_others, problem = null
returning xmax = 0 as made

-- name: change_policy
update archival.policy
set archive_after = %(archive_after)s, remove_after = %(remove_after)s, enabled = %(enabled)s,
    dropped_by_others = %(dropped_by_others)s, problem = null
where hypertable = %(hypertable)s
  and (archive_after, remove_after, enabled, dropped_by_others)
      is not distinct from (%(archive_after_before)s::interval, %(remove_after_before)s::interval, %(enabled_before)s,
                            %(dropped_by_others_before)s)
returning hypertable

-- name: delete_policy
delete from archival.policy where hypertable = %(hypertable)s returning hypertable

-- name: note_policy
update archival.policy set problem = %(problem)s
where hypertable = %(hypertable)s and problem is distinct from %(problem)s
returning hypertable

-- name: live_policy_jobs
select count(*) as jobs from archival.job
where kind = 'archive' and status in ('queued', 'running') and request_key like 'policy/%%'

-- name: chunks_without_job
-- In the order given. A job that ended, well or not, is one; a failed or cancelled one is a person's to retry. A removed archive is
-- none for a new table of its name: that has other rows. What was restored, or is being restored, is not archived again by itself. A
-- policy asks once for each table: a request of the same key would only find its own row, and stand in the way of the others.
select asked.position::int - 1 as position
from unnest(%(chunks)s::text[], %(starts)s::text[], %(ends)s::text[], %(oids)s::bigint[])
     with ordinality as asked (chunk, range_start, range_end, oid, position)
where not exists (
    select from archival.job j
    where j.hypertable = %(hypertable)s and j.chunk = asked.chunk and j.kind = 'archive'
      and case when j.request_key = 'policy/' || %(hypertable)s || '/' || asked.chunk || '/' || asked.oid then true
               when j.status in ('skipped', 'superseded') then false
               when j.status in ('queued', 'running') then true
               else (not j.settled or (j.range_start, j.range_end) is not distinct from (asked.range_start, asked.range_end))
                    and (j.status <> 'removed' or coalesce(j.relation_oid, asked.oid) = asked.oid) end
) and not exists (
    select from archival.job r
    where r.hypertable = %(hypertable)s and r.restored_at is not null and r.kind = 'archive' and r.status = 'archived'
      and coalesce(archival.bound(r.range_start) < archival.bound(asked.range_end), true)
      and coalesce(archival.bound(asked.range_start) < archival.bound(r.range_end), true)
) and not exists (
    select from archival.job r
    where r.hypertable = %(hypertable)s and r.kind = 'restore' and r.status in ('queued', 'running')
      and coalesce(archival.bound(r.range_start) < archival.bound(asked.range_end), true)
      and coalesce(archival.bound(asked.range_start) < archival.bound(r.range_end), true)
)
order by asked.position limit %(limit)s

-- name: first_overdue
-- The first in the order given that has no finished archive and is to have one. What was restored, or is being restored, is not
-- archived again by itself, whatever its chunk is called now; a removed archive is none for a new table of its name.
select asked.position::int - 1 as position
from unnest(%(chunks)s::text[], %(starts)s::text[], %(ends)s::text[], %(oids)s::bigint[])
     with ordinality as asked (chunk, range_start, range_end, oid, position)
where not exists (
    select from archival.job j
    where j.hypertable = %(hypertable)s and j.chunk = asked.chunk and j.kind = 'archive' and j.status in ('archived', 'removed')
      and (j.range_start, j.range_end) is not distinct from (asked.range_start, asked.range_end)
      and (j.status <> 'removed' or coalesce(j.relation_oid, asked.oid) = asked.oid)
) and not exists (
    select from archival.job r
    where r.hypertable = %(hypertable)s
      and (r.kind = 'archive' and r.status = 'archived' and r.restored_at is not null
           or r.kind = 'restore' and r.status in ('queued', 'running'))
      and coalesce(archival.bound(r.range_start) < archival.bound(asked.range_end), true)
      and coalesce(archival.bound(asked.range_start) < archival.bound(r.range_end), true)
)
order by asked.position limit 1
