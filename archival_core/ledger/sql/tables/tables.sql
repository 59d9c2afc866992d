-- name: due_tables
select distinct hypertable from archival.table_due order by hypertable

-- name: tables_to_compare
-- In an order drawn by chance, so that a table that cannot be compared keeps no other from its turn. Where a clock went back, `compared_at` is yet
-- to come. A hypertable with archives and for so long without a log had a change that nobody noted.
with recursive found (hypertable) as (
    (select hypertable from archival.job order by hypertable limit 1)
    union all
    select (select j.hypertable from archival.job j where j.hypertable > found.hypertable order by j.hypertable limit 1)
    from found where found.hypertable is not null
)
select hypertable from (
    select hypertable from archival.lake_table
    where version is not null
      and (coalesce(compared_at not between now() - %(every)s::interval and now(), true) or finding ->> 'code' = 'table-log-damaged')
    union all
    select f.hypertable from found f
    where not exists (select from archival.lake_table l
                      where l.hypertable = f.hypertable
                        and (l.version is not null or l.compared_at between now() - %(every)s::interval and now()))
      and exists (select from archival.job j where j.kind = 'archive' and j.hypertable = f.hypertable and j.lake_path is not null
                  and j.status in ('archived', 'removed') and j.finished_at < now() - %(every)s::interval)
) due order by random()

-- name: has_table
select from archival.lake_table where hypertable = %(hypertable)s
union all
(select from archival.job where kind = 'archive' and hypertable = %(hypertable)s and lake_path is not null and status in ('archived', 'removed') limit 1)
limit 1

-- name: make_lake_table
insert into archival.lake_table (hypertable) values (%(hypertable)s) on conflict do nothing returning hypertable

-- name: bound_lake_table
-- A frozen holder of the lock is not waited for without end: the server ends a holder that does nothing for longer than the lake may take.
select set_config('lock_timeout', '20s', true), set_config('idle_in_transaction_session_timeout', '5min', true)

-- name: hold_lake_table
-- One process at a time commits to a table. A process that does not wait leaves the commit to the other.
select hypertable, history, sequence, version, checkpoint, columns, judged_on, clock_timestamp() as now from archival.lake_table
where hypertable = %(hypertable)s for update skip locked

-- name: wait_for_lake_table
select hypertable, history, sequence, version, checkpoint, columns, judged_on, clock_timestamp() as now from archival.lake_table
where hypertable = %(hypertable)s for update

-- name: take_due
-- Changes that come after this are for the next commit.
delete from archival.table_due where hypertable = %(hypertable)s returning folder

-- name: note_due
insert into archival.table_due (hypertable) values (%(hypertable)s) returning id

-- name: table_candidates
-- Every archive of the hypertable, and every folder that is in its table.
select coalesce(j.lake_path, t.folder) as folder, j.job_id, j.status, j.manifest_sha256, j.relation_oid, j.relation_born,
       coalesce(j.revision, 0) as revision, j.nonces, j.history_lost, j.restored_at is not null as restored,
       j.read_from = %(server)s as is_of_server, t.entered_at is not null and t.left_at is null as in_table,
       array(select s.folder from archival.superseding s where s.job_id = j.job_id) as supersedes
from (
    select * from archival.job
    where kind = 'archive' and hypertable = %(hypertable)s and lake_path is not null
      and status in ('archived', 'removed', 'superseded')
) j
full join (
    select * from archival.table_archive where hypertable = %(hypertable)s and entered_at is not null and left_at is null
) t on t.folder = j.lake_path
order by j.finished_at, folder

