-- How far a running archive has come, so that the next attempt goes on instead of starting over.
alter table archival.job add column progress jsonb;

create table archival.part (
    job_id      uuid not null references archival.job on delete cascade,
    number      integer not null,
    part        jsonb not null,
    finished_at timestamptz not null default now(),
    primary key (job_id, number)
);

comment on table archival.part is 'Finished parts of archives that are not published yet.';
