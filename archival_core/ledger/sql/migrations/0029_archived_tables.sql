-- A hypertable may have another name than when it was archived: its archives are found by its identity.
create index job_by_origin on archival.job ((manifest #>> '{hypertable_table,oid}'))
    where kind = 'archive' and status in ('archived', 'removed');
