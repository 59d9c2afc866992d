-- What the console shows and keeps: bytes by state, failures that somebody dismissed, and who did what.

-- why, by whom and when: `reason`, `by`, `at`
alter table archival.job add column dismissed jsonb;
create function archival.forget_dismissal() returns trigger language plpgsql as $$
begin
    new.dismissed := null;
    return new;
end $$;
comment on function archival.forget_dismissal is 'A dismissal is of one failure: a job that goes on may fail anew.';
create trigger forget_dismissal before update of status on archival.job for each row
    when (old.status is distinct from new.status and new.dismissed is not null) execute function archival.forget_dismissal();

create table archival.audit (
    entry     bigint generated always as identity primary key,
    at        timestamptz not null default clock_timestamp(),
    who       text not null,
    -- method and route of the API
    action    text not null,
    -- what the address named, and the body
    asked     jsonb not null,
    -- `done`, or the code of the error; null while it is under way, and after a crash
    outcome   text,
    ended_at  timestamptz
);
comment on table archival.audit is 'What people asked the API to change, who they were, and what came of it.';

-- Bytes and rows of the jobs that are in a state now: what is freed follows a restore.
alter table archival.job_tally
    add column rows          numeric not null default 0,
    add column source_bytes  numeric not null default 0,
    add column parquet_bytes numeric not null default 0;

create or replace function archival.tally_job() returns trigger language plpgsql as $$
declare
    published constant text[] := '{archived,removed,superseded}';
    reached text[];
begin
    if tg_op <> 'INSERT' then
        insert into archival.job_tally values (old.hypertable, old.kind, old.status, -1, -coalesce(old.rows, 0),
            -coalesce(old.source_bytes, 0), -coalesce(old.parquet_bytes, 0));
    end if;
    if tg_op <> 'DELETE' then
        insert into archival.job_tally values (new.hypertable, new.kind, new.status, 1, coalesce(new.rows, 0),
            coalesce(new.source_bytes, 0), coalesce(new.parquet_bytes, 0));
        -- a removed archive that is restored is archived again, which is no second archive
        reached := array_remove(array[
            case when new.status = any(published) and coalesce(old.status <> all(published), true) then 'archived' end,
            case when new.status in ('removed', 'restored', 'failed') then new.status end], null);
        if reached <> '{}' then
            perform archival.tally_outcomes(new.job_id, reached);
        end if;
    end if;
    return null;
end $$;

create or replace function archival.count_again() returns void language sql
begin atomic
    delete from archival.job_tally;
    delete from archival.outcome_tally;
    delete from archival.day_tally;
    insert into archival.job_tally
    select hypertable, kind, status, sum(jobs), sum(rows), sum(source_bytes), sum(parquet_bytes)
    from (select hypertable, kind, status, count(*) as jobs, coalesce(sum(rows), 0) as rows,
                 coalesce(sum(source_bytes), 0) as source_bytes, coalesce(sum(parquet_bytes), 0) as parquet_bytes
          from archival.job group by 1, 2, 3
          union all
          select hypertable, kind, status, sum(jobs), 0, 0, 0 from archival.folded_job group by 1, 2, 3) counted
    group by 1, 2, 3;
    insert into archival.outcome_tally
    select hypertable, outcome, archival.bucket(seconds, archival.seconds_bounds()),
           archival.bucket(bytes, archival.bytes_bounds()), count(*), coalesce(sum(rows), 0), coalesce(sum(source_bytes), 0),
           coalesce(sum(parquet_bytes), 0), coalesce(sum(seconds), 0)
    from archival.outcome group by 1, 2, 3, 4;
    insert into archival.outcome_tally
    select hypertable, 'failed', null, null, sum(jobs), 0, 0, 0, 0 from archival.folded_job where status = 'failed' group by 1;
    insert into archival.day_tally
    select (coalesce(at, now()) at time zone 'UTC')::date, hypertable, outcome, count(*), coalesce(sum(rows), 0),
           coalesce(sum(source_bytes), 0), coalesce(sum(parquet_bytes), 0)
    from archival.outcome group by 1, 2, 3;
    insert into archival.day_tally
    select day, hypertable, 'failed', sum(jobs), 0, 0, 0 from archival.folded_job where status = 'failed' group by 1, 2;
end;
-- the counts of jobs are right already
insert into archival.job_tally
select hypertable, kind, status, 0, coalesce(sum(rows), 0), coalesce(sum(source_bytes), 0), coalesce(sum(parquet_bytes), 0)
from archival.job group by 1, 2, 3;
