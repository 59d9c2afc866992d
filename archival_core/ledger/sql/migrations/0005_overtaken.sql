-- Few archives take the place of others: those are found by whom they name.
create index job_supersedes on archival.job using gin ((manifest -> 'supersedes'))
    where kind = 'archive' and manifest -> 'supersedes' <> '[]';

create function archival.is_overtaken(
    job_id uuid, hypertable text, chunk text, relation_oid bigint, revision integer, lake_path text, supersedes text[]
) returns boolean language sql stable
return exists (
    select from archival.job later
    where later.hypertable = $2 and later.chunk = $3 and later.kind = 'archive' and later.status in ('archived', 'removed')
      and later.relation_oid = $4 and later.revision > $5 and later.lake_path <> all($7)
) or exists (
    select from archival.job other
    where other.kind = 'archive' and other.manifest -> 'supersedes' <> '[]' and other.manifest -> 'supersedes' ? $6
      and other.status in ('archived', 'removed') and other.job_id <> $1
);
comment on function archival.is_overtaken is
    'Whether the rows of an archive are in another one too: a later one of the same table, or one that says it takes its place.';
