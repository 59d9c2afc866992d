"""Worlds whose histories can be put back: a service, its source's disks, and its ledger where it is elsewhere."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
import pyarrow.dataset as ds
import pytest
from psycopg.rows import dict_row

from archival_core.errors import PermanentError, TransientError
from archival_core.flows.asking.restore_requests import RestoreRequest
from archival_core.flows.restore.chunk_restore import RestoreWish
from archival_core.model.chunks.chunk import ChunkRange, Relation
from tests.kit.copied_postgres import CopiedPostgres
from tests.kit.disks import Disks

if TYPE_CHECKING:
    from dev.lake_emulator import Emulator
    from tests.acceptance.conftest import Service

MINUTE = timedelta(minutes=1)
TABLE = """
create table $s.readings (time timestamptz not null, value bigint, note text) partition by range (time);
create table $s.jan partition of $s.readings for values from ('2026-01-01Z') to ('2026-02-01Z');
create table $s.feb partition of $s.readings for values from ('2026-02-01Z') to ('2026-03-01Z');
insert into $s.readings select t, extract(epoch from t)::bigint, 'note ' || t
from generate_series(timestamptz '2026-01-01Z', '2026-02-28Z', '1 hour') t;
"""
TABLES = ("jan", "feb")

#: A ledger elsewhere keeps what it knows when the source's disks are put back or a transaction in the source fails. A ledger
#: inside goes back with them, so that fewer mistakes show.
most_telling_apart = pytest.mark.parametrize("world", ["apart", pytest.param("inside", marks=pytest.mark.slow)], indirect=True)


@dataclass
class World:
    """A service whose source can be put back, and the ledger too where it is in a database of its own."""

    service: Service
    disks: Disks
    #: `None` where the ledger is in the source
    ledger_url: str | None

    def jobs(self) -> list[dict[str, Any]]:
        with psycopg.connect(self.ledger_url or self.service.url, row_factory=dict_row) as connection:
            return connection.execute(
                "select * from archival.job where kind = 'archive' order by chunk desc, requested_at"
            ).fetchall()

    def statuses(self) -> list[str]:
        return [job["status"] for job in self.jobs()]

    async def archive(self, *chunks: str, remove: bool | None = None) -> None:
        for chunk in chunks:
            schema = self.service.schema
            await self.service.publish(hypertable=f"{schema}.readings", chunk=f"{schema}.{chunk}", remove=remove)
        await self.work()

    async def work(self) -> None:
        """Every message, again and again until none is left."""
        await self.service.runtime.event_drain.drain()
        for _ in range(5):
            for message in self.service.messages():
                try:
                    await self.service.runtime.archival_processor.process(message)
                except TransientError:
                    await self.service.runtime.queue.send([message])
                except PermanentError as error:
                    # a ledger inside was put back to before the job; the host would make poison of the message
                    assert error.code == "unknown-job"

    async def remove(self) -> Any:
        return await self.service.runtime.chunk_removal.remove_due(MINUTE)

    async def restore(self) -> None:
        table = Relation(self.service.schema, "readings")
        wish = RestoreRequest(table, None, ChunkRange(None, None), RestoreWish(), str(uuid4()), "a test")
        await self.service.runtime.restore_requests.request(wish)
        assert await self.service.restore() == []

    async def reconcile(self) -> Any:
        """What a few runs of reconcile make of it."""
        report = await self.service.runtime.reconciler.reconcile(MINUTE)
        assert report.failed == {}
        for _ in range(2):
            await self.service.runtime.reconciler.reconcile(MINUTE)
        return report

    def live(self) -> list[str]:
        return sorted(text for (text,) in self.service.rows("select r::text from $s.readings r"))

    def archived(self, *statuses: str) -> list[str]:
        """Rows of archives in one of these states, as the database printed them."""
        return sorted(row for job in self.jobs() if job["status"] in statuses for row in self.rows_of(job))

    def rows_of(self, archive: dict[str, Any]) -> list[str]:
        """The rows of an archive, by its row of the ledger."""
        folder = self.service.lake / archive["lake_path"]
        return [_printed(row) for row in ds.dataset(folder, format="parquet").to_table().to_pylist()]

    def whole(self) -> list[str]:
        """What there is: live rows, and archives that stand in for rows, each as often as it is there."""
        return sorted(self.live() + self.archived("removed"))

    async def put_ledger_back(self, saved: str) -> None:
        await self.service.runtime._pool.close()
        self._on_server(f"drop database {self._ledger} with (force)", f"create database {self._ledger} template {saved}")

    async def save_ledger(self) -> str:
        await self.service.runtime._pool.close()
        saved = f"saved_{uuid4().hex[:10]}"
        self._on_server(f"create database {saved} template {self._ledger}")
        return saved

    @property
    def _ledger(self) -> str:
        assert self.ledger_url is not None
        return urlsplit(self.ledger_url).path.strip("/")

    def _on_server(self, *statements: str) -> None:
        assert self.ledger_url is not None
        maintenance = urlunsplit(urlsplit(self.ledger_url)._replace(path="/postgres"))
        with psycopg.connect(maintenance, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())


def _printed(row: dict[str, Any]) -> str:
    """A row as PostgreSQL prints it."""
    note = f'"{row["note"]}"' if " " in row["note"] else row["note"]
    return f'("{row["time"]:%Y-%m-%d %H:%M:%S}+00",{row["value"]},{note})'


async def open_world(
    others: tuple[str, str, Emulator], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ledger_url: str | None
) -> AsyncIterator[World]:
    from tests.acceptance.conftest import open_service

    with CopiedPostgres(tmp_path / "source") as server:
        if ledger_url:
            monkeypatch.setenv("LEDGER_DATABASE_URL", ledger_url)
        monkeypatch.setenv("REMOVAL_POLICY", "drop")
        monkeypatch.setenv("REMOVAL_GRACE", "PT0S")
        monkeypatch.setenv("ARCHIVE_PART_BYTES", "16384")
        service_of = open_service(server.url, *others, monkeypatch)
        service: Service = await anext(service_of)
        try:
            service.execute(TABLE)
            await service.runtime.ledger.ping()
            yield World(service, Disks(server, tmp_path / "backup"), ledger_url)
        finally:
            with pytest.raises(StopAsyncIteration):
                await anext(service_of)
