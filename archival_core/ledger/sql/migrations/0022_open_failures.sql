-- Which failures wait for somebody, and what was archived lately.

create view archival.open_failure as
select f.job_id, f.kind, f.hypertable, f.chunk, f.attempt, f.requested_at, f.finished_at, f.error
from archival.job f
where f.status = 'failed' and f.dismissed is null and not exists (
    select from archival.job later
    where later.hypertable = f.hypertable and later.chunk = f.chunk and later.kind = f.kind
      and later.requested_at > f.requested_at and later.status in ('queued', 'running', 'archived', 'removed', 'restored'));
comment on view archival.open_failure is 'Failed jobs that were neither made up for by a later job of their chunk nor dismissed.';

create index job_finished_archive on archival.job (finished_at) where kind = 'archive' and status in ('archived', 'removed', 'superseded');
create index job_refused on archival.job (hypertable) where kind = 'archive' and status = 'archived' and removal_error is not null;
