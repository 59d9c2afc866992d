"""Mutants: one line that guards the promise is changed, and a test has to notice.

    make mutants                                  # all of them
    make mutants ARGS="--only fence-under-lock"   # one, by its name

The `table` names each mutation and the tests that notice it; `harness` applies one at a time to a copy of the project and runs
these tests. `make test` sees to it that every mutation still applies to the code, and that its tests are there.
"""
