"""What a process of questions says is taken for the question that was asked last, and for no other."""

from __future__ import annotations

from typing import Any

import pytest

from archival_core.query.process import frames
from archival_core.query.process.workers import Serving, Worker


def _nothing(*_: Any) -> None:
    pass


def test_bytes_of_another_question_end_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    worker, written = Worker(), list[bytes]()
    serving = Serving(_nothing, _nothing, _nothing, written.append)
    worker._number = 2
    said = iter([({"kind": "rows", "number": 2}, b"its own"), ({"kind": "rows", "number": 1}, b"PAR1"), None])
    monkeypatch.setattr(frames, "read", lambda *_: next(said))
    with pytest.raises(RuntimeError, match="another question"):
        worker._done(serving)
    assert written == [b"its own"]
    assert worker._process.wait(10) != 0
    worker.close()
