"""The runner: a small search of each kind, and what it says of those that are not as they must be."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.proof import spin
from tests.proof.searches import QUICK, WITHOUT, Search
from tests.proof.spin import Bounds, Outcome

ROOT = Path(__file__).parents[2]
BOUNDS = Bounds(seconds=60, megabytes=1000)
needs_spin = pytest.mark.skipif(not spin.is_there(), reason=spin.HOW_TO_GET)


def _search(label: str) -> Search:
    [found] = [search for search in QUICK if search.label == label]
    return found


@needs_spin
def test_with_all_guards_nothing_breaks() -> None:
    outcome = spin.run(_search("reshaping, restoring; inside; 2 leases"), BOUNDS)
    assert outcome.wrong is None
    assert outcome.whole
    assert outcome.states > 1000


@needs_spin
def test_without_a_guard_a_sentence_breaks_and_the_trail_tells_how() -> None:
    outcome = spin.run(_search("without FENCE"), BOUNDS)
    assert (outcome.broken, outcome.wrong) == ("never_lost", None)
    assert outcome.story[0] == "archiver 0 leases job 0, attempt 1"
    assert "people: a write, content 2" in outcome.story
    assert outcome.story[-1] == "remover 0 drops content 2 on the grounds of manifest 1"


@needs_spin
@pytest.mark.slow
def test_a_search_that_is_cut_short_says_so() -> None:
    outcome = spin.run(_search("writing, source put back; inside; 2 leases"), Bounds(seconds=0.05, megabytes=1000))
    assert not outcome.whole
    assert outcome.wrong == "not searched whole"


@needs_spin
def test_a_model_with_a_mistake_is_no_search() -> None:
    with pytest.raises(spin.SpinError, match="spin -a"):
        spin.run(Search("a switch with no value", True, {"JOBS": 2, "WRITES": 1} | {"LEASES ": 1}), BOUNDS)


@pytest.mark.parametrize(
    ("holds", "bounded", "broken", "whole", "wrong"),
    [
        (True, False, None, True, None),
        (True, False, "never_lost", True, "never_lost is broken"),
        (True, False, None, False, "not searched whole"),
        (True, True, None, False, None),
        (True, True, "never_lost", True, "never_lost is broken"),
        (False, False, "never_lost", True, None),
        (False, False, None, True, "nothing breaks"),
        (False, False, None, False, "not searched whole"),
    ],
)
def test_what_is_wrong(holds: bool, bounded: bool, broken: str | None, whole: bool, wrong: str | None) -> None:
    search = Search("one", holds, {}, bounded=bounded)
    assert Outcome(search, states=1, broken=broken, whole=whole, seconds=0.1).wrong == wrong


def test_a_machine_without_spin_is_told_how_to_get_it() -> None:
    command = [sys.executable, "-m", "tests.proof", "--only", WITHOUT[0].label]
    done = subprocess.run(command, cwd=ROOT, env={"PATH": "/nowhere"}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.strip()) == (2, spin.HOW_TO_GET)
