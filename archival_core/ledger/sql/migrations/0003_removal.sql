-- Removal, restore, verification: an archive's life after it is finished.
alter table archival.job drop constraint job_status_check;
alter table archival.job add constraint job_status_check check (status in
    ('queued', 'running', 'archived', 'superseded', 'removed', 'restored', 'failed', 'cancelled', 'skipped'));

alter table archival.job
    -- whether `revision` and the range are known: from the first attempt on they stay
    add column settled          boolean not null default false,
    -- of the chunk as a table: another table of the same name has other rows
    add column relation_oid     bigint,
    -- archive again although there is a finished archive
    add column force            boolean not null default false,
    -- when a message for it was last put into the queue
    add column messaged_at      timestamptz,
    add column removal_tried_at timestamptz,
    add column removed_at       timestamptz,
    -- back in its hypertable
    add column restored_at      timestamptz,
    -- why it is not removed yet
    add column removal_error    jsonb,
    add column verified_at      timestamptz,
    -- of a restore: which archive, and where to
    add column restores         uuid references archival.job,
    add column options          jsonb;
update archival.job set settled = true where range_end is not null;

-- restores of one chunk exclude each other, and leave an archive of it alone
drop index archival.job_one_live;
create unique index job_one_live on archival.job (hypertable, chunk) where status in ('queued', 'running') and kind = 'archive';
create unique index job_one_live_restore on archival.job (restores) where status in ('queued', 'running') and kind = 'restore';
create index job_lake_path on archival.job (lake_path) where lake_path is not null;

create table archival.finding (
    job_id   uuid not null references archival.job on delete cascade,
    file     text not null,
    problem  text not null check (problem in ('missing', 'extra', 'short', 'altered')),
    detail   text not null,
    found_at timestamptz not null default now(),
    primary key (job_id, file)
);
comment on table archival.finding is 'What verification found wrong with a published archive, until a later one finds it right.';

create function archival.bound(bound text) returns numeric language sql immutable parallel safe
return case when bound ~ '^-?\d+$' then bound::numeric
            when bound in ('infinity', '-infinity') then bound::numeric
            when bound ~ '^\d{4,}-\d\d-\d\dT' then extract(epoch from bound::timestamptz) end;
comment on function archival.bound is
    'The bound of a range as a number that compares: seconds since 1970, or the integer of integer time; null without order.';
