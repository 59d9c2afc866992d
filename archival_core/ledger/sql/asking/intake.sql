-- name: intake
select paused, reason, changed_by, changed_at from archival.intake

-- name: set_intake
update archival.intake set paused = %(paused)s, reason = %(reason)s, changed_by = %(changed_by)s, changed_at = now()
where paused is distinct from %(paused)s or paused
returning paused, reason, changed_by, changed_at
