-- The source was put back to before an archive was read: what was read has no mark there. Such an archive takes the place of none.
alter table archival.job
    add column history_lost boolean not null default false,
    -- of the archive's reading, and of the comparison that came after it: asked for every few minutes, without reading manifests
    add column nonces       text[] generated always as (array_remove(array[manifest ->> 'nonce', proof ->> 'nonce'], null)) stored,
    -- server and database
    add column read_from    text generated always as (
        (manifest #>> '{source,system_identifier}') || '/' || (manifest #>> '{source,database}')) stored;
create index job_history_lost on archival.job (hypertable) where history_lost;

create or replace function archival.is_overtaken(
    job_id uuid, hypertable text, chunk text, relation_oid bigint, relation_born text, revision integer, lake_path text,
    supersedes text[]
) returns boolean language sql stable
return exists (
    select from archival.job later
    where later.hypertable = $2 and later.chunk = $3 and later.kind = 'archive' and later.status in ('archived', 'removed')
      and later.relation_oid = $4 and later.relation_born is not distinct from $5 and later.revision > $6
      and later.lake_path <> all($8) and not later.history_lost
) or exists (
    select from archival.job other
    where other.kind = 'archive' and other.manifest -> 'supersedes' <> '[]' and other.manifest -> 'supersedes' ? $7
      and other.status in ('archived', 'removed') and (not other.adopted or other.hypertable = $2) and other.job_id <> $1
      and not other.history_lost
);

create function archival.lies_in_other_table(archive archival.job, other archival.job) returns boolean language sql immutable
return (other.relation_oid, other.relation_born) is distinct from (archive.relation_oid, archive.relation_born)
    and coalesce(archival.bound(other.range_start) < archival.bound(archive.range_end), true)
    and coalesce(archival.bound(archive.range_start) < archival.bound(other.range_end), true)
    and (archive.manifest ->> 'kind' = 'native'
         or (other.range_start, other.range_end) is distinct from (archive.range_start, archive.range_end));
comment on function archival.lies_in_other_table is
    'Whether rows of an archive may be in another archive too, of another table: merged, split and renamed chunks are that. A hypertable'
    ' makes a chunk anew for late rows of a range that is gone: that has the same range, and none of the rows from before.';
