"""Questions to a service under test."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from archival_core.clients.postgres.database import Database
from archival_core.lake.arrow_files import arrow_files
from archival_core.ledger.archives.standing import StandingArchives
from archival_core.ledger.tables.lake_columns import LakeColumns
from archival_core.query.answer.answer import Collected
from archival_core.query.archives.archives import Ledgers
from archival_core.query.process.workers import Workers
from archival_core.query.queries import Queries

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

#: shared by tests, which ask one after the other
WORKERS = Workers()


def queries_of(service: Service, **options: Any) -> Queries:
    """As the service's own, whatever its settings say."""
    settings = service.runtime.settings
    return Queries(
        Database(settings.source_database_url),
        service.runtime.lake,
        Ledgers(StandingArchives(service.runtime._pool), LakeColumns(service.runtime._pool)),
        partial(arrow_files, settings.lake_url, settings.lake_account_key),
        **({"workers": WORKERS} | options),
    )


class Asked:
    """A result as Arrow has it, and what is said beside it."""

    def __init__(self, found: Collected) -> None:
        self.result: pa.Table = pa.ipc.open_stream(found.body).read_all() if found.body else pa.table({})
        self.cut, self.figures = found.answer.cut, found.answer.figures
        self.tables: Any = found.answer.tables


async def asked(queries: Queries, sql: str, **options: Any) -> Asked:
    return Asked(await queries.collected(sql, "arrow", **options))
