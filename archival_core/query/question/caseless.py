"""Names as DuckDB compares them: without regard to the case of the letters A to Z, and of these alone."""

from __future__ import annotations

import string
from typing import Final

_LOWER: Final = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def caseless(name: str) -> str:
    """The same for all names that DuckDB takes for one. (`str.lower` makes a K of the Kelvin sign, too.)"""
    return name.translate(_LOWER)
