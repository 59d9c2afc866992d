"""Archives for the tests of restores, made by the service's own steps, and an independent look at tables."""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from archival_core.clients.postgres.database import Database
from archival_core.codec.layout import Profile
from archival_core.errors import ArchivalError
from archival_core.flows.archive.part_archiver import PartArchiver
from archival_core.flows.archive.reading import ChunkDescription, Reading
from archival_core.flows.restore.chunk_restore import ChunkRestorer, Restored, RestoreWish, Worker
from archival_core.lake import paths
from archival_core.lake.client import LakehouseClient
from archival_core.model.chunks.chunk import ChunkRange, Relation, quote_identifier
from archival_core.model.jobs.job import Job, Kind, Status
from archival_core.model.lake.manifest import Manifest, ManifestPart
from archival_core.source.state.snapshot.snapshot import ReadSnapshot
from archival_core.source.state.snapshot.waiting import Sessions
from tests.kit.lake_schemas import lake_schema

PINNED = "-c timezone=UTC -c datestyle=ISO,YMD -c intervalstyle=postgres -c bytea_output=hex -c row_security=off"


@dataclass
class Bench:
    """One database and one lake, with independent hands on the database."""

    url: str
    schema: str
    lake: LakehouseClient
    #: of the ledger, if it is not in `url`
    ledger: str | None = None
    #: hexadecimal, of the restores so far
    jobs: set[str] = field(default_factory=set)

    def execute(self, *statements: str) -> None:
        """Each by itself; the schema is on the search path."""
        with psycopg.connect(self.url, autocommit=True, options=f"{PINNED} -c search_path={self.schema},public") as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True, options=f"{PINNED} -c search_path={self.schema},public") as connection:
            return connection.execute(statement.encode()).fetchall()

    def plain(self, statement: str) -> Any:
        """The one value of a query under the server's own settings."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            row = connection.execute(statement.encode()).fetchone()
        assert row is not None
        return row[0]

    def rows(self, table: str) -> Counter[str]:
        """The rows as PostgreSQL prints them, and how often each is there; `table` is SQL."""
        return Counter(text for (text,) in self.query(f"SELECT t::text FROM {table} t"))

    def staging(self) -> list[str]:
        """Staging tables that restores have left."""
        query = "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace('archival_restore') AND relkind = 'r'"
        return [name for (name,) in self.query(query) if name.partition("_")[0] in self.jobs]

    async def archive(
        self, table: str, chunk: str, *, schema: str | None = None, part_bytes: int = 2**28, profile: Profile = "fast"
    ) -> Manifest:
        """Archive `chunk` of `table`, both names as the catalog has them."""
        job = Job(
            uuid.uuid4(), Kind.ARCHIVE, Relation(self.schema, table), Relation(schema or self.schema, chunk),
            ChunkRange(None, None), Status.RUNNING, 1, 0, True, None, "test", datetime.now(UTC),
        )  # fmt: skip
        database = Database(self.url)
        async with database.connect() as connection, lake_schema(self.ledger or self.url) as tables:
            described = await ChunkDescription.of(connection, job)
            async with ReadSnapshot(connection, described.chunk) as snapshot:
                reading = await Reading.begin(connection, snapshot, described, tables, profile, part_bytes)
                done = await self._parts(reading, snapshot.snapshot_id, job)
            reading.check_total(done.values())
            return reading.manifest(job, done, ())

    async def _parts(self, reading: Reading, snapshot_id: str, job: Job) -> dict[int, ManifestPart]:
        folder = paths.archive_folder(job.hypertable, job.chunk, job.revision)
        archiver = PartArchiver(self.lake, self.url, snapshot_id, Sessions(), reading.form, job)
        return {
            number: await archiver.archive(number, part, paths.part_path(folder, number))
            for number, part in enumerate(reading.ranges)
        }

    async def restore(self, manifest: Manifest, attempt: int = 1, job_id: uuid.UUID | None = None, **wish: Any) -> Restored:
        """As a worker does it."""
        if isinstance(wish.get("into"), str):
            wish["into"] = Relation(self.schema, wish["into"])
        job_id = job_id or uuid.uuid4()
        self.jobs.add(job_id.hex)
        record = {"record": wish.pop("record")} if "record" in wish else {}
        restorer = ChunkRestorer(Database(self.url), self.lake)
        return await restorer.restore(Worker(job_id, attempt, uuid.uuid4()), manifest, RestoreWish(**wish), **record)


def quoted(*names: str) -> str:
    """A qualified name as SQL."""
    return ".".join(map(quote_identifier, names))


READINGS = """
CREATE TABLE readings (
    time timestamptz NOT NULL, id bigint GENERATED ALWAYS AS IDENTITY, device text, value numeric(8, 2),
    doubled numeric GENERATED ALWAYS AS (value * 2) STORED, PRIMARY KEY (time, id)
) PARTITION BY RANGE (time);
CREATE TABLE jan PARTITION OF readings FOR VALUES FROM ('2026-01-01 00:00+00') TO ('2026-02-01 00:00+00');
CREATE TABLE feb PARTITION OF readings FOR VALUES FROM ('2026-02-01 00:00+00') TO ('2026-03-01 00:00+00');
INSERT INTO readings (time, device, value)
SELECT timestamptz '2026-01-01 00:00+00' + i * interval '10 minutes', 'dev ' || i % 5, i / 100.0
FROM generate_series(0, 5999) i;
"""


JANUARY = "SELECT count(*) FROM readings WHERE time < '2026-02-01 00:00+00'"


async def refused(bench: Bench, manifest: Manifest, **wish: Any) -> str:
    """The code of the error, and that nothing came of it."""
    before = bench.rows("readings") if wish.get("table", True) else None
    wish.pop("table", None)
    job_id = uuid.uuid4()
    with pytest.raises(ArchivalError) as caught:
        await wish.pop("by", bench).restore(manifest, job_id=job_id, **wish)
    assert not [name for name in bench.staging() if name.startswith(job_id.hex)]
    if before is not None:
        assert bench.rows("readings") == before
    return caught.value.code
