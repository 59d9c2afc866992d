-- Something to archive, where there is nothing yet: eleven days of one table, a chunk a day. May be run again.
set role data_owner;     -- whoever makes a table owns it
create table if not exists data.conditions (time timestamptz not null, device int, value double precision);
select create_hypertable('data.conditions', 'time', chunk_time_interval => interval '1 day', if_not_exists => true);
insert into data.conditions
select t, d, random() from generate_series(now() - interval '10 days', now(), interval '10 s') t, generate_series(1, 10) d
where not exists (select from data.conditions);
