-- Parts of a large chunk are read by several instances, each in a snapshot of its own: whoever reads a part claims it.

create table archival.part_claim (
    job_id        uuid not null references archival.job on delete cascade,
    number        integer not null,
    lease_token   uuid not null,
    token         uuid,
    claimed_until timestamptz,
    primary key (job_id, number)
);
comment on table archival.part_claim is 'Parts of running archives that several instances read, and that are not finished.';
comment on column archival.part_claim.lease_token is 'The lease of the job under which the parts are shared: with another lease they are shared anew.';
comment on column archival.part_claim.token is 'Fencing token of whoever reads the part now; null of a part that nobody has claimed yet.';

alter table archival.part add column staged text;
comment on column archival.part.staged is
    'Where the file of a shared part lies until all parts are gathered; null of a part in the folder of its attempt.';

-- without a default: functions use the row type of jobs, and late minor releases of PostgreSQL refuse one beside these
alter table archival.job add column reads_alone boolean;
comment on column archival.job.reads_alone is
    'The chunk has changed while its parts were shared: one instance reads it, in one snapshot, whoever else writes to it. Null where that is not so.';
