-- What is proven by marks in the source, and what guards the ledger against a history that was put back.
alter table archival.job
    -- guards every write of a running job: attempts are counted, and the same numbers come again when the ledger is put back
    add column lease_token     uuid,
    -- SHA-256 of each manifest that an attempt was about to publish: what lies in the lake is the job's own by this alone
    add column declared        text[] not null default '{}',
    -- SHA-256 of the file of `manifest`
    add column manifest_sha256 text,
    -- the transaction that made the chunk's table; with `relation_oid` it names a table that never comes again
    add column relation_born   text,
    -- where the whole archive was compared with its chunk after it was made: what the fence goes by from then on
    add column proof           jsonb,
    -- the chunk was dropped by others, and what the ledger did about it
    add column dropped_by      text check (dropped_by in ('service', 'others')),
    -- the source has no mark of this removal or restore yet, since both were done before there were marks
    add column mark_owed       boolean not null default false;
update archival.job set mark_owed = true where kind = 'archive' and (status = 'removed' or restored_at is not null);
-- what is half done was read without a mark: it begins anew
update archival.job set progress = null where progress is not null;
delete from archival.part;

-- what a retention job or a person drops after it was archived is history that lives in the lake, unless the policy forgets it
alter table archival.policy add column dropped_by_others text not null default 'keep' check (dropped_by_others in ('keep', 'forget'));

create table archival.owner (
    one        boolean primary key default true check (one),
    -- of this ledger: another one may have the same jobs
    ledger     uuid not null default gen_random_uuid(),
    -- host and port, and database, of the source
    host       text,
    database   text,
    taken_at   timestamptz not null default now()
);
insert into archival.owner default values;
comment on table archival.owner is 'The one source and lake that this ledger is about.';

-- What was made up from the lake takes the place of archives of its own hypertable alone, whatever its manifest says. An oid that came
-- again is another table.
drop function archival.is_overtaken;
create function archival.is_overtaken(
    job_id uuid, hypertable text, chunk text, relation_oid bigint, relation_born text, revision integer, lake_path text,
    supersedes text[]
) returns boolean language sql stable
return exists (
    select from archival.job later
    where later.hypertable = $2 and later.chunk = $3 and later.kind = 'archive' and later.status in ('archived', 'removed')
      and later.relation_oid = $4 and later.relation_born is not distinct from $5 and later.revision > $6
      and later.lake_path <> all($8)
) or exists (
    select from archival.job other
    where other.kind = 'archive' and other.manifest -> 'supersedes' <> '[]' and other.manifest -> 'supersedes' ? $7
      and other.status in ('archived', 'removed') and (not other.adopted or other.hypertable = $2) and other.job_id <> $1
);
comment on function archival.is_overtaken is
    'Whether the rows of an archive are in another one too: a later one of the same table, or one that says it takes its place.';
