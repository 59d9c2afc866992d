-- A hypertable may have another name than when it was archived: its archives are found by its identity.
create index job_by_origin on archival.job ((manifest #>> '{hypertable_table,oid}'))
    where kind = 'archive' and status in ('archived', 'removed');

create function archival.is_of_one_hypertable(archive archival.job, other archival.job) returns boolean language sql immutable
return other.hypertable = archive.hypertable
    or other.manifest #>> '{hypertable_table,oid}' = archive.manifest #>> '{hypertable_table,oid}'
    and other.manifest #>> '{hypertable_table,born}' = archive.manifest #>> '{hypertable_table,born}'
    and other.manifest #>> '{source,system_identifier}' = archive.manifest #>> '{source,system_identifier}'
    and other.manifest #>> '{source,database}' = archive.manifest #>> '{source,database}';
comment on function archival.is_of_one_hypertable is
    'Whether two archives are of hypertables of one name, or of one hypertable that was renamed between them.';
