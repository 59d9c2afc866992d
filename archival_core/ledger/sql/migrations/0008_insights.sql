-- What metrics and pages read, kept as sums, so that reading them costs the same with a million jobs as with ten.
--
-- Sums are written as differences, one row a change: no two workers ever wait for the same row. Readers add them up, and fold
-- them together when they have become many.
create table archival.job_tally (
    hypertable text not null,
    kind       text not null,
    status     text not null,
    jobs       bigint not null
);
comment on table archival.job_tally is 'How many jobs are in each state: the sum of its rows.';

create table archival.outcome_tally (
    hypertable     text not null,
    outcome        text not null,
    -- of the histograms: how many bounds lie below the value; null where the outcome has none
    seconds_bucket smallint,
    bytes_bucket   smallint,
    jobs           bigint not null,
    rows           numeric not null,
    source_bytes   numeric not null,
    parquet_bytes  numeric not null,
    seconds        double precision not null
);
comment on table archival.outcome_tally is 'How often jobs have come to each outcome. It only grows, whatever becomes of the jobs.';

create table archival.day_tally (
    day           date not null,
    hypertable    text not null,
    outcome       text not null,
    jobs          bigint not null,
    rows          numeric not null,
    source_bytes  numeric not null,
    parquet_bytes numeric not null
);
create index day_tally_day on archival.day_tally (day);
comment on table archival.day_tally is 'The outcomes of each day, in UTC.';

-- the upper bounds of the histograms' buckets, in seconds and bytes
create function archival.seconds_bounds() returns double precision[] language sql immutable parallel safe
return array[1, 2, 5, 10, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400]::double precision[];
create function archival.bytes_bounds() returns double precision[] language sql immutable parallel safe
return array[2^20, 2^22, 2^24, 2^26, 2^28, 2^30, 2^32, 2^34, 2^36]::double precision[];
create function archival.bucket(value double precision, bounds double precision[]) returns smallint
language sql immutable parallel safe
return case when value is not null then (select count(*) from unnest(bounds) bound where bound < value)::smallint end;

create view archival.outcome as
select hypertable, 'archived' as outcome, finished_at as at, extract(epoch from finished_at - started_at)::float8 as seconds,
       parquet_bytes as bytes, job_id, rows, source_bytes, parquet_bytes
from archival.job where kind = 'archive' and status in ('archived', 'removed', 'superseded')
union all
select hypertable, 'removed', removed_at, null, null, job_id, rows, source_bytes, parquet_bytes
from archival.job where kind = 'archive' and removed_at is not null
union all
select hypertable, 'restored', finished_at, extract(epoch from finished_at - started_at)::float8, null, job_id, rows,
       source_bytes, parquet_bytes
from archival.job where kind = 'restore' and status = 'restored'
union all
select hypertable, 'failed', finished_at, null, null, job_id, 0, 0, 0 from archival.job where status = 'failed';
comment on view archival.outcome is 'What the jobs that are still in the ledger have come to.';

create function archival.tally_outcomes(the_job uuid, reached text[]) returns void language sql
begin atomic
    insert into archival.outcome_tally
    select hypertable, outcome, archival.bucket(seconds, archival.seconds_bounds()),
           archival.bucket(bytes, archival.bytes_bounds()), 1, coalesce(rows, 0), coalesce(source_bytes, 0),
           coalesce(parquet_bytes, 0), coalesce(seconds, 0)
    from archival.outcome where job_id = the_job and outcome = any(reached);
    insert into archival.day_tally
    select (coalesce(at, now()) at time zone 'UTC')::date, hypertable, outcome, 1, coalesce(rows, 0), coalesce(source_bytes, 0),
           coalesce(parquet_bytes, 0)
    from archival.outcome where job_id = the_job and outcome = any(reached);
end;

create function archival.tally_job() returns trigger language plpgsql as $$
declare
    published constant text[] := '{archived,removed,superseded}';
    reached text[];
begin
    if tg_op <> 'INSERT' then
        insert into archival.job_tally values (old.hypertable, old.kind, old.status, -1);
    end if;
    if tg_op <> 'DELETE' then
        insert into archival.job_tally values (new.hypertable, new.kind, new.status, 1);
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

create trigger tally_added after insert on archival.job for each row execute function archival.tally_job();
create trigger tally_deleted after delete on archival.job for each row execute function archival.tally_job();
create trigger tally_moved after update on archival.job for each row when (old.status is distinct from new.status)
    execute function archival.tally_job();

create function archival.count_again() returns void language sql
begin atomic
    delete from archival.job_tally;
    delete from archival.outcome_tally;
    delete from archival.day_tally;
    insert into archival.job_tally select hypertable, kind, status, count(*) from archival.job group by 1, 2, 3;
    insert into archival.outcome_tally
    select hypertable, outcome, archival.bucket(seconds, archival.seconds_bounds()),
           archival.bucket(bytes, archival.bytes_bounds()), count(*), coalesce(sum(rows), 0), coalesce(sum(source_bytes), 0),
           coalesce(sum(parquet_bytes), 0), coalesce(sum(seconds), 0)
    from archival.outcome group by 1, 2, 3, 4;
    insert into archival.day_tally
    select (coalesce(at, now()) at time zone 'UTC')::date, hypertable, outcome, count(*), coalesce(sum(rows), 0),
           coalesce(sum(source_bytes), 0), coalesce(sum(parquet_bytes), 0)
    from archival.outcome group by 1, 2, 3;
end;
comment on function archival.count_again is 'Makes the sums anew from the jobs; for a ledger that was written by hand.';
-- the triggers hold the table's lock until the end, so nothing changes in between
select archival.count_again();

-- What is listed: the first of each list, whatever the number of jobs.
create index job_unremoved on archival.job (hypertable, finished_at)
    where kind = 'archive' and status = 'archived' and restored_at is null;
create index job_failed on archival.job (finished_at desc) where status = 'failed';
