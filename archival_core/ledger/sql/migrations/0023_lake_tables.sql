-- The tables in the lake: what the ledger knows of each one's log, and which archives it has.
create table archival.lake_table (
    hypertable   text primary key,
    -- of the log: a log that is made anew has another
    history      uuid not null default gen_random_uuid(),
    -- of the last application transaction
    sequence     bigint not null default 0,
    -- of the last commit; null while there is no log
    version      bigint,
    checkpoint   bigint,
    -- name, form and metadata of each column of the table's schema
    columns      jsonb not null default '[]',
    committed_at timestamptz,
    -- when log and ledger were compared file by file
    compared_at  timestamptz,
    -- what somebody has to look at: `code`, `message`, `at`
    finding      jsonb
);
comment on table archival.lake_table is 'The Delta table of each hypertable in the lake, as of its last commit.';

create table archival.table_archive (
    -- below tables/
    folder     text primary key,
    hypertable text not null,
    -- names of its files in the folder
    files      text[] not null default '{}',
    rows       bigint not null default 0,
    entered_at timestamptz,
    left_at    timestamptz,
    -- why it counts and is not in the table
    left_out   text
);
create index table_archive_of_table on archival.table_archive (hypertable);
comment on table archival.table_archive is 'Archives that are in the lake''s tables (entered_at and no left_at), were, or cannot be.';

-- Rows are only added by those who change archives, so that nobody waits for a commit that is going on.
create table archival.table_due (
    id         bigint generated always as identity primary key,
    hypertable text not null
);
create index table_due_of_table on archival.table_due (hypertable);
comment on table archival.table_due is 'Hypertables of whose archives something has changed since the last commit of their table.';

create function archival.note_due_table() returns trigger language plpgsql as $$
begin
    insert into archival.table_due (hypertable) values (new.hypertable);
    return null;
end $$;
comment on function archival.note_due_table is 'The table of an archive that has changed is looked at by the next commit.';
create trigger note_due_table after insert on archival.job for each row
    when (new.kind = 'archive' and new.lake_path is not null) execute function archival.note_due_table();
create trigger note_due_table_again after update of status, lake_path, manifest_sha256, history_lost on archival.job for each row
    when (new.kind = 'archive' and new.lake_path is not null
          and (new.status, new.lake_path, new.manifest_sha256, new.history_lost)
              is distinct from (old.status, old.lake_path, old.manifest_sha256, old.history_lost))
    execute function archival.note_due_table();

insert into archival.table_due (hypertable)
select distinct hypertable from archival.job where kind = 'archive' and status in ('archived', 'removed');
