"""What the lake's SDK raises, where the answer's status alone would tell something else."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from azure.core.exceptions import DecodeError

from archival_core.errors import AwayError
from archival_core.lake.errors import translate


@pytest.mark.parametrize("status", [200, 206, 500])
def test_an_answer_that_cannot_be_read_is_no_refusal(status: int) -> None:
    """The identity's endpoint answers with a page of HTML, whose status the error has: no job is to blame for that."""
    response: Any = SimpleNamespace(status_code=status, reason="OK", headers={})
    error = translate(DecodeError("JSON is invalid", response=response), "read", "tables/a")
    assert isinstance(error, AwayError)
    assert (error.code, error.dependency) == ("lake-unavailable", "lake")
