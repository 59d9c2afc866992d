-- name: round_place
insert into archival.round (duty) values (%(duty)s)
on conflict (duty) do update set began_at = case when round.place is null then now() else round.began_at end
returning place, began_at

-- name: round_left
select place from archival.round where duty = %(duty)s

-- name: round_go_on
update archival.round set place = %(place)s where duty = %(duty)s returning duty
