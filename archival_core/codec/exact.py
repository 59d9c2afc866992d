"""PostgreSQL's texts of values that a column's form does not hold, as a file has them: column `_archival_exact`.

Outside of files each corrected column has a column of texts beside it (`model.lake.lake_column.text_of`), NULL where the value
itself is exact. In a file all of them are one map of column to text, NULL for a row that needs no correction.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from archival_core.model.lake.lake_column import EXACT, EXACT_NUMBER, text_of

FIELD: Final = pa.field(EXACT, pa.map_(pa.string(), pa.string()), metadata={"PARQUET:field_id": str(EXACT_NUMBER)})


def in_order(schema: pa.Schema, exact: Collection[str]) -> list[str]:
    """The columns of `exact`, in the order of `schema`."""
    return [name for name in schema.names if name in exact]


def corrected(table: pa.Table, schema: pa.Schema) -> set[str]:
    """The columns of `schema` of which `table` has a value that is not exact."""
    names = [name for name in schema.names if text_of(name) in table.column_names]
    return {name for name in names if (texts := table.column(text_of(name))).null_count < len(texts)}


def with_texts(table: pa.Table, schema: pa.Schema, exact: Collection[str]) -> pa.Table:
    """`table` with the columns of `schema`, and texts for those of `exact`: NULL for all rows where it has none."""
    arrays = [table.column(name) for name in schema.names]
    names = in_order(schema, exact)
    for name in names:
        has_texts = text_of(name) in table.column_names
        arrays.append(table.column(text_of(name)) if has_texts else pa.nulls(table.num_rows, pa.string()))
    fields = [*schema, *(pa.field(text_of(name), pa.string()) for name in names)]
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields, table.schema.metadata))


def as_map(table: pa.Table, exact: Sequence[str]) -> pa.Table:
    """`table` as a file has it: the texts of `exact`, which it has in this order at its end, as one map."""
    if not exact:
        return table
    columns = [table.column(text_of(name)).combine_chunks() for name in exact]
    found = [np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False)) for column in columns]
    rows = np.concatenate(found)
    # stable, so that the texts of a row are in the order of the columns
    order = np.argsort(rows, kind="stable")
    keys = pa.array(exact, pa.string()).take(pa.array(np.repeat(np.arange(len(exact)), [len(at) for at in found])[order]))
    texts = pa.concat_arrays([column.drop_null() for column in columns]).take(pa.array(order))
    counts = np.bincount(rows, minlength=table.num_rows)
    offsets = np.zeros(table.num_rows + 1, np.int32)
    np.cumsum(counts, out=offsets[1:])
    maps = pa.MapArray.from_arrays(pa.array(offsets), keys, texts, FIELD.type, mask=pa.array(counts == 0))
    return table.drop_columns([text_of(name) for name in exact]).append_column(FIELD, maps)


def as_texts(batch: pa.RecordBatch, exact: Sequence[str]) -> pa.RecordBatch:
    """A batch of a file, whose last column is the map, with texts for each of `exact` instead.

    Raises `ValueError` where the map has another column, or one twice in a row.
    """
    if not exact:
        return batch
    maps = batch.column(batch.num_columns - 1)
    offsets = maps.offsets.to_numpy()
    keys, texts = (child.slice(offsets[0], offsets[-1] - offsets[0]) for child in (maps.keys, maps.items))
    rows = np.repeat(np.arange(batch.num_rows), np.diff(offsets))
    arrays, used = batch.columns[:-1], 0
    for name in exact:
        chosen = pc.equal(keys, name)
        of_rows = rows[chosen.to_numpy(zero_copy_only=False)]
        places = np.full(batch.num_rows, -1)
        places[of_rows] = np.arange(len(of_rows))
        used += int(np.count_nonzero(places >= 0))
        arrays.append(texts.filter(chosen).take(pa.array(places, mask=places < 0)))
    if used != len(keys):
        raise ValueError(f"{EXACT} has other columns than {', '.join(exact)}, or one twice in a row")
    return pa.RecordBatch.from_arrays(arrays, [*batch.schema.names[:-1], *map(text_of, exact)])
