"""A result that the service loses is asked for again, a few times."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from archival_cli.command import Session
from archival_cli.commands.questions.asking import Question
from archival_cli.commands.questions.files import written
from archival_cli.commands.questions.large import fetch_large
from archival_cli.errors import CommandError
from tests.unit.archival_cli.test_patience import a_service

LOST = {"status": "failed", "error_code": "result-lost", "error": "the instance has ended: ask again"}
_ROWS = b"[1, 2]"
DONE = {
    "status": "done",
    "bytes": len(_ROWS),
    "path": "results/2",
    "expires_at": "tomorrow",
    "figures": {},
    "notes": [],
    "cut": None,
    "error_code": None,
}


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
    with written(file) as whole:
        return fetch_large(session, "select 1", whole, Question(None, (), None))


def test_a_result_that_is_lost_is_asked_for_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begun: list[int] = []
    with a_service(_answers([LOST, LOST, DONE], begun)) as url:
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


def test_half_a_result_is_no_file_and_takes_no_other_away(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("before")
    asked: list[str] = []
    answers = _answers([{**DONE, "bytes": 3 * len(_ROWS)}], [])

    def answer(path: str) -> tuple[int, Any]:
        asked.append(path)
        if sum("/rows" in one for one in asked) == 2:
            return 410, {"code": "result-expired", "detail": "it is gone"}
        return answers(path)

    with a_service(answer) as url, pytest.raises(CommandError, match="result-expired"):
        _fetched(url, file)
    assert [found.name for found in tmp_path.iterdir()] == ["rows.csv"]
    assert file.read_text() == "before"
