"""Every mutation still fits the code, and every test that is to notice is there; `make mutants` runs them."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import groupby
from pathlib import Path

import pytest

from tests.kit.selection import FOUND
from tests.mutants.harness import ROOT
from tests.mutants.mutation import Mutation, MutationError
from tests.mutants.table import MUTATIONS

PACKAGE = ROOT / "archival_core"
#: a guard's comment stands so many lines above the line that it speaks of, or less
NEAR = 25

PYTHON = """
class Keeper:
    def keep(self):
        if self.full:
            return

    async def keep_all(self):
        if self.full:
            return


def keep(): ...
"""
SQL = "-- name: one\nselect 1 where true\n\n-- name: one_more\nselect 2 where true\n"


def mutation(file: str, old: str, new: str, inside: str = "") -> Mutation:
    return Mutation(name="tried", file=file, old=old, new=new, inside=inside, tests=())


@cache
def names_in(file: Path) -> frozenset[str]:
    return frozenset(
        node.name for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_mutation_fits_the_code(mutation: Mutation) -> None:
    text = (PACKAGE / mutation.file).read_text()
    mutated = mutation.apply(text)
    assert mutated != text
    if mutation.file.endswith(".py"):
        ast.parse(mutated)  # what cannot be loaded is noticed by any test


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_the_tests_of_a_mutation_are_there(mutation: Mutation) -> None:
    assert mutation.tests
    for test in mutation.tests:
        file, _, name = test.partition("::")
        assert name.partition("[")[0] in names_in(ROOT / "tests" / file), f"{test} is gone"


def test_make_test_runs_the_tests_of_every_mutation(request: pytest.FixtureRequest) -> None:
    """Whoever breaks a guard is told by `make test` already. The harness runs no test that `make test` leaves out.

    Of a file that this run has not collected nothing is known; `make test` collects all.
    """
    quick: dict[str, bool] = {}
    for test, slow in request.config.stash[FOUND].items():
        for name in (test, test.partition("[")[0]):
            quick[name] = quick.get(name, False) or not slow
    assert sorted({test for mutation in MUTATIONS for test in mutation.tests if not quick.get(test, True)}) == []


def test_names_are_given_once_and_files_stand_together() -> None:
    assert [name for name, count in Counter(mutation.name for mutation in MUTATIONS).items() if count > 1] == []
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", mutation.name) for mutation in MUTATIONS)
    files = [file for file, _ in groupby(mutation.file for mutation in MUTATIONS)]
    assert [file for file, count in Counter(files).items() if count > 1] == []


def guards_in_code() -> Iterator[tuple[str, str, int]]:
    """Name, file and line of each comment that names a guard."""
    for file in PACKAGE.rglob("*"):
        if file.suffix in (".py", ".sql"):
            for number, line in enumerate(file.read_text().splitlines(), 1):
                for guard in re.findall(r"(?:#|--) Guard ([A-Z]+):", line):
                    yield guard, str(file.relative_to(PACKAGE)), number


def test_every_guard_that_the_code_names_has_a_mutant_at_its_line() -> None:
    lines = [(mutation.guard, mutation.file, mutation.line((PACKAGE / mutation.file).read_text())) for mutation in MUTATIONS]
    without = [
        f"{file}, line {number}: guard {guard}"
        for guard, file, number in guards_in_code()
        if not any((guard, file) == (named, where) and 0 <= line - number <= NEAR for named, where, line in lines)
    ]
    assert without == []


@pytest.mark.parametrize("inside", ["Keeper.keep", "Keeper.keep_all"])
def test_a_place_is_looked_at_alone(inside: str) -> None:
    mutated = mutation("a.py", "if self.full:", "if False:", inside).apply(PYTHON)
    assert mutated.count("if False:") == mutated.count("if self.full:") == 1
    assert (mutated.index("if False:") < mutated.index("async")) == (inside == "Keeper.keep")


def test_a_statement_is_looked_at_alone() -> None:
    assert mutation("a.sql", "true", "false", "one").apply(SQL) == SQL.replace("true", "false", 1)


@pytest.mark.parametrize(
    ("old", "new", "inside", "reason"),
    [
        ("if self.full:", "if False:", "", "found 2 times"),
        ("if self.empty:", "if False:", "Keeper.keep", "found 0 times"),
        ("if self.full:", "if False:", "Keeper.keep_none", "0 places"),
        ("if self.full:", "if:", "Keeper.keep", "no Python"),
    ],
)
def test_what_does_not_fit_is_an_error(old: str, new: str, inside: str, reason: str) -> None:
    with pytest.raises(MutationError, match=reason):
        mutation("a.py", old, new, inside).apply(PYTHON)
