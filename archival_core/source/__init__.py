"""The database that is archived: what there is, what it holds, how its rows travel, leave and come back."""
