-- A duty that goes round, some of it in each run: where the next run goes on.
create table archival.round (
    duty     text primary key,
    -- null where a new round begins
    place    jsonb,
    began_at timestamptz not null default now()
);
comment on table archival.round is 'How far a duty has come that looks at everything, some of it in each run.';

-- A stray that a whole round has not found again is none any more.
alter table archival.stray add column seen_at timestamptz not null default now();
