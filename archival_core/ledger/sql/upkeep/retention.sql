-- name: stream_known
-- What the ledger knows of a stream: its last id, and the id up to which every entry is older than the age.
select s.last_id, (select p.last_id from archival.stream_position p where p.stream = s.name and p.seen_at <= now() - %(age)s::interval
                   order by p.seen_at desc limit 1) as old_below
from archival.stream s where s.name = %(stream)s

-- name: note_stream
-- A position noted now and then is enough to tell ages by. `anew`: the stream was put back or made anew, and its ids come again.
with useless as (
    delete from archival.stream_position p
    where p.stream = %(stream)s
      and (%(anew)s or p.seen_at < (select max(o.seen_at) from archival.stream_position o
                                    where o.stream = %(stream)s and o.seen_at <= now() - %(age)s::interval))
), position as (
    insert into archival.stream_position (stream, last_id)
    select %(stream)s, %(last_id)s::text
    where %(last_id)s::text is not null
      and (%(anew)s or not exists (select from archival.stream_position p
                                   where p.stream = %(stream)s
                                     and (p.last_id = %(last_id)s::text or p.seen_at > now() - %(age)s::interval / 50)))
)
insert into archival.stream as s (name, first_id, last_id, held_by, held_at, held_gone, held_since)
values (%(stream)s, %(first_id)s, %(last_id)s, %(held_by)s, %(held_at)s, %(held_gone)s,
        case when %(held_by)s::text is not null then now() end)
on conflict (name) do update
set first_id = excluded.first_id, last_id = excluded.last_id, held_by = excluded.held_by, held_at = excluded.held_at,
    held_gone = excluded.held_gone,
    held_since = case when excluded.held_by is not null then coalesce(s.held_since, now()) end,
    told_at = case when excluded.held_by is not null then s.told_at end
returning name

-- name: tell_hold
-- A group that has kept a stream from being trimmed for long, once a day.
update archival.stream set told_at = now()
where name = %(stream)s and held_since <= now() - %(patience)s::interval
  and coalesce(told_at <= now() - interval '1 day', true)
returning held_by, held_at, held_gone, held_since

-- name: stream_holds
select name, held_by, held_since from archival.stream where held_since is not null order by name

-- name: foldable_jobs
-- Jobs that ended long ago without an archive, and that no question needs. As long as an event's entry is in the stream, the event is
-- recognised by its job. A job that has declared a manifest may turn out to be published. `is_last`: the job is the last one of its chunk,
-- which a person may retry, and because of which a policy does not ask again.
select j.job_id, j.chunk, j.kind = 'archive' and j.status <> 'skipped' and not exists (
    select from archival.job later
    where later.hypertable = j.hypertable and later.chunk = j.chunk and later.kind = 'archive'
      and (later.requested_at, later.job_id) > (j.requested_at, j.job_id)
      and (later.status in ('queued', 'running', 'archived', 'removed', 'failed') or later.status = j.status)
) as is_last
from archival.job j
where j.status in ('failed', 'cancelled', 'skipped') and j.finished_at < now() - %(age)s::interval
  and (j.announced or j.status <> 'failed') and j.declared = '{}' and (j.kind = 'restore' or j.lake_path is null)
  and (j.request_key !~ '^\d{1,20}-\d{1,20}/' or exists (
      select from archival.stream s
      where s.name = %(events)s
        and coalesce(archival.entry_position(split_part(j.request_key, '/', 1)) < archival.entry_position(s.first_id), true)))
  and j.job_id > %(after)s and j.job_id <= %(up_to)s
order by j.job_id limit %(limit)s

-- name: fold_jobs
-- The conditions are checked again under the lock of the job's row, since a person may be retrying the job.
with folded as (
    delete from archival.job j
    where j.job_id = any(%(job_ids)s) and j.status in ('failed', 'cancelled', 'skipped')
      and j.finished_at < now() - %(age)s::interval and j.declared = '{}'
    returning j.hypertable, j.kind, j.status, (j.finished_at at time zone 'UTC')::date as day
), counted as (
    insert into archival.folded_job as f (day, hypertable, kind, status, jobs)
    select day, hypertable, kind, status, count(*) from folded group by 1, 2, 3, 4 order by 1, 2, 3, 4
    on conflict (day, hypertable, kind, status) do update set jobs = f.jobs + excluded.jobs
), kept as (
    -- makes up for what the deletion takes away
    insert into archival.job_tally select hypertable, kind, status, count(*) from folded group by 1, 2, 3
)
select count(*) as jobs from folded

-- name: forget_events
-- Changes of jobs from long ago, in one stretch of the index. The job itself still says how it ended.
with stretch as (
    select ctid as line, at from archival.job_event where job_id > %(after)s order by job_id, at limit %(limit)s
), gone as (
    delete from archival.job_event
    where ctid = any(array(select line from stretch where at < now() - %(age)s::interval)) returning job_id
)
select count(*) as events from gone

-- name: forget_parts
-- Parts of ended jobs, whose files in staging go after the same time.
with ended as (
    update archival.job j set progress = null
    where j.job_id in (select p.job_id from archival.part p) and j.status not in ('queued', 'running')
      and j.finished_at < now() - %(age)s::interval
    returning j.job_id
), gone as (
    delete from archival.part where job_id in (select job_id from ended) returning job_id
)
select count(*) as parts from gone
