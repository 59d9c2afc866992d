create table archival.job (
    job_id        uuid primary key default gen_random_uuid(),
    kind          text not null check (kind in ('archive', 'restore')),
    hypertable    text not null,
    chunk         text not null,
    range_start   text,
    range_end     text,
    status        text not null check (status in
                  ('queued', 'running', 'archived', 'removed', 'restored', 'failed', 'cancelled', 'skipped')),
    attempt       integer not null default 0,
    revision      integer not null default 0,
    remove        boolean,
    lease_until   timestamptz,
    -- which entry of the stream, or which request, asked: the same one never makes a second row
    request_key   text not null,
    requested_by  text not null,
    requested_at  timestamptz not null default now(),
    started_at    timestamptz,
    finished_at   timestamptz,
    rows          bigint,
    source_bytes  bigint,
    parquet_bytes bigint,
    lake_path     text,
    manifest      jsonb,
    error         jsonb,
    traceparent   text,
    trace_id      text generated always as (split_part(traceparent, '-', 2)) stored,
    -- whether the end of the job has been told on the result stream
    announced     boolean not null default false
);

comment on table archival.job is 'One row per request and chunk. Written by archival_service alone.';

create unique index job_request on archival.job (request_key, hypertable, chunk);
create unique index job_one_live on archival.job (hypertable, chunk) where status in ('queued', 'running');
create index job_of_chunk on archival.job (hypertable, chunk, requested_at);
create index job_newest on archival.job (requested_at desc, job_id desc);

create table archival.policy (
    hypertable    text primary key,
    archive_after interval not null,
    remove_after  interval,
    enabled       boolean not null default true
);
