"""What the lake's tables hold, as their logs say: folders of superseded archives lie there for a while longer."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service


async def files_in_tables(service: Service) -> list[Path]:
    """Every file that is in a table, once all that has changed is committed."""
    report = await service.runtime.table_commits.run(timedelta(minutes=1))
    assert report.failed == {}
    tables = [log.parent for log in sorted((service.lake / "tables").glob("*/_delta_log"))]
    return [table / path for table in tables for path in DeltaTable(table).get_add_actions()["path"].to_pylist()]


async def rows_in_tables(service: Service) -> pa.Table:
    """Their rows together, in the columns of the first file."""
    return ds.dataset([str(file) for file in await files_in_tables(service)]).to_table()
