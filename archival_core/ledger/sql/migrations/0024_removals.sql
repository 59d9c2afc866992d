-- Which chunks are to go is looked up by who wants that, however many archives stay.
create index job_wanted_gone on archival.job (finished_at)
    where kind = 'archive' and status = 'archived' and restored_at is null and remove;
create index job_old_enough on archival.job (hypertable, archival.bound(range_end))
    where kind = 'archive' and status = 'archived' and restored_at is null and remove is null;
-- a hypertable that somebody else holds is left alone for a while
create index job_held on archival.job (hypertable)
    where kind = 'archive' and status = 'archived' and removal_error ->> 'code' in ('source-locked', 'source-busy', 'gave-way');
