-- An outage is not the job's doing: what a job has failed at by itself is counted apart from how often it had to wait.
alter table archival.job
    -- failures of its own by their code, and kills of its worker as `interrupted`
    add column failures  jsonb not null default '{}',
    -- how often in a row it was put off by what it is not to blame for
    add column postponed integer not null default 0;

create table archival.event_trial (
    entry_id text primary key,
    trials   integer not null default 1,
    tried_at timestamptz not null default now()
);
comment on table archival.event_trial is
    'Events that were delivered often: how often each was tried alone, and neither handed on nor kept from it by an outage.';

create function archival.one_more(counts jsonb, what text) returns jsonb language sql immutable
return counts || jsonb_build_object(what, coalesce((counts ->> what)::integer, 0) + 1);
