-- name: standing_tables
-- Of which hypertable's own table these archives are. A hash tells which manifest is meant.
select job_id, manifest_sha256, manifest -> 'hypertable_table' as identity, manifest -> 'source' as source
from archival.job where job_id = any(%(archives)s) and kind = 'archive' and manifest_sha256 = any(%(hashes)s)

-- name: standing_manifests
select job_id, manifest_sha256, manifest from archival.job
where job_id = any(%(archives)s) and kind = 'archive' and manifest_sha256 = any(%(hashes)s)
