"""Restores into natively partitioned tables: partitions, names, what was damaged, and rights."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from archival_core.errors import PermanentError, TransientError
from archival_core.flows.restore.archive_loader import ArchiveLoader
from archival_core.source.restore.loading.load import Loading
from dev.lake_emulator import Emulator
from tests.contract.restore_support import READINGS, Bench, quoted, refused


async def test_a_partition_that_is_gone_is_made_again(bench: Bench) -> None:
    bench.execute(READINGS)
    before, bounds = (
        bench.rows("readings"),
        bench.query("SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = 'jan'"),
    )
    manifest = await bench.archive("readings", "jan", part_bytes=8 * 8192)
    assert len(manifest.parts) > 3
    bench.execute("DROP TABLE jan")
    restored = await bench.restore(manifest)
    assert (restored.inserted, restored.is_new) == (4464, False)
    assert bench.rows("readings") == before
    assert (
        bench.query(f"SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE oid = '{bench.schema}.jan'::regclass") == bounds
    )
    # it is a full member of the table: it has its index, and the rows that come next have numbers of their own
    bench.execute("INSERT INTO readings (time, value) VALUES ('2026-01-07 00:00+00', 1)")
    assert bench.query("SELECT max(id) FROM jan") == [(6001,)]
    assert bench.query("SELECT count(*) FROM pg_index WHERE indrelid = 'jan'::regclass AND indisvalid") == [(1,)]


async def test_a_table_of_its_own(bench: Bench) -> None:
    bench.execute(READINGS)
    before = bench.rows("jan")
    manifest = await bench.archive("readings", "jan")
    february = await bench.archive("readings", "feb")
    name = 'own "table" % ä.' + "x" * 40
    restored = await bench.restore(manifest, into=name)
    assert (restored.is_new, restored.inserted) == (True, 4464)
    own = quoted(bench.schema, name)
    assert bench.rows(own) == before
    assert (await bench.restore(manifest, into=name)).inserted == 0
    # several archives may go into one
    assert (await bench.restore(february, into=name)).inserted == 1536
    assert bench.rows(own) == bench.rows("readings")
    columns = "SELECT attname, format_type(atttypid, atttypmod), attnotnull, attgenerated FROM pg_attribute"
    assert bench.query(f"{columns} WHERE attrelid = '{own}'::regclass AND attnum > 0")[3:] == [
        ("value", "numeric(8,2)", False, ""),
        ("doubled", "numeric", False, ""),
    ]
    bench.execute(f"ALTER TABLE {own} ALTER COLUMN device TYPE varchar(20)", f"ALTER TABLE {own} DROP COLUMN value")
    with pytest.raises(PermanentError, match=r"'device' was text and is character varying.*'value' is gone") as caught:
        await bench.restore(manifest, into=name)
    assert caught.value.code == "columns-differ"
    bench.execute("CREATE VIEW view AS SELECT * FROM readings")
    assert await refused(bench, manifest, into="view") == "another-table"


async def test_names_and_ranges_that_are_taken(bench: Bench) -> None:
    bench.execute(READINGS)
    before = bench.rows("readings")
    manifest = await bench.archive("readings", "jan")
    bench.execute("DROP TABLE jan", "CREATE TABLE jan (a int)")
    assert await refused(bench, manifest) == "name-taken"
    bench.execute(
        "DROP TABLE jan",
        "CREATE TABLE jan PARTITION OF readings FOR VALUES FROM ('2027-01-01 00:00+00') TO ('2027-02-01 00:00+00')",
    )
    assert await refused(bench, manifest) == "name-taken"
    # another partition takes the rows, if it has room for all of them
    bench.execute(
        "DROP TABLE jan",
        "CREATE TABLE half PARTITION OF readings FOR VALUES FROM ('2026-01-01 00:00+00') TO ('2026-01-09 00:00+00')",
    )
    assert await refused(bench, manifest) == "target-refuses"
    bench.execute(
        "DROP TABLE half",
        "CREATE TABLE more PARTITION OF readings FOR VALUES FROM ('2025-01-01 00:00+00') TO ('2026-02-01 00:00+00')",
    )
    await bench.restore(manifest)
    assert bench.rows("readings") == before == bench.rows("more") + bench.rows("feb")


async def test_a_range_that_is_taken_while_the_rows_are_loaded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.execute(READINGS)
    before = bench.rows("readings")
    manifest = await bench.archive("readings", "jan")
    bench.execute("DROP TABLE jan")
    load = ArchiveLoader.load

    async def slow_load(loader: ArchiveLoader) -> None:
        await load(loader)
        bench.execute(
            "CREATE TABLE more PARTITION OF readings FOR VALUES FROM ('2025-01-01 00:00+00') TO ('2026-02-01 00:00+00')"
        )

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(ArchiveLoader, "load", slow_load)
        with pytest.raises(TransientError) as caught:
            await bench.restore(manifest)
    assert caught.value.code == "source-changed"
    assert not bench.rows("more")
    await bench.restore(manifest)
    assert bench.rows("readings") == before == bench.rows("more") + bench.rows("feb")


async def test_a_default_partition(bench: Bench) -> None:
    bench.execute(READINGS, "CREATE TABLE rest PARTITION OF readings DEFAULT")
    before = bench.rows("readings")
    manifest = await bench.archive("readings", "jan")
    bench.execute("DROP TABLE jan")
    await bench.restore(manifest)
    assert bench.rows("readings") == before
    bench.execute("DROP TABLE jan", "INSERT INTO readings (time, value) VALUES ('2026-01-05 00:00+00', 5)")
    assert await refused(bench, manifest) == "would-double"
    assert await refused(bench, manifest, beside=True) == "target-refuses"


async def test_no_row(bench: Bench) -> None:
    bench.execute(READINGS, "TRUNCATE jan")
    before = bench.rows("readings")
    manifest = await bench.archive("readings", "jan")
    bench.execute("DROP TABLE jan")
    assert (await bench.restore(manifest)).inserted == 0
    assert bench.rows("readings") == before
    assert bench.rows("jan") == {}
    bench.execute("INSERT INTO readings (time, value) VALUES ('2026-01-05 00:00+00', 5)")
    assert (await bench.restore(manifest)).inserted == 0
    assert (await bench.restore(manifest, into="own")).is_new


async def test_an_archive_that_is_damaged(bench: Bench, emulator: Emulator) -> None:
    bench.execute(READINGS)
    manifest = await bench.archive("readings", "jan")
    bench.execute("DROP TABLE jan")
    [part] = manifest.parts
    for wrong in ({"rows": part.rows - 1}, {"digests": {**part.digests, "value": "other"}}, {"min_time": 5}):
        altered = manifest.model_copy(update={"parts": (part.model_copy(update=wrong),)})
        assert await refused(bench, altered) == "archive-damaged"
    altered = manifest.model_copy(update={"parts": (part, part)})
    assert await refused(bench, altered) == "staging-lost"
    file = emulator.root / "lake" / manifest.lake_path / part.file
    content = bytearray(file.read_bytes())
    for position in (len(content) // 3, len(content) - 3):
        content[position] ^= 1
        file.write_bytes(content)
        assert await refused(bench, manifest) == "archive-damaged"
    file.unlink()
    assert (await refused(bench, manifest)).startswith("lake-")


@pytest.mark.parametrize(
    "change", ["UPDATE {} SET c2 = 'x' WHERE c1 = 7", "DELETE FROM {} WHERE c1 = 7", "INSERT INTO {} DEFAULT VALUES"]
)
async def test_a_copy_that_is_not_the_archive(bench: Bench, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    bench.execute(READINGS)
    manifest = await bench.archive("readings", "jan")
    bench.execute("DROP TABLE jan")
    append = Loading.append

    def append_and_change(self: Loading, batches: Any) -> int:
        rows = append(self, batches)
        self._execute(change.format(self._staging.relation.sql))
        return rows

    monkeypatch.setattr(Loading, "append", append_and_change)
    assert await refused(bench, manifest) == "restore-differs"


async def test_staging_that_was_lost(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.execute(READINGS)
    before = bench.rows("readings")
    manifest = await bench.archive("readings", "jan")
    bench.execute("DROP TABLE jan")
    load = ArchiveLoader.load
    change = "TRUNCATE"

    async def load_and_lose(self: ArchiveLoader) -> None:
        await load(self)
        bench.execute(f"{change} {self.staging.relation.sql}")

    monkeypatch.setattr(ArchiveLoader, "load", load_and_lose)
    assert await refused(bench, manifest) == "staging-lost"
    monkeypatch.undo()
    await bench.restore(manifest)
    assert bench.rows("readings") == before


@pytest.fixture
def worker(bench: Bench) -> Iterator[Bench]:
    """The same bench by the hands of a user who has what a restore needs, and no more."""
    role, own = f"worker_{uuid.uuid4().hex[:12]}", "archival_restore"
    bench.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'p'", f"GRANT USAGE ON SCHEMA {bench.schema} TO {role}")
    bench.execute(f"ALTER SCHEMA {own} RENAME TO {own}_aside") if bench.plain(f"SELECT to_regnamespace('{own}')") else None
    address = urlsplit(bench.url)
    url = address._replace(netloc=f"{role}:p@{address.netloc.rpartition('@')[2]}").geturl()
    yield Bench(url, bench.schema, bench.lake, jobs=bench.jobs)
    bench.execute(f"DROP OWNED BY {role} CASCADE", f"DROP ROLE {role}")
    bench.execute(f"ALTER SCHEMA {own}_aside RENAME TO {own}") if bench.plain(
        f"SELECT to_regnamespace('{own}_aside')"
    ) else None


async def test_least_privileges(bench: Bench, worker: Bench) -> None:
    role = urlsplit(worker.url).username
    bench.execute(READINGS)
    before = bench.rows("readings")
    manifest = await bench.archive("readings", "jan")
    bench.execute("DELETE FROM jan")
    assert await refused(bench, manifest, by=worker) == "source-permission-denied"
    bench.execute(f"GRANT SELECT, INSERT ON readings TO {role}")
    with pytest.raises(PermanentError, match="archival_restore"):
        await worker.restore(manifest)
    bench.execute(f"GRANT CREATE ON DATABASE {bench.plain('SELECT quote_ident(current_database())')} TO {role}")
    assert (await worker.restore(manifest)).inserted == 4464
    assert bench.rows("readings") == before
    # rows that a policy hides would be doubled
    bench.execute(
        "ALTER TABLE readings ENABLE ROW LEVEL SECURITY",
        f"CREATE POLICY all_in ON readings TO {role} USING (false) WITH CHECK (true)",
    )
    with pytest.raises(PermanentError, match="BYPASSRLS"):
        await worker.restore(manifest)
    bench.execute("ALTER TABLE readings DISABLE ROW LEVEL SECURITY", "DROP TABLE jan")
    with pytest.raises(PermanentError, match="own"):
        await worker.restore(manifest)
    assert bench.rows("readings") == bench.rows("feb")
