-- name: note_audit
insert into archival.audit (who, action, asked) values (%(who)s, %(action)s, %(asked)s) returning entry

-- name: end_audit
update archival.audit set outcome = %(outcome)s, ended_at = clock_timestamp() where entry = %(entry)s returning entry

-- name: audit_page
select entry, at, who, action, asked, outcome from archival.audit
where entry < %(before)s order by entry desc limit %(limit)s
