-- Whether a published archive has its rows in the lake alone, where `oids` are the tables that hold chunks of its hypertable now.
create function archival.in_lake_alone(status text, restored_at timestamptz, relation_oid bigint, oids bigint[]) returns boolean
language sql immutable as $$
    select restored_at is null and coalesce(status = 'removed' or relation_oid <> all(oids), false)
$$;
