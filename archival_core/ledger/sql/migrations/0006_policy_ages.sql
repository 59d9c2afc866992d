-- as for archive_after: beyond this `now() - remove_after` is no timestamp, and one policy would stop every removal
alter table archival.policy add constraint policy_remove_after
    check (remove_after between interval '0' and interval '1000 years');