-- name: table_candidates_about
-- Those of `table_candidates` that `folders` bear on: archives of the same table of PostgreSQL, and archives whose place another takes,
-- however many steps away. A folder may be no archive of this table, and still lead to others. More than `most` are not followed.
with recursive about (folder) as (
    select unnest(%(folders)s::text[])
    union
    select near.folder
    from about a cross join lateral (
        select o.lake_path as folder
        from archival.job j
        join archival.job o on o.relation_oid = j.relation_oid and o.relation_born = j.relation_born and o.kind = 'archive'
        where j.lake_path = a.folder and j.kind = 'archive' and o.hypertable = %(hypertable)s and o.lake_path is not null
          and o.relation_oid <> 0 and o.relation_born <> '' and o.status in ('archived', 'removed', 'superseded')
        union all
        select s.folder from archival.job j join archival.superseding s on s.job_id = j.job_id
        where j.lake_path = a.folder and j.kind = 'archive'
        union all
        select j.lake_path from archival.superseding s join archival.job j on j.job_id = s.job_id
        where s.folder = a.folder and j.lake_path is not null
        -- one folder after the other, by their keys: how many there are cannot be told
        offset 0
    ) near
)
select a.folder, j.job_id, j.status, j.manifest_sha256, j.relation_oid, j.relation_born,
       coalesce(j.revision, 0) as revision, j.nonces, j.history_lost, j.restored_at is not null as restored,
       j.read_from = %(server)s as is_of_server, t.folder is not null as in_table,
       array(select s.folder from archival.superseding s where s.job_id = j.job_id) as supersedes
from (select folder from about limit %(most)s) a
left join lateral (
    select * from archival.job j
    where j.lake_path = a.folder and j.kind = 'archive' and j.hypertable = %(hypertable)s
      and j.status in ('archived', 'removed', 'superseded')
    offset 0
) j on true
left join lateral (
    select * from archival.table_archive t
    where t.folder = a.folder and t.hypertable = %(hypertable)s and t.entered_at is not null and t.left_at is null
    offset 0
) t on true
order by j.finished_at, a.folder

-- name: table_additions
-- What a commit needs of each archive that enters, in the order of their ends.
select lake_path, manifest -> 'columns' as columns, manifest -> 'parts' as parts, manifest ->> 'time_column' as time_column, rows,
       finished_at
from archival.job
where kind = 'archive' and hypertable = %(hypertable)s and lake_path = any(%(folders)s)
  and status in ('archived', 'removed')
order by finished_at, lake_path

-- name: enter_table
insert into archival.table_archive as t (folder, hypertable, files, rows, entered_at)
select folder, %(hypertable)s, array(select jsonb_array_elements_text(files)), rows, now()
from jsonb_to_recordset(%(entered)s) a (folder text, files jsonb, rows bigint)
on conflict (folder) do update
set hypertable = excluded.hypertable, files = excluded.files, rows = excluded.rows, entered_at = now(), left_at = null, left_out = null
returning folder

-- name: leave_table
update archival.table_archive set left_at = now()
where hypertable = %(hypertable)s and folder = any(%(folders)s) and entered_at is not null and left_at is null
returning folder

-- name: files_in_table
select folder, files from archival.table_archive
where hypertable = %(hypertable)s and folder = any(%(folders)s) and entered_at is not null and left_at is null

-- name: clear_table
update archival.table_archive set left_at = now()
where hypertable = %(hypertable)s and entered_at is not null and left_at is null and folder <> all(%(but)s)
returning folder

-- name: parts_of
-- The files of each of these archives.
select lake_path, rows, array(select part ->> 'file' from jsonb_array_elements(manifest -> 'parts') part) as files
from archival.job
where kind = 'archive' and hypertable = %(hypertable)s and lake_path = any(%(folders)s)
  and status in ('archived', 'removed', 'superseded')

-- name: leave_out
-- Of the archives that were looked at: NULL for all of the table.
with gone as (
    delete from archival.table_archive
    where hypertable = %(hypertable)s and left_out is not null and entered_at is null and folder <> all(%(folders)s)
      and (%(among)s::text[] is null or folder = any(%(among)s))
), again as (
    update archival.table_archive set left_out = null
    where hypertable = %(hypertable)s and left_out is not null and entered_at is not null and folder <> all(%(folders)s)
      and (%(among)s::text[] is null or folder = any(%(among)s))
)
insert into archival.table_archive as t (folder, hypertable, left_out)
select folder, %(hypertable)s, reason from unnest(%(folders)s::text[], %(reasons)s::text[]) a (folder, reason)
-- an archive that was in the table stays known, so that readers of an older version have their time
on conflict (folder) do update
set left_out = excluded.left_out, left_at = case when t.entered_at is not null then coalesce(t.left_at, clock_timestamp()) end
returning folder

