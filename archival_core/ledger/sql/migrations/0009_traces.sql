-- The span of the first attempt, as W3C trace context: those of later attempts are linked to it.
alter table archival.job add column first_attempt text;
