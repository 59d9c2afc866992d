-- Since when a table in the lake lags behind its archives.
alter table archival.table_due add column at timestamptz not null default now();
