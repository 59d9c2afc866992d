"""What is asked of TimescaleDB's own tables: in this one room, in the forms that are known (2.10 to 2.29).

`timescaledb_information` does not say which table holds a chunk's compressed rows, whether a chunk is frozen, or what a
continuous aggregate has yet to look at. `_timescaledb_catalog` says so, in columns that releases move. Which columns there
are is looked up with every question, in the caller's transaction, because an extension can be updated under a running
service. Where no known form is found, a `PermanentError` (`unknown-timescaledb`) says what is missing: nobody may guess in
its place.
"""
