-- Whether the row was made from what lies in the lake: who can write there could have made it up.
alter table archival.job add column adopted boolean not null default false;
update archival.job set adopted = true where kind = 'archive' and request_key like 'adopted/%';
