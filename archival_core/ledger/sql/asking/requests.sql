-- name: forget_requests
delete from archival.request where requested_at < now() - interval '7 days' returning key

-- name: claim_request
with mine as (
    insert into archival.request (key, fingerprint) values (%(key)s, %(fingerprint)s) on conflict (key) do nothing
    returning fingerprint, jobs
)
select fingerprint, jobs from mine union all select fingerprint, jobs from archival.request where key = %(key)s limit 1

-- name: answer_request
update archival.request set jobs = %(jobs)s where key = %(key)s returning key
