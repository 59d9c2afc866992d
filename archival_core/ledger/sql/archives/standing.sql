-- name: standing_tables
-- The hypertable's own table of each of these archives. A hash tells which manifest is meant.
select job_id, manifest_sha256, manifest -> 'hypertable_table' as identity, manifest -> 'source' as source
from archival.job where job_id = any(%(archives)s) and kind = 'archive' and manifest_sha256 = any(%(hashes)s)

-- name: standing_manifests
select job_id, manifest_sha256, manifest from archival.job
where job_id = any(%(archives)s) and kind = 'archive' and manifest_sha256 = any(%(hashes)s)
