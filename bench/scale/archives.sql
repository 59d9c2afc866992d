-- A ledger as years of archives leave it. Three archives in four are removed, one in twenty is superseded, and one job in five ended otherwise.
insert into archival.job (job_id, kind, hypertable, chunk, range_start, range_end, status, settled, revision, attempt, relation_oid,
                          relation_born, request_key, requested_by, requested_at, started_at, finished_at, removed_at, rows,
                          source_bytes, parquet_bytes, lake_path, manifest, manifest_sha256, announced, messaged_at, verified_at)
select md5('archive ' || i)::uuid, 'archive', hypertable, chunk, to_char(first, 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
       to_char(first + interval '1 hour', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), status, true, 0, 1, 100000000 + i, (1000 + i)::text,
       'scale/' || i, 'policy', asked, asked, asked + interval '30 s', case when status = 'removed' then asked end, 100000, 8e8, 1e8,
       path, jsonb_build_object(
           'version', 1, 'job_id', md5('archive ' || i), 'revision', 0, 'hypertable', hypertable, 'chunk', chunk, 'kind', 'native',
           'relation_oid', 100000000 + i, 'relation_born', (1000 + i)::text, 'snapshot', '1000:1000:', 'nonce', md5('nonce ' || i),
           'source', jsonb_build_object('system_identifier', (select system_identifier::text from pg_control_system()), 'database', current_database()), 'lake_path', path, 'supersedes', case when superseder then jsonb_build_array(before) else '[]' end,
           'columns', (select jsonb_agg(jsonb_build_object('name', 'usage_' || c, 'postgresql_type', 'double precision',
                                                         'arrow_type', 'double', 'not_null', false, 'number', c))
                       from generate_series(1, 13) c),
           'parts', (select jsonb_agg(jsonb_build_object('file', format('part-0000%%s.parquet', p), 'sha256', md5(i || 'p' || p)
                                                         || md5(i || 'q' || p), 'rows', 50000, 'bytes', 50000000,
                                                         'min_time', null, 'max_time', null, 'digests', '{}'::jsonb))
                     from generate_series(1, 2) p)),
       md5('a' || i) || md5('b' || i), true, asked, now() - i * interval '1 second'
from (select i, format('scale.h%%s', i %% %(hypertables)s) as hypertable,
             format('scale.h%%s_%%s', i %% %(hypertables)s, i / %(hypertables)s) as chunk,
             format('tables/scale.h%%1$s/scale.h%%1$s_%%2$s_r0', i %% %(hypertables)s, i / %(hypertables)s) as path,
             format('tables/scale.h%%1$s/scale.h%%1$s_%%2$s_r0', i %% %(hypertables)s, i / %(hypertables)s - 1) as before,
             timestamp '2010-01-01' + (i / %(hypertables)s) * interval '1 hour' as first,
             now() - interval '30 days' + i * interval '10 s' as asked, i %% 20 = 7 as superseder,
             case when i %% 20 = 7 - %(hypertables)s then 'superseded' when i %% 20 > 15 and %(kept)s then 'archived' else 'removed'
             end as status
      from generate_series(1, %(archives)s) i) made;
-- Failures are made up for by the archive, but for twenty that wait.
insert into archival.job (job_id, kind, hypertable, chunk, status, made_up, request_key, requested_by, requested_at, finished_at, announced, error)
select md5('again ' || i)::uuid, 'archive', hypertable, chunk, case when i %% 10 = 0 then 'failed' else 'skipped' end,
       case when i %% 10 = 0 and i > 200 then true end, 'again/' || i, 'event',
       requested_at - case when i %% 10 = 0 and i > 200 then interval '1 hour' else interval '0' end, finished_at, true,
       '{"code": "duplicate", "message": "made up"}'
from (select row_number() over (order by requested_at) as i, * from archival.job) j where i %% 5 = 0;
insert into archival.job_event (job_id, at, from_status, to_status, attempt)
select job_id, finished_at, 'running', 'archived', 1 from archival.job where kind = 'archive';
insert into archival.job_event (job_id, at, from_status, to_status, attempt)
select job_id, removed_at, 'archived', 'removed', 1 from archival.job where removed_at is not null;
insert into archival.superseding (folder, job_id)
select folder, job_id from archival.job, jsonb_array_elements_text(manifest -> 'supersedes') folder where manifest is not null
on conflict do nothing;
insert into archival.job (job_id, kind, hypertable, chunk, status, attempt, lease_token, lease_until, started_at, request_key, requested_by, messaged_at,
                          declared, progress)
values (md5('running')::uuid, 'archive', 'scale.h1', 'scale.h1_running', 'running', 1, md5('token')::uuid, now() + interval '1 day', now(), 'running',
        'event', now(), '{x}', '{"staging": []}');
insert into archival_marks.reading (job, nonce, snapshot)
select md5('archive ' || i)::uuid, md5('nonce ' || i), '1000:1000:' from generate_series(1, %(archives)s) i;
insert into archival_marks.stand_in (archive, kind, hypertable, chunk, lake_path, manifest, oid, born)
select job_id, 'removed', hypertable, chunk, lake_path, manifest_sha256, relation_oid, relation_born
from archival.job where kind = 'archive' and status = 'removed';
