-- What the service's database role needs, and no more. Run it as an administrator (no superuser is needed), as often as you like, with your
-- own names in place of
--   archival_service   the service's role, which is there already
--   data_owner         the role that owns the tables which are archived
--   data               the schema of these tables
-- Where tables of several owners or schemas are archived, repeat sections 2 and 3 for each. An owner's functions (defaults, checks,
-- index expressions) may run with this role's rights: give owners that do not trust one another a service each, see security.md.

-- The administrator becomes a member of both roles. Otherwise PostgreSQL lets nobody but a superuser grant on their behalf.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'data_owner') THEN
        CREATE ROLE data_owner;
    END IF;
    GRANT data_owner TO CURRENT_USER;
    BEGIN
        GRANT archival_service TO CURRENT_USER;
    EXCEPTION WHEN insufficient_privilege THEN
        -- From PostgreSQL 16 on, a role is granted by those alone who have the ADMIN option on it. Who lacks it lets the service make the
        -- schemas of sections 1, 4 and 5 by itself, and may not look into them.
        EXECUTE format('GRANT CREATE ON DATABASE %I TO archival_service', current_database());
    END;
END $$;

-- 1. The ledger: a schema of the service's own. In a database of its own, run this and what stands above it there.
DO $$
BEGIN
    IF pg_has_role(CURRENT_USER, 'archival_service', 'USAGE') THEN
        CREATE SCHEMA IF NOT EXISTS archival AUTHORIZATION archival_service;
    END IF;
END $$;

--    Every role may connect to the database "postgres" unless that was revoked. The service looks up the server's own types there
--    (in "template1" if the data is in "postgres"); otherwise each thread reads the whole catalog of the data's database, once.

-- 2. Archive: read the tables. TimescaleDB passes a hypertable's grants on to its chunks; partitions need their own, those that
--    are still to come included. Where a table has row-level security, the role needs BYPASSRLS: it never reads through a policy.
GRANT USAGE ON SCHEMA data TO archival_service;
GRANT SELECT ON ALL TABLES IN SCHEMA data TO archival_service;
ALTER DEFAULT PRIVILEGES FOR ROLE data_owner IN SCHEMA data GRANT SELECT ON TABLES TO archival_service;

-- 3. Remove and restore: PostgreSQL lets only owners drop or detach a table, and a partition has an owner of its own. deploy.md says how tables
--    that another role has made become data_owner's. Leave this out where the service only archives.
GRANT data_owner TO archival_service;

-- 4. Remove and restore: where rows wait until they are proven to be the archive's. Before a chunk is removed, rows of its archive come
--    back here in trial.
-- 5. Marks: rows of ours in the source's database that prove which history a server is in, and which archives stand in for rows. Keep
--    them, and let dumps and backups take them along. A role that only archives wants this too: without marks all rows of an archive are
--    compared before its chunk is removed, and an archive that was cut off begins anew.
DO $$
BEGIN
    IF pg_has_role(CURRENT_USER, 'archival_service', 'USAGE') THEN
        CREATE SCHEMA IF NOT EXISTS archival_restore AUTHORIZATION archival_service;
        CREATE SCHEMA IF NOT EXISTS archival_marks AUTHORIZATION archival_service;
    END IF;
END $$;

-- 6. Questions (POST /queries), if people may read data through the service: a role that can read, which QUERY_ROLE names. Whoever has a key
--    of the service reads what this role may read, archived rows of its tables too. Grant columns where some are nobody's business.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'archival_reader') THEN
        CREATE ROLE archival_reader;
    END IF;
END $$;
GRANT USAGE ON SCHEMA data TO archival_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA data TO archival_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE data_owner IN SCHEMA data GRANT SELECT ON TABLES TO archival_reader;
GRANT archival_reader TO archival_service;
