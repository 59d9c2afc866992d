-- name: lake_columns
select number, table_oid, table_born, attnum, column_name, name, postgresql_type, form, default_before, since, until
from archival.lake_column where hypertable = %(hypertable)s order by number

-- name: lake_columns_of_table
select number, table_oid, table_born, attnum, column_name, name, postgresql_type, form, default_before, since, until
from archival.lake_column where table_oid = %(oid)s and table_born = %(born)s order by hypertable, number

-- name: lock_lake_columns
-- Two readings of one table decide one after the other, also where the table has no column yet that could be locked.
select pg_advisory_xact_lock(hashtextextended('archival.lake_column ' || %(hypertable)s, 0))

-- name: record_lake_column
insert into archival.lake_column (hypertable, number, table_oid, table_born, attnum, column_name, name, postgresql_type, form,
                                  default_before, since, until)
values (%(hypertable)s, %(number)s, %(table_oid)s, %(table_born)s, %(attnum)s, %(column_name)s, %(name)s, %(postgresql_type)s,
        %(form)s, %(default_before)s, %(since)s, %(until)s)
on conflict (hypertable, number) do update
set table_oid = excluded.table_oid, table_born = excluded.table_born, attnum = excluded.attnum,
    column_name = excluded.column_name, postgresql_type = excluded.postgresql_type,
    default_before = excluded.default_before, until = excluded.until
