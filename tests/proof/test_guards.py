"""A guard is one name in three places: a switch of the model, a line of the code, a mutant that a test kills."""

from __future__ import annotations

from collections import Counter
from importlib import import_module
from importlib.util import find_spec

import pytest

from tests.proof import guards, spin
from tests.proof.searches import EVENTS, FULL, QUICK, WITHOUT

MODEL, DOCUMENT, CODE = guards.of_model(), guards.of_document(), guards.of_code()
NAMED = sorted(name for name, row in DOCUMENT.items() if row.is_named)


def test_every_switch_of_the_model_is_in_the_table_with_its_sentence() -> None:
    assert len(MODEL) >= 20
    assert {name: row.sentence for name, row in DOCUMENT.items()} == MODEL


@pytest.mark.parametrize("name", sorted(DOCUMENT))
def test_the_code_has_a_comment_where_the_table_says(name: str) -> None:
    found = CODE.get(name, frozenset())
    if DOCUMENT[name].is_named:
        assert found, f"no comment of the code begins with `Guard {name}: `"
        assert DOCUMENT[name].places == found
    else:
        assert not found, f"it is there now: docs/proof.md has to say where ({', '.join(found)}), and to name a mutant"


def test_the_code_names_no_guard_that_the_model_lacks() -> None:
    assert CODE.keys() <= MODEL.keys()


@pytest.mark.parametrize("name", NAMED)
def test_a_guard_has_mutants(name: str) -> None:
    if find_spec("tests.mutants.table") is None:
        pytest.skip("there is no table of mutants")
    of_guard = {mutant.name for mutant in import_module("tests.mutants.table").MUTATIONS if mutant.guard == name}
    assert DOCUMENT[name].mutants, f"docs/proof.md names no mutant of {name}"
    assert DOCUMENT[name].mutants <= of_guard


def test_every_guard_is_switched_off_once() -> None:
    off = Counter(name for search in WITHOUT for name, value in search.definitions.items() if name in MODEL and value == 0)
    assert off == dict.fromkeys(MODEL, 1)
    assert not any(search.holds for search in WITHOUT)


def test_nothing_is_switched_off_where_nothing_may_break() -> None:
    assert not any(search.definitions.keys() & MODEL.keys() for search in FULL if search.holds)


def test_every_pair_of_what_may_happen_is_searched() -> None:
    searched = [search.definitions for search in QUICK if search.holds]
    for inside in (0, 1):
        for one in EVENTS.values():
            for other in EVENTS.values():
                if one != other and not (inside and "LEDGERBACKS" in (one, other)):
                    assert any(
                        {one, other} <= definitions.keys() and definitions["INSIDE"] == inside for definitions in searched
                    )


def test_every_switch_of_a_search_is_one_of_the_model() -> None:
    text = spin.MODEL.read_text()
    for name in {name for search in FULL for name in search.definitions}:
        assert f"#ifndef {name}\n" in text


def test_labels_are_unique() -> None:
    assert max(Counter(search.label for search in FULL).values()) == 1
