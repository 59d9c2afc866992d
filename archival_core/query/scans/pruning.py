"""Files that are not opened, because the range of their times holds no row for a filter."""

from __future__ import annotations

import pyarrow as pa

from archival_core.query.archives.archive import ArchivedFile
from archival_core.query.scans.predicate import Predicate, range_of


def counts_time(kind: pa.DataType) -> bool:
    """Whether values of a time column of this type are numbers, in the units that manifests have."""
    return bool(pa.types.is_integer(kind) or pa.types.is_timestamp(kind) or pa.types.is_date32(kind))


def may_hold(file: ArchivedFile, time_column: str | None, predicate: Predicate | None) -> bool:
    """Whether the file may have rows for which `predicate` holds; `time_column` is `None` where times are no numbers."""
    if not file.rows:
        return False
    if time_column is None or file.min_time is None or file.max_time is None:
        return True
    low, high = range_of(predicate, time_column)
    return (low is None or file.max_time >= low) and (high is None or file.min_time <= high)
