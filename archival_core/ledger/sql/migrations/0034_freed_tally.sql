-- What has left the database since a day, without a look at every archive that is removed.

create table archival.freed_tally (
    -- of the removal, in UTC
    day          date not null,
    hypertable   text not null,
    source_bytes numeric not null
);
create index freed_tally_day on archival.freed_tally (day);
comment on table archival.freed_tally is
    'Bytes of the archives that are removed now, by the day of their removal: the sum of its rows. What was brought back is not among them.';

create function archival.tally_freed() returns trigger language plpgsql as $$
begin
    if tg_op <> 'INSERT' and old.kind = 'archive' and old.status = 'removed' and old.removed_at is not null then
        insert into archival.freed_tally
        values ((old.removed_at at time zone 'UTC')::date, old.hypertable, -coalesce(old.source_bytes, 0));
    end if;
    if tg_op <> 'DELETE' and new.kind = 'archive' and new.status = 'removed' and new.removed_at is not null then
        insert into archival.freed_tally
        values ((new.removed_at at time zone 'UTC')::date, new.hypertable, coalesce(new.source_bytes, 0));
    end if;
    return null;
end $$;
create trigger freed_added after insert on archival.job for each row when (new.status = 'removed')
    execute function archival.tally_freed();
create trigger freed_deleted after delete on archival.job for each row when (old.status = 'removed')
    execute function archival.tally_freed();
create trigger freed_moved after update on archival.job for each row
    when ('removed' in (old.status, new.status) and (old.status, old.removed_at, old.hypertable, old.source_bytes)
          is distinct from (new.status, new.removed_at, new.hypertable, new.source_bytes))
    execute function archival.tally_freed();

alter function archival.count_again rename to count_jobs_again;
comment on function archival.count_jobs_again is 'Makes the sums of jobs and of their outcomes anew.';
create function archival.count_freed_again() returns void language sql
begin atomic
    delete from archival.freed_tally;
    insert into archival.freed_tally
    select (removed_at at time zone 'UTC')::date, hypertable, coalesce(sum(source_bytes), 0)
    from archival.job where kind = 'archive' and status = 'removed' and removed_at is not null group by 1, 2;
end;
comment on function archival.count_freed_again is 'Makes the sums of what has left the database anew.';
create function archival.count_again() returns void language sql
begin atomic
    select archival.count_jobs_again();
    select archival.count_freed_again();
end;
comment on function archival.count_again is 'Makes the sums anew from the jobs; for a ledger that was written by hand.';
-- the triggers hold the table's lock until the end, so nothing changes in between
select archival.count_freed_again();

-- the sums were taken from it
drop index archival.job_removed;
