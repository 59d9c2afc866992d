"""What a run of pytest has found, before it leaves tests out."""

from __future__ import annotations

import pytest

#: Whether a test is marked `slow`, by its file below `tests/` and its name, as mutants name their tests.
FOUND = pytest.StashKey[dict[str, bool]]()
