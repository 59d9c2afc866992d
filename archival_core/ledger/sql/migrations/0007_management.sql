-- What people ask for, and what they are shown.

-- Lists are merged from one stretch of an index for each status and kind, so whatever is asked for, no more than a page of each
-- is read.
create index job_listed on archival.job (status, kind, requested_at desc, job_id desc);
create index job_of_hypertable on archival.job (hypertable, status, kind, requested_at desc, job_id desc);
create index job_published_from
    on archival.job (hypertable, coalesce(archival.bound(range_start), '-Infinity'), chunk collate "C", revision)
    where kind = 'archive' and status in ('archived', 'removed');

create view archival.listed_job as
select job_id, kind, hypertable, chunk, range_start, range_end, status, attempt, revision, remove, force, requested_by, requested_at,
       started_at, finished_at, removed_at, restored_at, verified_at, rows, source_bytes, parquet_bytes, lake_path, restores, options,
       error, removal_error, trace_id, coalesce(jsonb_array_length(progress -> 'parts'), 0) as parts,
       (select count(*) from archival.part p where p.job_id = j.job_id) as parts_done,
       (select coalesce(sum((p.part ->> 'rows')::bigint), 0)::bigint from archival.part p where p.job_id = j.job_id) as rows_done
from archival.job j;
comment on view archival.listed_job is 'A job as people see it: without its manifest, with how far it has come.';

create table archival.request (
    key          text primary key,
    -- of the operation and its body: the same key for something else is a mistake
    fingerprint  text not null,
    -- what it was answered with; null while it is worked on, or after a crash
    jobs         uuid[],
    requested_at timestamptz not null default now()
);
create index request_age on archival.request (requested_at);
comment on table archival.request is 'Requests with an Idempotency-Key, so that the same one is answered again instead of done again.';

create table archival.intake (
    one        boolean primary key default true check (one),
    paused     boolean not null default false,
    reason     text,
    changed_by text,
    changed_at timestamptz not null default now()
);
insert into archival.intake default values;
comment on table archival.intake is 'Whether events and policies become jobs.';
