"""Questions in SQL to hypertables as if nothing had ever been archived: each row once, from one snapshot of the source."""
