"""Questions to a service under test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from archival_core.clients.postgres.database import Database
from archival_core.lake.arrow_files import arrow_files
from archival_core.ledger.archives.standing import StandingArchives
from archival_core.ledger.tables.lake_columns import LakeColumns
from archival_core.query.archives import Ledgers
from archival_core.query.queries import Answer, Queries

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service


def queries_of(service: Service, **options: Any) -> Queries:
    """As the service's own, whatever its settings say."""
    settings = service.runtime.settings
    return Queries(
        Database(settings.source_database_url),
        service.runtime.lake,
        Ledgers(StandingArchives(service.runtime._pool), LakeColumns(service.runtime._pool)),
        lambda: arrow_files(settings.lake_url, settings.lake_account_key),
        **options,
    )


def table_of(reader: pa.RecordBatchReader, _: Sequence[str]) -> pa.Table:
    return reader.read_all()


async def asked(queries: Queries, sql: str, **options: Any) -> Answer[pa.Table]:
    return await queries.ask(sql, table_of, **options)
