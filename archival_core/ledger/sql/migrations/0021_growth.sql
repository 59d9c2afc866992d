-- What is asked about one archive costs the same beside ten archives and beside a hundred thousand.

create function archival.span(range_start text, range_end text) returns numrange language sql immutable parallel safe
return case when archival.bound(range_start) >= archival.bound(range_end) then numrange(null, null)
            else numrange(archival.bound(range_start), archival.bound(range_end)) end;
comment on function archival.span is
    'The range of a chunk, which overlaps another or not. What cannot be compared overlaps everything.';
-- whatever is published has its range
update archival.job set settled = true
where kind = 'archive' and status in ('archived', 'superseded', 'removed') and not settled;
create index job_span on archival.job using gist (archival.span(range_start, range_end)) where kind = 'archive' and settled;

-- an archive of the same table
create index job_of_table on archival.job (relation_oid) where kind = 'archive' and relation_oid is not null;
-- duties that go round, beginning anywhere
create index job_round on archival.job (status, job_id) where kind = 'archive' and status in ('archived', 'superseded', 'removed');
create index job_mark_owed on archival.job (job_id) where mark_owed;
-- in the order in which archives are verified
drop index archival.job_verified;
create index job_verified on archival.job (verified_at nulls first, (status = 'removed') desc, job_id)
    where kind = 'archive' and status in ('archived', 'removed');

create or replace function archival.lies_in_other_table(archive archival.job, other archival.job) returns boolean language sql immutable
return (other.relation_oid, other.relation_born) is distinct from (archive.relation_oid, archive.relation_born)
    and archival.span(other.range_start, other.range_end) && archival.span(archive.range_start, archive.range_end)
    and (archive.manifest ->> 'kind' = 'native'
         or (other.range_start, other.range_end) is distinct from (archive.range_start, archive.range_end));
