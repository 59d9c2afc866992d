"""Files of one table never disagree about a column, and archives come back under the names of PostgreSQL."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq

from archival_core.model.lake.manifest import Manifest
from tests.contract.restore_support import Bench

TABLE = """
CREATE TABLE t ("a time" timestamptz NOT NULL, "Temp °C" float8, "temp °c" float8, _archival_exact int, tags text[])
PARTITION BY RANGE ("a time");
CREATE TABLE "p 1" PARTITION OF t FOR VALUES FROM ('2026-01-01Z') TO ('2026-02-01Z');
CREATE TABLE "p 2" PARTITION OF t FOR VALUES FROM ('2026-02-01Z') TO ('2026-03-01Z');
INSERT INTO t VALUES ('2026-01-02Z', 1.5, 2.5, 3, '{a,NULL}'), ('2026-02-02Z', 4.5, 5.5, 6, NULL);
"""


async def schema_of(bench: Bench, manifest: Manifest) -> pa.Schema:
    content = await bench.lake.read_all(f"{manifest.lake_path}/{manifest.parts[0].file}")
    return pq.read_schema(io.BytesIO(content))


async def test_columns_have_their_names_and_numbers_in_the_lake(bench: Bench) -> None:
    bench.execute(TABLE)
    manifest = await bench.archive("t", "p 1")
    assert manifest.lake_path.endswith(".t/" + f"{bench.schema}.p~201_r0")
    schema = await schema_of(bench, manifest)
    assert schema.names == ["a_x20_time", "Temp_x20__xb0_C", "temp_x20__xb0_c__2", "_archival_exact__2", "tags"]
    assert [int(field.metadata[b"PARQUET:field_id"]) for field in schema] == [1, 2, 3, 4, 5]
    names = ["a time", "Temp °C", "temp °c", "_archival_exact", "tags"]
    assert [field.metadata[b"postgresql.name"].decode() for field in schema] == names
    assert [column.name for column in manifest.columns] == names
    assert manifest.parts[0].digests.keys() == set(schema.names)


async def test_a_column_that_changes_goes_on_as_another_one_and_both_archives_come_back(bench: Bench) -> None:
    bench.execute(TABLE)
    first = await bench.archive("t", "p 1")
    bench.execute(
        'ALTER TABLE t RENAME "Temp °C" TO warmth',
        'ALTER TABLE t ALTER "temp °c" TYPE real',
        "ALTER TABLE t DROP tags, ADD tags text[], ADD n int DEFAULT 7",
    )
    second = await bench.archive("t", "p 2")
    schemas = [await schema_of(bench, manifest) for manifest in (first, second)]
    types = [{field.metadata[b"PARQUET:field_id"]: (field.name, field.type) for field in schema} for schema in schemas]
    shared = types[0].keys() & types[1].keys()
    assert all(types[0][number] == types[1][number] for number in shared)
    assert schemas[1].names == [
        "a_x20_time", "warmth", "temp_x20__xb0_c__3", "_archival_exact__2", "tags__2", "n",
    ]  # fmt: skip
    assert [column.default for column in second.columns][-1] == "7"
    before = bench.rows('"p 2"')
    bench.execute('DROP TABLE "p 2"')
    await bench.restore(second)
    assert bench.rows('"p 2"') == before
    await bench.restore(first, into="earlier")
    assert bench.query("SELECT * FROM earlier")[0][1:] == (1.5, 2.5, 3, ["a", None])
