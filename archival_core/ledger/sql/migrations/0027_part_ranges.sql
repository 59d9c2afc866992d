-- Which rows a part has is a range of pages or of time, and SQL no more. What is on its way is rewritten; a new release goes on with it.
update archival.job j set progress = jsonb_set(progress, '{parts}', (
    select jsonb_agg(
        case when part = 'true' or part like 'ctid %' then jsonb_build_object(
                 'first_page', coalesce(substring(part from '^ctid >= ''\((\d+),0\)''')::bigint, 0),
                 'end_page', substring(part from 'ctid < ''\((\d+),0\)''::pg_catalog\.tid$')::bigint)
             else jsonb_build_object(
                 'from_time', substring(part from '^.* >= ''([^'']*)''::[a-z ]+(?: AND .* < ''[^'']*''::[a-z ]+)?$'),
                 'before_time', substring(part from '^.* < ''([^'']*)''::[a-z ]+$')) end
        order by number)
    from jsonb_array_elements_text(progress -> 'parts') with ordinality parts (part, number)))
where jsonb_typeof(progress -> 'parts' -> 0) = 'string';
