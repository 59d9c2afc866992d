"""The connections of one process to other systems."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from archival_core.clients.credentials import token_source
from archival_core.clients.postgres.database import ENTRA_SCOPE, Database
from archival_core.clients.queue import QueueClient
from archival_core.clients.redis.credentials import REDIS_SCOPE
from archival_core.clients.redis.messaging import MessagingClient
from archival_core.flows.jobs.dependencies import Probe
from archival_core.lake.account import LakeAccount
from archival_core.lake.client import LakehouseClient
from archival_core.lake.tables.snapshot import TableReader
from archival_core.ledger.pool import LedgerPool
from archival_core.ledger.probe import LedgerProbe
from archival_core.model.jobs.job import Kind
from archival_core.settings import Settings
from archival_core.source.beside import Beside
from archival_core.source.reading_sessions import ReadingSessions


class Connections:
    """Opening connects to nothing; each connects when it is first used, inside the running loop."""

    def __init__(self, config: Settings) -> None:
        token = token_source(ENTRA_SCOPE, "source")
        self._source = Database(config.source_database_url, token)
        self._beside, self._readings = Beside(self._source), ReadingSessions(self._source)
        self._pool = LedgerPool(Database(config.ledger_url, token, dependency="ledger"))
        self.lake = LakehouseClient.open(config.lake_url, config.lake_account_key)
        self._lake_account = LakeAccount.open(config.lake_url, config.lake_account_key)
        self._table_reader = TableReader(config.lake_url, config.lake_account_key)
        self.messaging = MessagingClient.open(
            config.redis_url,
            events=config.events_stream,
            group=config.events_group,
            results=config.results_stream,
            dead=config.dead_stream,
            token=token_source(REDIS_SCOPE, "redis"),
        )
        names = (config.archive_queue, config.restore_queue)
        self.queue, self.restore_queue, *self._poisoned = (
            QueueClient.open(name, connection_string=config.storage_connection, service_url=config.queue_service_url)
            # the host gives the queues of poisoned messages their names
            for name in (*names, *(f"{name}-poison" for name in names))
        )
        shared = (config.part_queue, config.removal_queue, config.verify_queue)
        self._shared = {
            name: QueueClient.open(name, connection_string=config.storage_connection, service_url=config.queue_service_url)
            for name in (*shared, *(f"{name}-poison" for name in shared))
        }

    @property
    def _queues(self) -> dict[Kind, QueueClient]:
        return {Kind.ARCHIVE: self.queue, Kind.RESTORE: self.restore_queue}

    def probes(self) -> dict[str, Probe]:
        """One cheap question to each outside system, for the readiness check."""
        return {
            "source": self._source.prove_writable,
            "ledger": LedgerProbe(self._pool).prove_writable,
            "redis": self.messaging.prove_writable,
            "queue": self.queue.ping,
            "lake": self.lake.ensure_filesystem,
        }

    async def close(self) -> None:
        """Close every connection."""
        closing: Sequence[Callable[[], Awaitable[None]]] = (
            self._beside.close,
            self._readings.close,
            self._pool.close,
            self.messaging.close,
            self.queue.close,
            self.restore_queue.close,
            *(queue.close for queue in self._poisoned),
            *(queue.close for queue in self._shared.values()),
            self.lake.close,
            self._lake_account.close,
            self._table_reader.close,
        )
        await asyncio.gather(*(close() for close in closing), return_exceptions=True)
