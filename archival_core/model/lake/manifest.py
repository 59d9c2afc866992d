"""The manifest: what was archived, completely. The lake alone is enough to rebuild the ledger."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from archival_core.errors import PermanentError
from archival_core.model.chunks.grounds import Grounds, TableIdentity
from archival_core.model.lake.lake_column import EXACT_NUMBER, LakeColumn

#: A manifest may come out of a lake that others can write to: what it names is always inside the lake's own folders.
ArchiveFolder = Annotated[str, StringConstraints(pattern=r"^tables/[\w~%-][\w.~%-]*/[\w~%-][\w.~%-]*$")]
PartFile = Annotated[str, StringConstraints(pattern=r"^part-\d{5,}\.parquet$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class ManifestSource(_Part):
    """Which database it came from: guards against a fork or a restored copy."""

    system_identifier: str
    database: str
    server_version: str
    timescaledb_version: str | None
    #: of the write-ahead log
    timeline: str | None = None


class ManifestColumn(_Part):
    """One column, in the hypertable's order."""

    name: str
    postgresql_type: str
    arrow_type: str
    not_null: bool
    #: how PostgreSQL filled it by itself: `stored`, `virtual`, `identity always`, `identity by default`
    generated: str | None = None
    #: `attnum` in the hypertable
    number: int = 0
    #: of the column in the table's schema in the lake: its number, which is the field id in the files, and its name there.
    #: 0 and `None` in archives of before tables had a schema
    lake_number: Annotated[int, Field(ge=0, lt=EXACT_NUMBER)] = 0
    lake_name: str | None = None
    #: PostgreSQL's text of what rows have that were stored before the column was added
    default: str | None = None

    @property
    def stored(self) -> str:
        """The column's name in the archive's files."""
        return self.name if self.lake_name is None else self.lake_name


class ManifestPart(_Part):
    """One Parquet file of the archive."""

    file: PartFile
    rows: int
    #: length of the file
    bytes: int
    #: SHA-256 of the file, hexadecimal
    sha256: str
    #: of the time column, as Parquet has it: microseconds since 1970, or the integer or text itself
    min_time: int | str | None
    max_time: int | str | None
    #: by column as the file names it, and by the texts of corrected columns: digest of its values in the file's order, see
    #: `codec.digest`
    digests: dict[str, str]
    #: by corrected column as the file names it: in how many rows `_archival_exact` has PostgreSQL's text in place of its value
    exact: dict[str, int] = {}
    #: by column as the file names it: least and greatest value as the log of the table has them, decimals as text, texts with
    #: JSON's escapes, and how many are NULL; see `model.lake.file_statistics`. Archives of earlier releases have none, and the
    #: hashes of their manifests stay as they are
    bounds: dict[str, tuple[int | str | None, int | str | None, int]] = Field(default={}, exclude_if=lambda bounds: not bounds)


def invalid_in_ledger(error: ValidationError, whose: object) -> PermanentError:
    """The error of an archive of whose manifest the ledger's copy cannot be read; `whose` names the archive."""
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(map(str, first["loc"]))
    return PermanentError(
        f"the ledger's copy of the manifest of {whose} is no manifest ({place}: {first['msg']})", code="invalid-manifest"
    )


class Manifest(_Part):
    """Written once, after the archive is published; never changed."""

    version: Literal[1] = 1
    job_id: str
    attempt: int
    revision: int
    hypertable: str
    chunk: str
    #: of the chunk's table in the catalog
    relation_oid: int = 0
    #: number of the transaction that made the table: with the oid it names a table that never comes again
    relation_born: str | None = None
    kind: Literal["timescaledb", "native"]
    time_column: str
    time_type: str
    range_start: str | None
    range_end: str | None
    was_compressed: bool
    source: ManifestSource
    #: SQL that recreates the hypertable
    ddl: str
    columns: tuple[ManifestColumn, ...]
    rows: int
    #: of the time column, exact text as PostgreSQL prints it in UTC; `None` when there are no rows
    min_time: str | None
    max_time: str | None
    #: `pg_current_snapshot()` of the reading transaction
    snapshot: str
    #: of the snapshot's mark in the source, hexadecimal: whoever finds the mark is in a history that has all that the
    #: snapshot saw
    nonce: str | None = None
    #: the hypertable's own table: a table that was dropped and made again under the same name is another one
    hypertable_table: TableIdentity | None = None
    #: every table in which the chunk's rows lay
    tables: tuple[TableIdentity, ...] = ()
    #: rows of each table that held the chunk, as they were stored; `None` if its version of TimescaleDB does not tell
    tuples: tuple[int, ...] | None = None
    #: order-independent hash of all rows, where `tuples` are not known; see `source.state.fence`
    content_hash: str | None = None
    #: `lake_path` of the archives whose place this one takes
    supersedes: tuple[ArchiveFolder, ...] = ()
    source_bytes: int
    parquet_bytes: int
    lake_path: ArchiveFolder
    parts: tuple[ManifestPart, ...]
    #: the database's clock
    archived_at: datetime
    tools: dict[str, str]

    @classmethod
    def of_ledger(cls, content: Mapping[str, Any] | None, whose: object) -> Self:
        """The ledger's copy, of the archive `whose`. Raises `PermanentError`: `no-manifest`, `invalid-manifest`."""
        if content is None:
            raise PermanentError(f"job {whose} has no manifest in the ledger", code="no-manifest")
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            raise invalid_in_ledger(error, whose) from error

    def grounds_since(self, proof: dict[str, Any] | None) -> Grounds:
        """What a removal compares with: `proof`, the grounds of the last comparison of the whole archive, or else `grounds`."""
        return self.grounds if proof is None else Grounds.model_validate(proof)

    @property
    def grounds(self) -> Grounds:
        """What the reading of the chunk saw."""
        return Grounds(
            system_identifier=self.source.system_identifier,
            database=self.source.database,
            nonce=self.nonce,
            snapshot=self.snapshot,
            tuples=self.tuples,
            content_hash=self.content_hash,
            tables=self.tables,
            hypertable=self.hypertable_table,
        )

    @property
    def stored_time_column(self) -> str:
        """The name of the time column in the archive's files."""
        return next((column.stored for column in self.columns if column.name == self.time_column), self.time_column)

    @property
    def corrected(self) -> frozenset[str]:
        """Columns, as the files name them, that have values whose text is in `_archival_exact`."""
        return frozenset(name for part in self.parts for name in part.exact)

    @property
    def lake_columns(self) -> tuple[LakeColumn, ...]:
        """The columns of the table in the lake that the archive has; none if it is of before tables had a schema."""
        return tuple(
            LakeColumn(
                column.lake_number,
                self.hypertable_table,
                column.number,
                column.name,
                column.stored,
                column.postgresql_type,
                column.arrow_type,
                column.default,
                since=self.archived_at,
            )
            for column in self.columns
            if column.lake_number
        )

    def sha256(self) -> str:
        """Hexadecimal digest of the file's content."""
        return hashlib.sha256(self.to_json()).hexdigest()

    def to_json(self) -> bytes:
        """The file's content: indented for people, ends with a newline.

        What an earlier version of the service has written comes out as it was read, without the fields that it did not know:
        marks and ledger know the manifest by the hash of these bytes.
        """
        return self.model_dump_json(indent=2, exclude_unset=True).encode() + b"\n"
