-- What the service looks after by itself: verification, reconciliation, policies, dead letters.
create index job_verified on archival.job (verified_at nulls first, job_id)
    where kind = 'archive' and status in ('archived', 'removed');
create index job_untold on archival.job (finished_at)
    where not announced and status in ('archived', 'removed', 'restored', 'failed');
create index job_live on archival.job (messaged_at) where status in ('queued', 'running');
create index job_restored on archival.job (hypertable) where restored_at is not null;

-- beyond this `now() - archive_after` is no timestamp, and one policy would stop all
alter table archival.policy add constraint policy_archive_after
    check (archive_after between interval '0' and interval '1000 years');
-- why the policy makes no jobs, as of its last run
alter table archival.policy add column problem text;

create table archival.stray (
    folder   text primary key,
    reason   text not null,
    found_at timestamptz not null default now()
);
comment on table archival.stray is 'What lies below tables/ in the lake and is no archive of the ledger''s; nothing of it is deleted.';

create table archival.discarded (
    entry_id     text primary key,
    fields       jsonb not null,
    reason       text not null,
    discarded_by text not null,
    discarded_at timestamptz not null default now()
);
comment on table archival.discarded is 'Dead events that somebody gave up, as they were.';
