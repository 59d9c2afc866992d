-- Failures that somebody dismissed are listed with the reason, and found without a look at every failure.

create or replace view archival.listed_job as
select job_id, kind, hypertable, chunk, range_start, range_end, status, attempt, revision, remove, force, requested_by, requested_at,
       started_at, finished_at, removed_at, restored_at, verified_at, rows, source_bytes, parquet_bytes, lake_path, restores, options,
       error, removal_error, trace_id, coalesce(jsonb_array_length(progress -> 'parts'), 0) as parts,
       (select count(*) from archival.part p where p.job_id = j.job_id) as parts_done,
       (select coalesce(sum((p.part ->> 'rows')::bigint), 0)::bigint from archival.part p where p.job_id = j.job_id) as rows_done,
       dismissed
from archival.job j;

create index job_dismissed on archival.job (requested_at desc, job_id desc) where dismissed is not null;
