"""What a Parquet file's footer says of the values of its columns, for the log of the table that the file enters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from archival_core.model.chunks.moment import DAY
from archival_core.model.lake.file_statistics import Bounds, bounds_of, has_bounds, widest_bounds

#: The writer leaves texts out of a footer that are longer than 4,096 bytes.
_LONG_BYTES: Final = 4000


class BoundsMeter:
    """Measures what the footer lacks: how many values are NULL in columns that have no statistics, and long texts."""

    def __init__(self, schema: pa.Schema) -> None:
        self._forms = {field.name: str(field.type) for field in schema if has_bounds(str(field.type))}
        self._nulls: Counter[str] = Counter()
        self._texts: dict[str, list[str]] = {}

    def add(self, group: pa.Table) -> None:
        """Add a row group."""
        for name, form in self._forms.items():
            column = group.column(name)
            self._nulls[name] += column.null_count
            if form == "string" and (pc.max(pc.binary_length(column)).as_py() or 0) > _LONG_BYTES:
                found = pc.min_max(column).as_py()
                self._texts.setdefault(name, []).extend((found["min"], found["max"]))

    def bounds(self, footer: pq.FileMetaData, corrected: Collection[str]) -> dict[str, Bounds]:
        """The bounds of each column that has some, by its name; those of its form for each of `corrected`."""
        found: dict[str, Bounds] = {}
        for index in range(footer.num_columns):
            name = footer.schema.column(index).path
            form = self._forms.get(name)
            if form is None:
                continue
            nulls = self._nulls[name]
            values = [*self._values(footer, index, form), *self._texts.get(name, [])]
            if name in corrected:
                found[name] = widest_bounds(form, nulls)
            elif nulls == footer.num_rows:
                found[name] = (None, None, nulls)
            elif values and None not in values:
                found[name] = bounds_of(_number(min(values), form), _number(max(values), form), form, nulls)
        return found

    def _values(self, footer: pq.FileMetaData, index: int, form: str) -> Iterator[Any]:
        """The bounds of each row group; `None` where one has values and no bounds."""
        for number in range(footer.num_row_groups):
            leaf = footer.row_group(number).column(index)
            said = leaf.statistics
            if said is not None and said.has_min_max:
                yield from (
                    (said.min, said.max) if form == "string" or form.startswith("decimal") else (said.min_raw, said.max_raw)
                )
            elif (said is None or said.num_values) and leaf.path_in_schema not in self._texts:
                yield None


def _number(value: Any, form: str) -> int | str:
    if form == "string":
        return str(value)
    if form.startswith("decimal"):
        return format(value, "f")
    return int(value) * DAY if form == "date32[day]" else int(value)
