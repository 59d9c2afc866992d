-- Most updates of a job change nothing that an index has: with room in its page, such an update writes no index.
alter table archival.job set (fillfactor = 80);
-- by what a live job waits for, and not by when it was last sent: every message was a change of the index
drop index archival.job_live;
create index job_live on archival.job (kind) where status in ('queued', 'running');
