-- What the hooks tell the database that the template makes, before docs/grants.sql; the same as step 4 of docs/deploy.md. For psql, connected
-- to "postgres" as the administrator, with the variables `identity` (an object id) and `connections`. May be run again.
\set ON_ERROR_STOP on
select pgaadauth_create_principal_with_oid('archival_service', :'identity', 'service', false, false)
where not exists (select from pg_roles where rolname = 'archival_service');
\set ON_ERROR_STOP off
alter role archival_service connection limit :connections;
\if :ERROR
\echo 'The role has no connection limit: the administrator may not alter it. The template\'s own bound holds.'
\endif
\set ON_ERROR_STOP on
\connect tsdb
create extension if not exists timescaledb;
create schema if not exists data;
