-- name: verification_due
-- Published archives, those verified longest ago first. Of those that were never verified, or are to be verified at once, archives that are
-- the only copy come first.
(select * from archival.job
 where kind = 'archive' and status in ('archived', 'removed') and verified_at is null and job_id <> all(%(tried)s)
 order by verified_at nulls first, (status = 'removed') desc, job_id limit %(limit)s)
union all
(select * from archival.job
 where kind = 'archive' and status in ('archived', 'removed') and verified_at < now() - %(every)s::interval and job_id <> all(%(tried)s)
 order by verified_at nulls first, (status = 'removed') desc, job_id limit %(limit)s)
limit %(limit)s

-- name: verification_due_one
select * from archival.job
where job_id = %(job_id)s and kind = 'archive' and status in ('archived', 'removed')
  and coalesce(verified_at < now() - %(every)s::interval, true)

-- name: record_verification
-- The new findings replace the old ones. Nothing is recorded of an archive that is not published in its folder any more.
with owner as (
    update archival.job set verified_at = now()
    where job_id = %(job_id)s and status in ('archived', 'removed') and lake_path = %(lake_path)s
    returning job_id
), earlier as (
    delete from archival.finding where job_id in (select job_id from owner) and file <> all(%(files)s)
), found as (
    insert into archival.finding (job_id, file, problem, detail)
    select owner.job_id, f.* from owner, unnest(%(files)s::text[], %(problems)s::text[], %(details)s::text[]) f
    on conflict (job_id, file) do update set problem = excluded.problem, detail = excluded.detail
)
select job_id from owner

-- name: request_verification
with asked as (
    update archival.job set verified_at = null
    where kind = 'archive' and status in ('archived', 'removed')
      and (job_id = %(job_id)s or hypertable = %(hypertable)s)
    returning job_id
)
select count(*) as archives from asked

-- name: findings
select f.*, j.hypertable, j.chunk, j.status from archival.finding f join archival.job j using (job_id)
order by j.status = 'removed' desc, f.found_at desc, f.file limit %(limit)s
