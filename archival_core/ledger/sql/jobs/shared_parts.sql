-- name: share_parts
-- What an earlier lease has shared is shared anew: whoever works on a part for that lease cannot record it any more.
with owner as (
    select job_id, lease_token from archival.job
    where job_id = %(job_id)s and lease_token = %(token)s and status = 'running' for no key update
), others as (
    delete from archival.part_claim c using owner where c.job_id = owner.job_id and c.number <> all(%(numbers)s::integer[])
), shared as (
    insert into archival.part_claim (job_id, number, lease_token)
    select owner.job_id, missing.number, owner.lease_token from owner, unnest(%(numbers)s::integer[]) missing (number)
    on conflict (job_id, number) do update set lease_token = excluded.lease_token, token = null, claimed_until = null
)
select job_id from owner

-- name: find_shared
-- A job whose parts are shared under the lease that its worker has now.
select j.* from archival.job j
where j.job_id = %(job_id)s and j.status = 'running' and j.lease_until > now()
  and exists (select from archival.part_claim c where c.job_id = j.job_id and c.lease_token = j.lease_token)

-- name: claim_part
-- The first part that nobody has claimed, or whose claim has run out. Guard TOKEN holds for claims as for leases: the token is random.
with free as (
    select c.job_id, c.number from archival.part_claim c join archival.job j using (job_id)
    where c.job_id = %(job_id)s and c.lease_token = %(lease_token)s and (c.token is null or c.claimed_until < now())
      and j.status = 'running' and j.lease_token = c.lease_token
    order by c.number limit 1 for update of c skip locked
)
update archival.part_claim c set token = gen_random_uuid(), claimed_until = now() + %(lease)s
from free where c.job_id = free.job_id and c.number = free.number
returning c.job_id, c.number, c.token, c.lease_token

-- name: renew_claim
update archival.part_claim c set claimed_until = now() + %(lease)s
from archival.job j
where c.job_id = %(job_id)s and c.number = %(number)s and c.token = %(token)s
  and j.job_id = c.job_id and j.status = 'running' and j.lease_token = c.lease_token
returning c.job_id

-- name: give_back_claim
update archival.part_claim set token = null, claimed_until = null
where job_id = %(job_id)s and number = %(number)s and token = %(token)s
returning job_id

-- name: finish_part
-- The job's row is locked against the next worker that takes its lease: that worker finds the part, or the part is refused.
with owner as (
    select job_id, lease_token from archival.job
    where job_id = %(job_id)s and lease_token = %(lease_token)s and status = 'running' for share
), claim as (
    delete from archival.part_claim c using owner
    where c.job_id = owner.job_id and c.number = %(number)s and c.token = %(token)s and c.lease_token = owner.lease_token
    returning c.job_id, c.number
)
insert into archival.part (job_id, number, part, staged) select job_id, number, %(part)s, %(staged)s from claim
returning job_id

-- name: shared_parts
-- How many parts are not finished; of these, how many somebody works on.
select j.job_id, count(c.number) as missing, count(c.number) filter (where c.claimed_until >= now()) as claimed
from archival.job j left join archival.part_claim c on c.job_id = j.job_id
where j.job_id = %(job_id)s and j.lease_token = %(token)s and j.status = 'running'
group by j.job_id

-- name: withdraw_parts
-- No part begins any more; those that somebody works on may still end.
with owner as (
    select job_id from archival.job where job_id = %(job_id)s and lease_token = %(token)s and status = 'running'
), withdrawn as (
    delete from archival.part_claim c using owner where c.job_id = owner.job_id and (c.token is null or c.claimed_until < now())
)
select job_id from owner

-- name: read_alone
with owner as (
    update archival.job set reads_alone = true, progress = null
    where job_id = %(job_id)s and lease_token = %(token)s and status = 'running'
    returning job_id
), claims as (
    delete from archival.part_claim where job_id in (select job_id from owner)
), forgotten as (
    delete from archival.part where job_id in (select job_id from owner)
)
select job_id from owner
