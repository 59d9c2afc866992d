-- name: claim_owner
update archival.owner set host = coalesce(host, %(host)s), database = coalesce(database, %(database)s)
returning ledger, host, database

-- name: take_owner
update archival.owner set host = %(host)s, database = %(database)s, taken_at = now() returning ledger
