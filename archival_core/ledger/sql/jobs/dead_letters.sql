-- name: retry_job
update archival.job j
set status = 'queued', finished_at = null, lease_until = null, messaged_at = null, error = null, announced = false,
    failures = '{}', postponed = 0
where j.job_id = %(job_id)s and j.status in ('failed', 'cancelled')
  and not exists (select from archival.job live where live.kind = j.kind and live.status in ('queued', 'running')
                  and live.job_id <> j.job_id
                  and case j.kind when 'archive' then (live.hypertable, live.chunk) = (j.hypertable, j.chunk)
                                  else live.restores = j.restores end)
returning j.*

-- name: keep_discarded
insert into archival.discarded (entry_id, fields, reason, discarded_by)
select entry_id, fields, %(reason)s, %(discarded_by)s from unnest(%(entry_ids)s::text[], %(fields)s::jsonb[]) l (entry_id, fields)
on conflict (entry_id) do nothing
returning entry_id

-- name: count_discarded
select count(*) as entries from archival.discarded
