"""A commit looks at few archives only where nothing else can have changed."""

from __future__ import annotations

from tests.mutants.mutation import Mutation

_GATHERING = "flows/tables/gathering.py"
_STATEMENTS = "ledger/sql/tables/tables.sql"
_IN_DOUBT = "contract/test_judged_tables.py::test_in_doubt_all_are"
_BEARS_ON = "contract/test_judged_tables.py::test_what_an_archive_bears_on_is_looked_at"

MUTATIONS = (
    Mutation(
        name="few-archives-in-another-history",
        file=_GATHERING,
        inside="Gathering.about",
        old="if held.judged_on != _judged_on(here):",
        new="if False:",
        tests=(_IN_DOUBT,),
    ),
    Mutation(
        name="few-archives-beside-an-unknown-folder",
        file=_GATHERING,
        inside="Gathering.about",
        old="if found is None or any(archive.job_id is None for archive in found):",
        new="if found is None:",
        tests=(_IN_DOUBT,),
    ),
    Mutation(
        name="few-archives-beside-a-mark-that-is-not-followed",
        file=_GATHERING,
        inside="Gathering.about",
        old="not all(_is_as_recorded(mark, jobs.get(mark.archive)) for mark in stand_ins.values())",
        new="False",
        tests=(_IN_DOUBT,),
    ),
    Mutation(
        name="doubts-are-forgotten",
        file=_GATHERING,
        inside="Gathering.whole",
        old="if can_tell and not unknown and not gone else None",
        new="if can_tell else None",
        tests=(_IN_DOUBT,),
    ),
    Mutation(
        name="any-notice-names-its-archive",
        file="ledger/tables/lake_tables.py",
        inside="HeldTable.take_due",
        old="frozenset(folders) if None not in folders else None",
        new="frozenset(folders)",
        tests=(_IN_DOUBT,),
    ),
    Mutation(
        name="a-table-without-a-log-is-never-looked-at",
        file=_STATEMENTS,
        inside="tables_to_compare",
        old="select f.hypertable from found f\n    where not exists",
        new="select f.hypertable from found f\n    where false and not exists",
        tests=("acceptance/test_unnoted_changes.py::test_the_first_archive_of_a_table[reconcile]",),
    ),
    Mutation(
        name="archives-of-one-table-are-looked-at-alone",
        file=_STATEMENTS,
        inside="table_candidates_about",
        old="o.relation_born = j.relation_born and o.kind = 'archive'",
        new="o.job_id = j.job_id and o.kind = 'archive'",
        tests=(_BEARS_ON,),
    ),
    Mutation(
        name="what-takes-its-place-is-not-looked-at",
        file=_STATEMENTS,
        inside="table_candidates_about",
        old="where s.folder = a.folder and j.lake_path is not null",
        new="where false",
        tests=(_BEARS_ON,),
    ),
    Mutation(
        name="few-archives-of-a-log-that-was-read",
        file="flows/tables/committing.py",
        inside="TableCommits.commit_held",
        old="not (whole or is_new",
        new="not (compare or is_new",
        tests=(
            "acceptance/test_commits_of_changes.py"
            "::test_after_a_log_that_was_not_where_the_ledger_left_it_all_archives_are_looked_at",
        ),
    ),
    Mutation(
        name="few-archives-for-other-columns",
        file="flows/tables/fitting.py",
        inside="has_others",
        old="return bool(given) and _forms(given) != _forms(columns)",
        new="return False",
        tests=("acceptance/test_commits_of_changes.py::test_what_was_left_out_enters_when_the_table_has_columns_for_it",),
    ),
)