-- name: record_commit
update archival.lake_table
set history = %(history)s, sequence = %(sequence)s, version = %(version)s, checkpoint = %(checkpoint)s, columns = %(columns)s,
    committed_at = %(at)s
where hypertable = %(hypertable)s returning hypertable

-- name: record_judged
update archival.lake_table set judged_on = %(server)s where hypertable = %(hypertable)s returning hypertable

-- name: record_checkpoint
update archival.lake_table set checkpoint = greatest(checkpoint, %(version)s) where hypertable = %(hypertable)s returning hypertable

-- name: record_damage
-- The log cannot be read.
update archival.lake_table
set finding = jsonb_build_object('code', 'table-log-damaged', 'message', %(message)s::text, 'at', now())
where hypertable = %(hypertable)s returning hypertable

-- name: record_compared
-- A finding ends when log and ledger are found to agree a day later: whoever it is for has been told by then. Damage ends with the damage.
update archival.lake_table
set compared_at = now(),
    finding = case
        when %(resolved)s then null
        when %(finding)s::jsonb is not null then %(finding)s::jsonb || jsonb_build_object('at', now())
        when finding ->> 'code' <> 'table-log-damaged' and (finding ->> 'at')::timestamptz > now() - interval '1 day' then finding
    end
where hypertable = %(hypertable)s returning hypertable

-- name: table_state_of
-- Whether the folder is in its table, as of the last commit, the version of that commit, and why its log cannot be read.
select t.entered_at is not null and t.left_at is null as in_table, t.left_out, l.version,
       case when l.finding ->> 'code' = 'table-log-damaged' then l.finding ->> 'message' end as damage
from archival.job j
left join archival.lake_table l on l.hypertable = j.hypertable
left join archival.table_archive t on t.folder = j.lake_path
where j.job_id = %(job_id)s

-- name: retirable
-- Superseded archives that are in no table, and that left their table long enough ago for readers of an older version.
select j.lake_path, j.hypertable, l.version
from archival.job j
left join archival.lake_table l on l.hypertable = j.hypertable
left join archival.table_archive t on t.folder = j.lake_path
where j.lake_path = any(%(folders)s) and j.kind = 'archive' and j.status = 'superseded'
  and (t.entered_at is null or t.left_at < now() - %(readers)s::interval)

-- name: hold_retirable
-- The same of one archive, whose row stays locked until the transaction ends. Who brings an archive back has its row locked, so
-- nothing is found then.
select j.job_id
from archival.job j
left join archival.table_archive t on t.folder = j.lake_path
where j.lake_path = %(folder)s and j.kind = 'archive' and j.status = 'superseded'
  and (t.entered_at is null or t.left_at < now() - %(readers)s::interval)
for update of j skip locked

-- name: lake_tables
select l.hypertable, l.version, l.committed_at, l.compared_at, l.finding,
       coalesce(t.archives, 0) as archives, coalesce(t.files, 0) as files, coalesce(t.rows, 0) as rows,
       coalesce(t.left_out, 0) as left_out, d.due_since
from archival.lake_table l
left join (
    select hypertable, count(*) filter (where entered_at is not null and left_at is null) as archives,
           sum(cardinality(files)) filter (where left_at is null) as files, sum(rows) filter (where left_at is null) as rows,
           count(*) filter (where left_out is not null) as left_out
    from archival.table_archive group by hypertable
) t using (hypertable)
left join (select hypertable, min(at) as due_since from archival.table_due group by hypertable) d using (hypertable)
order by l.hypertable
