-- name: note_audit
insert into archival.audit (who, action, asked) values (%(who)s, %(action)s, %(asked)s) returning entry

-- name: end_audit
update archival.audit set outcome = %(outcome)s, ended_at = clock_timestamp(), job_ids = %(job_ids)s::uuid[]
where entry = %(entry)s returning entry

-- name: audit_page
select entry, at, who, action, asked, outcome, coalesce(cardinality(job_ids), 0) as jobs from archival.audit
where entry < %(before)s
  and (%(text)s::text is null or strpos(lower(concat_ws(' ', who, action, asked::text)), lower(%(text)s)) > 0)
order by entry desc limit %(limit)s
