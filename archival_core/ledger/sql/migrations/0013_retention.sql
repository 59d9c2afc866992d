-- How old the entries of streams are, what keeps them, and what became of jobs that nobody asks about any more.

create table archival.stream (
    name       text primary key,
    -- as of the last look: the oldest entry, null where there is none, and the last id that the stream gave out
    first_id   text,
    last_id    text,
    -- the consumer group that keeps entries which were to be trimmed, the id it stands at, and whether the entry there is lost
    held_by    text,
    held_at    text,
    held_gone  boolean,
    held_since timestamptz,
    told_at    timestamptz
);
comment on table archival.stream is 'Each stream that is trimmed, and what keeps its entries.';

create table archival.stream_position (
    stream  text not null,
    seen_at timestamptz not null default now(),
    last_id text not null,
    primary key (stream, seen_at)
);
comment on table archival.stream_position is
    'The last id that a stream had given out at some time: what lies up to there is older. Ids are no clocks, their writers may choose them.';

create function archival.entry_position(id text) returns numeric language sql immutable parallel safe
return case when id ~ '^\d+-\d+$' then split_part(id, '-', 1)::numeric * 2::numeric ^ 64 + split_part(id, '-', 2)::numeric end;
comment on function archival.entry_position is 'The id of a stream''s entry as a number that compares; null for other texts.';

create table archival.folded_job (
    -- on which the jobs ended, in UTC
    day        date not null,
    hypertable text not null,
    kind       text not null,
    status     text not null,
    jobs       bigint not null,
    primary key (day, hypertable, kind, status)
);
comment on table archival.folded_job is 'Ended jobs whose rows are gone, counted. An archive is never among them.';

create index job_foldable on archival.job (finished_at) where status in ('failed', 'cancelled', 'skipped');
-- a job that is deleted is looked for among those that restores name
create index job_restores on archival.job (restores) where restores is not null;

-- with what was folded
create or replace function archival.count_again() returns void language sql
begin atomic
    delete from archival.job_tally;
    delete from archival.outcome_tally;
    delete from archival.day_tally;
    insert into archival.job_tally
    select hypertable, kind, status, sum(jobs)
    from (select hypertable, kind, status, count(*) as jobs from archival.job group by 1, 2, 3
          union all
          select hypertable, kind, status, sum(jobs) from archival.folded_job group by 1, 2, 3) counted
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
