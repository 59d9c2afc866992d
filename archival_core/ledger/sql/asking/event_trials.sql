-- name: begin_trial
with forgotten as (
    -- entries that were trimmed from the stream meanwhile
    delete from archival.event_trial where tried_at < now() - interval '30 days' and entry_id <> %(entry_id)s
)
insert into archival.event_trial (entry_id) values (%(entry_id)s)
on conflict (entry_id) do update set trials = event_trial.trials + 1, tried_at = now()
returning trials

-- name: withdraw_trial
update archival.event_trial set trials = greatest(trials - 1, 0) where entry_id = %(entry_id)s returning entry_id

-- name: end_trials
delete from archival.event_trial where entry_id = %(entry_id)s returning entry_id
