"""Types of DuckDB's that Arrow has no form for, and that come out of an answer as something else without a word."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from archival_core.errors import PermanentError

#: Arrow's time has no zone, and gets bits and large integers as the bytes that DuckDB keeps them in.
_FORMLESS: Final = re.compile(r"\b(TIME WITH TIME ZONE|BIT|BIGNUM|VARINT)\b")


def check_forms(columns: Sequence[tuple[str, str]]) -> None:
    """Raise `PermanentError` (`value-without-form`) where a column of an answer, a name and a type, would be something else."""
    for name, kind in columns:
        if found := _FORMLESS.search(kind):
            raise PermanentError(
                f"column {name} of the answer is {found[1]}, which answers have no form for: CAST it to VARCHAR",
                code="value-without-form",
            )
