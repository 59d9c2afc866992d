-- name: live_jobs
-- Live jobs, without those whose message is just being sent.
select count(*) as jobs from archival.job
where kind = %(kind)s and status in ('queued', 'running')
  and (messaged_at is not null or requested_at < now() - %(patience)s::interval)

-- name: waiting_jobs
-- Jobs that nobody works on although their message is old. Jobs without a message come first.
select job_id, traceparent from archival.job
where kind = %(kind)s and (status = 'queued' or (status = 'running' and lease_until < now()))
  and coalesce(messaged_at, requested_at) < now() - %(patience)s::interval
order by messaged_at nulls first, requested_at, job_id limit %(limit)s

-- name: staging_owners
-- Whether the staging of each of these jobs may still be wanted.
select job_id, status in ('queued', 'running') or coalesce(finished_at > now() - %(patience)s::interval, false) as wanted
from archival.job where job_id = any(%(job_ids)s)

-- name: unannounced_jobs
select job_id from archival.job
where not announced and status in ('archived', 'removed', 'restored', 'failed')
  and greatest(finished_at, removed_at) < now() - %(patience)s::interval
order by finished_at limit %(limit)s

-- name: write_probe
insert into archival.request (key, fingerprint) values (%(key)s, 'ready') returning key

-- name: clear_probe
delete from archival.request where key = %(key)s returning key
