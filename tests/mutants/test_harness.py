"""The harness tells what is noticed from what is not, and leaves the checkout as it is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.mutants.harness import ROOT, Copy, copied
from tests.mutants.mutation import Mutation

DEFECT = Mutation(name="tried", file="model/chunks/moment.py", old="cycles - 5", new="cycles - 4", tests=())
BROKEN = Mutation(name="tried", file="model/chunks/moment.py", old="def moment(", new="def another(", tests=())


@pytest.fixture(scope="module")
def copy() -> Iterator[Copy]:
    with copied() as made:
        yield made


def test_what_a_test_notices_is_killed(copy: Copy) -> None:
    before = (ROOT / "archival_core" / DEFECT.file).read_text()
    found = copy.run(["unit/model/test_moment.py"], DEFECT)
    assert found.verdict == "killed"
    assert found.failed[0].startswith("unit/model/test_moment.py::test_a_bound")
    assert (
        (ROOT / "archival_core" / DEFECT.file).read_text() == before == (copy.root / "archival_core" / DEFECT.file).read_text()
    )


@pytest.mark.slow
def test_what_no_test_notices_has_survived(copy: Copy) -> None:
    assert copy.run(["unit/model/test_job.py"], DEFECT).verdict == "survived"


@pytest.mark.slow
def test_tests_that_cannot_run_say_nothing(copy: Copy) -> None:
    # a name that is gone ends the import of the test, which is no answer
    assert copy.run(["unit/model/test_moment.py"], BROKEN).verdict == "unclear"
    assert copy.run(["unit/model/test_nothing.py"], DEFECT).verdict == "unclear"
