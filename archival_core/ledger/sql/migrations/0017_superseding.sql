-- What takes the place of what is a row with a key. To search every archive's manifest for it took a run minutes with thousands of archives.
create table archival.superseding (
    -- of the archive whose place is taken, below tables/
    folder text not null,
    -- the archive that has its rows too, and says so in its manifest
    job_id uuid not null references archival.job on delete cascade,
    at     timestamptz not null default now(),
    primary key (folder, job_id)
);
create index superseding_of_job on archival.superseding (job_id);
comment on table archival.superseding is
    'Which archive takes the place of which. It counts while the job is archived or removed, and its history is not lost.';

create function archival.note_superseding() returns trigger language plpgsql as $$
begin
    delete from archival.superseding where job_id = new.job_id and not coalesce(new.manifest -> 'supersedes' ? folder, false);
    insert into archival.superseding (folder, job_id)
    select folder, new.job_id from jsonb_array_elements_text(new.manifest -> 'supersedes') folder
    on conflict do nothing;
    return null;
end $$;
comment on function archival.note_superseding is 'Writes table superseding in the statement that writes the manifest, whichever that is.';
create trigger note_superseding after insert on archival.job for each row
    when (new.kind = 'archive' and new.manifest -> 'supersedes' <> '[]') execute function archival.note_superseding();
create trigger note_superseding_again after update of manifest on archival.job for each row
    when (new.kind = 'archive' and (new.manifest -> 'supersedes') is distinct from (old.manifest -> 'supersedes'))
    execute function archival.note_superseding();

insert into archival.superseding (folder, job_id, at)
select folder, job_id, coalesce(finished_at, now())
from archival.job, jsonb_array_elements_text(manifest -> 'supersedes') folder
where kind = 'archive' and manifest -> 'supersedes' <> '[]'
on conflict do nothing;

create or replace function archival.is_overtaken(
    job_id uuid, hypertable text, chunk text, relation_oid bigint, relation_born text, revision integer, lake_path text,
    supersedes text[]
) returns boolean language sql stable
return exists (
    select from archival.job later
    where later.hypertable = $2 and later.chunk = $3 and later.kind = 'archive' and later.status in ('archived', 'removed')
      and later.relation_oid = $4 and later.relation_born is not distinct from $5 and later.revision > $6
      and later.lake_path <> all($8) and not later.history_lost
) or exists (
    select from archival.superseding s join archival.job other on other.job_id = s.job_id
    where s.folder = $7 and other.status in ('archived', 'removed') and (not other.adopted or other.hypertable = $2)
      and other.job_id <> $1 and not other.history_lost
);
drop index archival.job_supersedes;
