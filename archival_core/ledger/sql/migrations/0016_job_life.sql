-- The life of a job: which status follows which is enforced here, and each attempt and each change leaves a line of history.

create table archival.job_transition (
    from_status text not null,
    to_status   text not null,
    primary key (from_status, to_status)
);
comment on table archival.job_transition is 'Which status of a job may follow which. The same as TRANSITIONS in archival_core/model/job.py.';
insert into archival.job_transition values
    ('queued', 'running'), ('queued', 'cancelled'), ('queued', 'skipped'), ('queued', 'failed'), ('queued', 'archived'),
    ('queued', 'removed'), ('queued', 'superseded'),
    ('running', 'running'), ('running', 'queued'), ('running', 'archived'), ('running', 'superseded'), ('running', 'removed'),
    ('running', 'restored'), ('running', 'failed'), ('running', 'cancelled'), ('running', 'skipped'),
    ('archived', 'removed'), ('archived', 'superseded'),
    ('superseded', 'removed'), ('superseded', 'archived'),
    ('removed', 'archived'), ('removed', 'superseded'),
    ('failed', 'queued'), ('failed', 'archived'), ('failed', 'removed'), ('failed', 'superseded'),
    ('cancelled', 'queued'), ('cancelled', 'archived'), ('cancelled', 'removed'), ('cancelled', 'superseded'),
    ('skipped', 'archived'), ('skipped', 'removed');

create table archival.job_event (
    job_id      uuid not null references archival.job on delete cascade,
    at          timestamptz not null default clock_timestamp(),
    from_status text not null,
    to_status   text not null,
    attempt     integer not null,
    -- when the attempt began that ended with this; null where no worker had the job
    began_at    timestamptz,
    -- why: `code` and `message`, as in the job's own `error` at that time
    error       jsonb,
    -- which connection wrote it: the service's process, or a person's client
    written_by  text not null default current_setting('application_name')
);
create index job_event_of_job on archival.job_event (job_id, at);
comment on table archival.job_event is 'How each job came to its status. The beginning of an attempt leaves no line, its end does.';

-- The beginning of an attempt is known from its end, so that an attempt costs one line.
create function archival.follow_job() returns trigger language plpgsql as $$
begin
    -- a running job that stays so has another worker if it has another token
    if new.status = old.status and (new.status <> 'running' or new.lease_token is not distinct from old.lease_token) then
        return new;
    end if;
    if not exists (select from archival.job_transition where from_status = old.status and to_status = new.status) then
        raise exception 'a job that is % does not become %', old.status, new.status
            using errcode = 'check_violation', constraint = 'job_transition', detail = format('job %s', old.job_id),
                  hint = 'archival.job is written by archival_service alone; docs/architecture.md has the states of a job.';
    end if;
    -- an outage of days postpones a job thousands of times: the first time in a row leaves a line
    if (old.status, new.status) <> ('queued', 'running') and (old.status <> 'running' or new.status <> 'queued' or new.postponed < 2) then
        insert into archival.job_event (job_id, from_status, to_status, attempt, began_at, error)
        values (old.job_id, old.status, new.status, old.attempt, case old.status when 'running' then old.started_at end,
                case when (old.status, new.status) = ('running', 'running')
                     then jsonb_build_object('code', 'lost-lease', 'message', 'its worker did not renew the lease in time')
                     else new.error end);
    end if;
    return new;
end $$;
comment on function archival.follow_job is 'Refuses what is no transition of a job, and keeps the history of what is.';
create trigger follow_job before update of status on archival.job for each row execute function archival.follow_job();
