-- A commit of a table in the lake looks at the archives that have changed and at those that these bear on, and not at all of them.

-- null: all archives of the table are to be looked at
alter table archival.table_due add column folder text;
comment on column archival.table_due.folder is 'The archive that has changed; null where all archives of the table are to be looked at.';

-- null: the next commit looks at all archives of the table
alter table archival.lake_table add column judged_on text;
comment on column archival.lake_table.judged_on is
    'The server, database and timeline on which all archives of the table were looked at last, and nothing was in doubt.';

create index table_archive_left_out on archival.table_archive (hypertable) where left_out is not null;

create or replace function archival.note_due_table() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' then
        insert into archival.table_due (hypertable) values (old.hypertable);
    elsif tg_op = 'UPDATE' and old.lake_path is not null
          and ((old.hypertable, old.lake_path, old.relation_oid, old.relation_born)
                   is distinct from (new.hypertable, new.lake_path, new.relation_oid, new.relation_born)
               or old.manifest_sha256 <> new.manifest_sha256) then
        -- what it bore on before cannot be told from what it is now
        insert into archival.table_due (hypertable) select distinct unnest(array[old.hypertable, new.hypertable]);
    else
        insert into archival.table_due (hypertable, folder) values (new.hypertable, new.lake_path);
    end if;
    return null;
end $$;
drop trigger note_due_table_again on archival.job;
create trigger note_due_table_again
    after update of status, lake_path, manifest, manifest_sha256, proof, history_lost, restored_at, revision, relation_oid, relation_born, hypertable
    on archival.job for each row
    when (new.kind = 'archive' and new.lake_path is not null
          and (new.status, new.lake_path, new.manifest_sha256, new.history_lost, new.restored_at, new.revision, new.relation_oid,
               new.relation_born, new.hypertable, new.nonces, new.read_from)
              is distinct from
              (old.status, old.lake_path, old.manifest_sha256, old.history_lost, old.restored_at, old.revision, old.relation_oid,
               old.relation_born, old.hypertable, old.nonces, old.read_from))
    execute function archival.note_due_table();
create trigger note_due_table_gone after delete on archival.job for each row
    when (old.kind = 'archive' and old.lake_path is not null) execute function archival.note_due_table();
