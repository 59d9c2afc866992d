-- name: lake_generation
select sequence, token, noticed, now() as now, written_at, back_to is not null as is_back from archival.lake_generation

-- name: hold_lake_generation
select sequence, token, noticed, now() as now, written_at, back_to is not null as is_back from archival.lake_generation for update

-- name: advance_lake_generation
update archival.lake_generation set sequence = %(sequence)s, token = %(token)s, written_at = %(written_at)s, noticed = null
returning sequence

-- name: note_lake_back
-- Everything archived since the older marker is due for verification at once. A second region gets files in no order, so the margin is for
-- files that were written before the marker and arrived after it.
with noted as (
    update archival.lake_generation
    set back_to = least(back_to, %(back_to)s::timestamptz - interval '1 day'), noticed_at = now(), noticed = %(token)s
    returning back_to
), due as (
    update archival.job j set verified_at = null from noted
    where j.kind = 'archive' and j.status in ('archived', 'removed') and j.finished_at >= noted.back_to
    returning j.job_id
)
select (select count(*) from due) as archives from noted

-- name: end_lake_back
-- The lake is no longer behind when everything has been verified that was archived after the older marker and before the step back was
-- noticed, whatever the verification found. An archive that is finished later lies in the lake as it is now. If such archives were waited
-- for, a service that always archives would never remove a chunk again.
update archival.lake_generation g set back_to = null, noticed_at = null
where g.back_to is not null and not exists (
    select from archival.job j
    where j.kind = 'archive' and j.status in ('archived', 'removed') and j.finished_at >= g.back_to and j.finished_at < g.noticed_at
      and coalesce(j.verified_at < g.noticed_at, true))
returning sequence

-- name: is_in_generation
-- Whether the archive of a job was finished before the lake's last marker was written, and whether the lake went back and archives that may
-- be missing are still to be looked at.
select coalesce(j.finished_at < g.written_at, false) as covered,
       g.back_to is not null and exists (
           select from archival.job o
           where o.kind = 'archive' and o.status in ('archived', 'removed')
             and o.finished_at >= g.back_to and o.finished_at < g.noticed_at
             and coalesce(o.verified_at < g.noticed_at, true)) as is_back
from archival.lake_generation g left join archival.job j on j.job_id = %(job_id)s
