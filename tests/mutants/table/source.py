"""What the database holds, read in one snapshot, and whether it still holds that."""

from __future__ import annotations

from tests.mutants.mutation import Mutation

_FENCE = "contract/test_fence.py"
_NATIVE = "contract/test_source_native.py"
_STATE = "source/state/fence.py"

MUTATIONS = (
    Mutation(
        name="read-only-ledger-ends-a-job",
        file="clients/postgres.py",
        inside="translated",
        old="raise TransientError(",
        new="raise PermanentError(",
        tests=("acceptance/test_handing_over.py::test_a_ledger_that_can_only_be_read_for_a_moment_ends_no_job",),
    ),
    Mutation(
        name="rows-that-a-policy-hides",
        file="clients/postgres_settings.py",
        old='"row_security": "off"',
        new='"row_security": "on"',
        tests=("contract/test_reading_guards.py::test_rows_that_a_policy_hides_are_not_left_out",),
    ),
    Mutation(
        name="newer-rows-are-not-counted",
        file=_STATE,
        inside="_are_same",
        old="await _counts(conn, table, snapshot) for",
        new="((await _counts(conn, table, snapshot))[0], 0) for",
        guard="FENCE",
        tests=("contract/test_fence.py::test_a_change_is_noticed",),
    ),
    Mutation(
        name="rows-that-are-gone-are-not-counted",
        file=_STATE,
        inside="_are_same",
        old="await _counts(conn, table, snapshot) for table in tables] == [(count, 0) for count in tuples]",
        new="(await _counts(conn, table, snapshot))[1] for table in tables] == [0 for _ in tuples]",
        guard="FENCE",
        tests=("contract/test_fence.py::test_a_change_is_noticed",),
    ),
    Mutation(
        name="oldest-running-transaction-is-left-out",
        file=_STATE,
        old="FILTER (WHERE age(xmin) <=",
        new="FILTER (WHERE age(xmin) <",
        guard="FENCE",
        tests=("contract/test_fence.py::test_a_change_is_noticed",),
    ),
    Mutation(
        name="beyond-the-reach-of-numbers",
        file=_STATE,
        old='" < 2147000000 AND pg_snapshot_xmax(now',
        new='" < 9147000000 AND pg_snapshot_xmax(now',
        guard="FENCE",
        tests=("contract/test_reading_guards.py::test_a_snapshot_from_before_half_of_all_numbers_cannot_tell",),
    ),
    Mutation(
        name="server-that-has-not-come-as-far",
        file=_STATE,
        old=' AND pg_snapshot_xmax(now.snapshot)::text::numeric >="',
        new=' AND 0 <="',
        guard="FENCE",
        tests=("contract/test_reading_guards.py::test_a_server_that_has_not_come_as_far_as_the_snapshot_cannot_tell",),
    ),
    Mutation(
        name="nobody-else-was-writing",
        file=_STATE,
        inside="stored_at",
        old="fetchone()) == (True,):",
        new="fetchone()) is not None:",
        tests=("acceptance/test_lineage.py::test_an_old_transaction_does_not_have_a_chunk_archived_for_ever",),
    ),
    Mutation(
        name="rows-that-have-moved",
        file=_STATE,
        inside="is_unchanged",
        old="stored[1] == then.files and ",
        new="",
        guard="RESUME",
        tests=("acceptance/test_parts.py::test_rows_that_have_moved_are_not_read_by_their_old_pages",),
    ),
    Mutation(
        name="snapshot-from-before-the-lock",
        file="source/state/snapshot.py",
        inside="ReadSnapshot._begin",
        old='await conn.execute(f"LOCK TABLE',
        new='await conn.execute("SELECT 1"); await conn.execute(f"LOCK TABLE',
        guard="UNDERLOCK",
        tests=("contract/test_source_native.py::test_a_snapshot_waits_for_a_rewrite",),
    ),
    Mutation(
        name="snapshot-without-a-lock",
        file="source/state/snapshot.py",
        inside="ReadSnapshot._begin",
        old='await conn.execute(f"LOCK TABLE {self._chunk.relation.sql} IN ACCESS SHARE MODE".encode())',
        new="pass",
        tests=("contract/test_source_native.py::test_the_chunk_cannot_be_rewritten_under_a_snapshot",),
    ),
    Mutation(
        name="another-server-is-the-same",
        file="source/state/history.py",
        inside="stands_on",
        old="(grounds.system_identifier, grounds.database) != (here.system_identifier, here.database)",
        new="False",
        tests=("acceptance/test_removal.py::test_a_copy_of_the_server_loses_nothing",),
    ),
    Mutation(
        name="another-table-is-the-same",
        file="source/state/history.py",
        inside="is_same_table",
        old="bool(grounds.tables) and await tables_of(conn, chunk) == grounds.tables",
        new="True",
        tests=(
            "acceptance/test_removal_guards.py::test_another_table_in_the_chunk_s_place_stays",
            "acceptance/test_promise.py::test_an_oid_that_comes_again_is_another_table",
        ),
    ),
    Mutation(
        name="another-column-is-the-same",
        file="source/state/history.py",
        inside="is_defined_as_then",
        old="[(column.name, column.number) for column in columns] == [\n"
        "        (column.name, column.number) for column in manifest.columns\n    ] and ",
        new="",
        tests=(
            "acceptance/test_removal.py::test_a_column_that_was_made_anew_is_a_change",
            "acceptance/test_lineage.py::test_a_column_that_was_made_anew_has_other_values",
        ),
    ),
    Mutation(
        name="another-definition-is-the-same",
        file="source/state/history.py",
        inside="is_defined_as_then",
        old=" and await catalog.describe_ddl(conn, chunk.hypertable) == manifest.ddl",
        new="",
        tests=("acceptance/test_removal_guards.py::test_a_label_with_another_name_is_a_change",),
    ),
    Mutation(
        name="marked-on-another-server",
        file="source/state/marks.py",
        old="WHERE EXISTS (",
        new="WHERE true OR EXISTS (",
        guard="ALIVE",
        tests=("acceptance/test_history.py::test_disks_put_back_between_the_snapshot_and_its_mark",),
    ),
    Mutation(
        name="a-server-put-back-is-the-same",
        file="source/state/marks.py",
        inside="has_reading",
        old="return await (await conn.execute(_HAS_READING, (job, nonce))).fetchone() is not None",
        new="return True",
        guard="MARK",
        tests=(
            "acceptance/test_history.py::test_disks_put_back_between_archive_and_removal",
            "acceptance/test_lineage.py::test_a_server_that_was_restored_to_an_earlier_time",
        ),
    ),
    Mutation(
        name="a-tree-is-its-root",
        file="source/state/tables.py",
        old="    UNION SELECT relid FROM pg_catalog.pg_partition_tree(to_regclass(%(name)s))\n",
        new="",
        guard="LEAF",
        tests=("acceptance/test_promise.py::test_a_leaf_that_was_swapped_is_a_change",),
    ),
    Mutation(
        name="parts-of-several-snapshots",
        file="source/wire/extract.py",
        inside="_join_snapshot",
        old="cur.execute(f\"SET TRANSACTION SNAPSHOT '{snapshot_id}'\")",
        new="pass",
        tests=("contract/test_source_native.py::test_the_copy_is_of_the_snapshot",),
    ),
)
