"""What the lake's tables hold, as their logs say: folders of superseded archives lie there for a while longer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service


async def files_in_tables(service: Service) -> list[Path]:
    """Every file that is in a table, once all that has changed is committed."""
    # the ledger may have tables of other tests, whose lakes are others
    for hypertable in await service.runtime.table_commits._tables.due():
        if hypertable.startswith(f"{service.schema}."):
            await service.runtime.table_commits.commit(hypertable, wait=True)
    tables = [log.parent for log in sorted((service.lake / "tables").glob(f"{service.schema}.*/_delta_log"))]
    return [table / path for table in tables for path in DeltaTable(table).get_add_actions()["path"].to_pylist()]


async def rows_in_tables(service: Service) -> pa.Table:
    """Their rows together, in the columns of the first file."""
    return ds.dataset([str(file) for file in await files_in_tables(service)]).to_table()
