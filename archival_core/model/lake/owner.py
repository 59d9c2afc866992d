"""The owner of a lake: one source database and one ledger. A copy of either would take the other's archives for its own."""

from __future__ import annotations

from uuid import UUID

from pydantic import BaseModel, ConfigDict


class Owner(BaseModel):
    """Whose archives a lake has; also the content of the lake's file `owner.json`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    #: of the ledger: random, so that two ledgers are never the same
    ledger: UUID
    #: host and port of the source, as the service connects to it
    host: str
    database: str

    def to_json(self) -> bytes:
        """The file's content."""
        return self.model_dump_json(indent=2).encode() + b"\n"

    def __str__(self) -> str:
        return f"database {self.database!r} on {self.host} with ledger {self.ledger}"
