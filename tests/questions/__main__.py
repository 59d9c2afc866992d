"""`python -m tests.questions [--questions N] [--seed N] [--timescaledb]`: the long form, for each place of the ledger."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import pytest


def main() -> int:
    """Ask, print, and say whether every answer was right."""
    parser = argparse.ArgumentParser(prog="python -m tests.questions", description="questions while chunks come and go")
    parser.add_argument("--questions", type=int, default=1000, help="for each place of the ledger")
    parser.add_argument("--seed", type=int, default=1, help="other dice; threads make each run another one anyway")
    parser.add_argument("--timescaledb", action="store_true", help="on the server that TEST_TIMESCALEDB_URL names")
    parser.add_argument("--ledger", choices=["inside", "apart"], help="one of the places alone")
    arguments = parser.parse_args()
    os.environ["TEST_QUESTIONS"] = str(arguments.questions)
    os.environ["TEST_QUESTIONS_SEED"] = str(arguments.seed)
    if arguments.timescaledb:
        os.environ["TEST_QUESTIONS_SOURCE"] = "timescaledb_service"
    test = str(Path(__file__).parents[1] / "acceptance" / "test_query_questions.py")
    chosen = ["-k", arguments.ledger] if arguments.ledger else []
    return int(pytest.main([test, "-n", "0", "-q", "-rP", "-p", "no:cacheprovider", "-m", "", *chosen]))


if __name__ == "__main__":
    sys.exit(main())
