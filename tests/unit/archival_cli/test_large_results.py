"""A result that the service loses is asked for again, a few times."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from archival_cli.command import Session
from archival_cli.commands.questions.asking import Question
from archival_cli.commands.questions.large import fetch_large
from archival_cli.errors import CommandError
from tests.unit.archival_cli.test_patience import a_service

LOST = {"status": "failed", "error_code": "result-lost", "error": "the instance has ended: ask again"}
_ROWS = b"[1, 2]"


def _answers(outcomes: list[dict[str, Any]], begun: list[int]) -> Callable[[str], tuple[int, Any]]:
    """Each question that is begun ends as the next outcome says."""

    def answer(path: str) -> tuple[int, Any]:
        if path == "queries/results":
            begun.append(len(begun))
            return 202, {"id": str(begun[-1]), "status": "running"}
        number, _, rest = path.removeprefix("queries/").partition("/")
        if rest:
            return 200, [1, 2]
        return 200, {"id": number, **outcomes[int(number)]}

    return answer


def _fetched(url: str, file: Path) -> dict[str, str]:
    session = Session()
    session.url, session.key = url, "key"
    return fetch_large(session, "select 1", file, Question(None, (), None))


def test_a_result_that_is_lost_is_asked_for_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = {
        "status": "done",
        "bytes": len(_ROWS),
        "path": "results/2",
        "expires_at": "tomorrow",
        "figures": {},
        "notes": [],
        "cut": None,
    }
    begun: list[int] = []
    with a_service(_answers([LOST, LOST, {**done, "error_code": None}], begun)) as url:
        _fetched(url, tmp_path / "rows.csv")
    assert (tmp_path / "rows.csv").read_bytes() == _ROWS
    assert begun == [0, 1, 2]
    assert "asked again" in capsys.readouterr().err


@pytest.mark.parametrize(("outcome", "times"), [(LOST, 3), ({**LOST, "error_code": "query-time", "error": "too long"}, 1)])
def test_it_is_not_asked_for_ever_and_no_other_failure_is(tmp_path: Path, outcome: dict[str, Any], times: int) -> None:
    begun: list[int] = []
    with a_service(_answers([outcome] * 3, begun)) as url, pytest.raises(CommandError, match=outcome["error_code"]):
        _fetched(url, tmp_path / "rows.csv")
    assert len(begun) == times
    assert not (tmp_path / "rows.csv").exists()
