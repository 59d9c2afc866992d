"""What is wrong with a published archive."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Problem(StrEnum):
    """How a file of the lake differs from what its manifest says."""

    MISSING = "missing"
    EXTRA = "extra"
    #: of another length
    SHORT = "short"
    #: of the right length, with other content
    ALTERED = "altered"


@dataclass(frozen=True, slots=True)
class Finding:
    """One file that is not what it should be."""

    #: relative to LAKE_URL
    file: str
    problem: Problem
    detail: str

    def __str__(self) -> str:
        return f"{self.file} is {self.problem}: {self.detail}"
