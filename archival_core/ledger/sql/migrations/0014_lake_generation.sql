-- Which state of the lake the ledger has seen last, so that a lake that went back shows.
create table archival.lake_generation (
    one        boolean primary key default true check (one),
    -- of the marker file that was written last; 0 before the first
    sequence   bigint not null default 0,
    token      uuid,
    written_at timestamptz,
    -- the lake went back to this time: removal waits until what was archived since then is verified
    back_to    timestamptz,
    noticed_at timestamptz,
    -- the older marker that was found, so that one step back is noticed once
    noticed    uuid
);
insert into archival.lake_generation default values;
comment on table archival.lake_generation is 'The state of the lake that the ledger knows, and whether the lake went back behind it.';
