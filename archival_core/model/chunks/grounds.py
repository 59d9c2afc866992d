"""Grounds: what one reading of a chunk saw, so that a removal can prove later that the chunk still holds the same rows.

An archive has the grounds of the snapshot that it was read in. Where these prove nothing any more (no mark of the reading
is in the server's history), the whole archive is compared with the chunk in a new snapshot, and the grounds of that
comparison count from then on.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class TableIdentity(BaseModel):
    """A table that never comes again within one history of a server.

    An oid is given out again once the counter has come round, and a dump restores its tables with any oid; the transaction
    that made the table is another one then.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    oid: int
    #: number of the transaction that made the table, as `xid` prints it
    born: str


class Grounds(BaseModel):
    """What a chunk was like for one snapshot."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    #: which server and database
    system_identifier: str
    database: str
    #: of the snapshot's mark in the source, hexadecimal; `None` if no mark could be left
    nonce: str | None
    #: `pg_current_snapshot()` of the reading transaction
    snapshot: str
    #: rows of each table that holds the chunk, as they are stored; `None` if nobody could tell
    tuples: tuple[int, ...] | None
    #: order-independent hash of all rows, where `tuples` are not known; see `source.state.fence`
    content_hash: str | None
    #: every table of the chunk: itself, and of a partition that is partitioned again each table below it
    tables: tuple[TableIdentity, ...]
    #: the hypertable; `None` if nobody noted which table that is
    hypertable: TableIdentity | None = None
