-- The columns of each hypertable's table in the lake, which has one schema whatever becomes of the hypertable.
create table archival.lake_column (
    hypertable      text not null,
    -- field id in Parquet: given once, and never again
    number          integer not null,
    -- which column it is in the source, as seen last: the hypertable's own table by its identity, and the column in it
    table_oid       bigint,
    table_born      text,
    attnum          integer not null,
    column_name     text not null,
    postgresql_type text not null,
    -- in the lake: its name, and the name of its Arrow type
    name            text not null,
    form            text not null,
    -- what rows have that were stored before the column was added, as PostgreSQL prints it
    default_before  text,
    -- by the source's clock: the snapshots that showed it first, and first did not show it any more
    since           timestamptz not null,
    until           timestamptz,
    primary key (hypertable, number)
);
create unique index lake_column_name on archival.lake_column (hypertable, lower(name));
comment on table archival.lake_column is 'The columns that tables in the lake have, or ever had. None is deleted.';
