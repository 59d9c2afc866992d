"""What is in a table of the lake, whatever became of ledger, source and log."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archival_core.model.jobs.job import Status
from archival_core.model.lake.lake_table import Candidate, Plan, counted, plan

TABLE = (16_384, "731")


def archive(number: int = 0, **what: object) -> Candidate:
    base = Candidate(
        archive=UUID(int=number + 1),
        folder=f"tables/public.t/c_r{number}",
        manifest=f"m{number}",
        status=Status.ARCHIVED,
        table=TABLE,
        revision=number,
        is_marked=True,
    )
    return replace(base, **what)  # type: ignore[arg-type]


def folders(*numbers: int) -> set[str]:
    return {f"tables/public.t/c_r{number}" for number in numbers}


@pytest.mark.parametrize("status", [Status.ARCHIVED, Status.REMOVED])
def test_an_archive_of_this_history_is_in_the_table(status: Status) -> None:
    assert counted([archive(status=status)]) == folders(0)


@pytest.mark.parametrize("status", [*(status for status in Status if status not in (Status.ARCHIVED, Status.REMOVED)), None])
def test_what_is_no_archive_is_not(status: Status | None) -> None:
    assert counted([archive(status=status)]) == set()


def test_an_archive_of_a_lost_history_leaves() -> None:
    assert plan([archive(is_marked=False, in_table=True)]) == Plan((), tuple(folders(0)))


def test_a_superseded_archive_leaves_in_the_commit_that_its_successor_enters_with() -> None:
    before, after = archive(0, status=Status.SUPERSEDED, in_table=True), archive(1)
    assert plan([before, after]) == Plan(tuple(folders(1)), tuple(folders(0)), (), (frozenset(folders(0, 1)),))


def test_a_later_archive_of_the_same_table_takes_the_place_of_one_that_the_ledger_has_forgotten_to_supersede() -> None:
    assert counted([archive(0), archive(1)]) == folders(1)


def test_of_another_table_it_does_not() -> None:
    assert counted([archive(0), archive(1, table=(17_000, "900"))]) == folders(0, 1)


def test_archives_of_before_tables_had_an_identity_stand_beside_each_other() -> None:
    assert counted([archive(0, table=None), archive(1, table=None)]) == folders(0, 1)


def test_what_stands_in_for_rows_is_in_the_table_whatever_the_ledger_says() -> None:
    for status in [*Status, None]:
        assert counted([archive(status=status, stands_in="m0", is_marked=False)]) == folders(0)


def test_nothing_else_of_the_same_rows_is() -> None:
    removed, later = archive(0, status=Status.REMOVED, stands_in="m0"), archive(1)
    assert counted([removed, later]) == folders(0)


def test_late_rows_in_a_table_made_anew_are_beside_what_was_removed() -> None:
    removed, late = archive(0, status=Status.REMOVED, stands_in="m0"), archive(1, table=(17_000, "900"))
    assert counted([removed, late]) == folders(0, 1)


def test_a_mark_of_another_manifest_of_the_job_lets_the_ledgers_archive_wait() -> None:
    assert counted([archive(0, stands_in="another")]) == set()
    assert counted([archive(0, stands_in="another", in_table=True)]) == folders(0), "what is in doubt stays"


def test_an_archive_that_the_ledger_has_forgotten_stays_while_the_source_has_its_reading() -> None:
    forgotten = archive(0, status=None, in_table=True)
    assert plan([forgotten]) == Plan((), (), tuple(folders(0)))
    assert plan([replace(forgotten, is_marked=False)]).removes == tuple(folders(0))
    assert plan([replace(forgotten, status=Status.QUEUED)]).removes == (), "its job runs again"


def test_a_forgotten_archive_keeps_out_what_it_had_superseded() -> None:
    earlier = archive(0, table=(1, "1"))
    forgotten = archive(1, status=None, in_table=True, supersedes=frozenset({earlier.folder}))
    assert counted([earlier, forgotten]) == folders(1)


def test_a_forgotten_archive_leaves_when_its_rows_went_on_the_grounds_of_another() -> None:
    gone = archive(0, status=Status.REMOVED, stands_in="m0")
    assert counted([gone, archive(1, status=None, in_table=True)]) == folders(0)


def test_a_restored_archive_stays_until_the_ledger_supersedes_it() -> None:
    restored, of_one_of_its_tables = archive(0, is_restored=True), archive(1)
    assert counted([restored, of_one_of_its_tables]) == folders(0, 1)
    assert counted([replace(restored, status=Status.SUPERSEDED), of_one_of_its_tables]) == folders(1)


def test_a_restored_archive_leaves_when_the_table_that_took_its_rows_went_on_other_grounds() -> None:
    restored, gone = archive(0, is_restored=True), archive(1, status=Status.REMOVED, stands_in="m1")
    assert counted([restored, gone]) == folders(1)


_CANDIDATES = st.lists(
    st.builds(
        archive,
        st.integers(0, 9),
        status=st.sampled_from([*Status, None]),
        table=st.sampled_from([None, (1, "1"), (2, "2")]),
        is_marked=st.booleans(),
        is_restored=st.booleans(),
        stands_in=st.sampled_from([None, None, "m0", "m1"]),
        in_table=st.booleans(),
    ),
    unique_by=lambda candidate: candidate.folder,
    max_size=6,
)


@given(_CANDIDATES)
def test_a_plan_leads_to_what_counts_and_a_second_one_changes_nothing(candidates: list[Candidate]) -> None:
    planned = plan(candidates)
    wanted = counted(candidates)
    assert set(planned.adds) | set(planned.stays) == wanted
    there = [replace(candidate, in_table=candidate.folder in wanted) for candidate in candidates]
    assert plan(there) == Plan((), (), tuple(sorted(wanted)))


@given(_CANDIDATES)
def test_no_rows_of_one_table_that_went_are_there_twice(candidates: list[Candidate]) -> None:
    wanted = counted(candidates)
    gone = {candidate.table for candidate in candidates if candidate.stands_in is not None and candidate.table is not None}
    for candidate in candidates:
        if candidate.folder in wanted and candidate.table in gone:
            assert candidate.stands_in is not None


def test_rows_do_not_leave_where_what_takes_their_place_cannot_enter() -> None:
    before, after = archive(0, status=Status.SUPERSEDED, in_table=True), archive(1)
    split = archive(2, table=(17_000, "900"), supersedes=frozenset(folders(0)))
    other, successor = (archive(n, table=(17_001, "901"), in_table=n == 3) for n in (3, 4))
    planned = plan([before, after, split, other, successor])
    assert planned.without([]) == set()
    # one of two that take its place: with the other alone, rows would be there twice
    assert planned.without(folders(2)) == planned.without(folders(1)) == folders(0, 1, 2)
    assert planned.without(folders(4)) == folders(3, 4)
