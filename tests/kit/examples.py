"""How many examples hypothesis takes of what each takes a server's time."""

from __future__ import annotations

from hypothesis import settings

#: Of `make test-long`; see `tests/conftest.py`.
LONG = "long"


def examples(many: int) -> int:
    """So many in `make test-long`, and a third of them, other ones each time, in `make test`."""
    return many if settings.get_current_profile_name() == LONG else max(many // 3, 4)
