-- Failures that a later job has made up for are marked when that happens: whoever looks for those that wait passes them by.

alter table archival.job add column made_up boolean;
comment on column archival.job.made_up is
    'Of a failed job: a later one of its chunk, and of the archive that it restores, has come to a good end, so nobody has to look at the failure. Null where that is not so.';

create function archival.make_up() returns trigger language plpgsql as $$
begin
    -- Whoever tries such a job again at this moment holds its row, and would wait for this job. What is skipped is not marked,
    -- and whoever looks for failures looks at this job. By the chunk: how few of its jobs have failed cannot be told.
    update archival.job f set made_up = true
    where f.job_id in (
        select e.job_id from archival.job e
        where e.hypertable = new.hypertable and e.chunk = new.chunk and e.requested_at < new.requested_at
          and array_position(array['failed'], e.status) is not null and e.made_up is null
          and e.kind = new.kind and e.restores is not distinct from new.restores
        for no key update skip locked);
    return null;
end $$;
comment on function archival.make_up is 'Marks the failures of its chunk before a job that has come to a good end.';
create trigger make_up_added after insert on archival.job for each row
    when (new.status in ('archived', 'removed', 'restored')) execute function archival.make_up();
create trigger make_up_moved after update on archival.job for each row
    when (new.status in ('archived', 'removed', 'restored') and old.status is distinct from new.status)
    execute function archival.make_up();

create function archival.forget_made_up() returns trigger language plpgsql as $$
begin
    new.made_up := null;
    return new;
end $$;
comment on function archival.forget_made_up is 'A job that goes on may fail anew.';
create trigger forget_made_up before update of status on archival.job for each row
    when (old.status is distinct from new.status and new.made_up) execute function archival.forget_made_up();

update archival.job f set made_up = true
where f.status = 'failed' and exists (
    select from archival.job later
    where later.hypertable = f.hypertable and later.chunk = f.chunk and later.requested_at > f.requested_at
      and later.kind = f.kind and later.restores is not distinct from f.restores
      and later.status in ('archived', 'removed', 'restored'));

create or replace view archival.open_failure as
select f.job_id, f.kind, f.hypertable, f.chunk, f.attempt, f.requested_at, f.finished_at, f.error
from archival.job f
where f.status = 'failed' and f.dismissed is null and f.made_up is null and not exists (
    select from archival.job later
    where later.hypertable = f.hypertable and later.chunk = f.chunk and later.requested_at > f.requested_at
      and later.kind = f.kind and later.restores is not distinct from f.restores
      and later.status in ('queued', 'running', 'archived', 'removed', 'restored')
    -- one failure after the other: they are few, which cannot be told from how many jobs have failed
    offset 0);
create index job_open_failure on archival.job (finished_at desc) where status = 'failed' and dismissed is null and made_up is null;
