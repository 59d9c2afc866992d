-- Which jobs a request of the audit was about, and what has left the database since a day.

alter table archival.audit add column job_ids uuid[];
comment on column archival.audit.job_ids is 'The jobs that the request made or changed; null of one that was about none, or did not end.';

-- as few bytes as the sums by hypertable need
create index job_removed on archival.job (removed_at) include (hypertable, source_bytes) where kind = 'archive' and status = 'removed';
