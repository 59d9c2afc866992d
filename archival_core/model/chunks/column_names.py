"""Columns that are known by their names alone, as after a dump or an upgrade, which number them anew.

A name may be another column's by now. What tells is the order: PostgreSQL adds columns at the end and changes no order.
"""

from __future__ import annotations

from collections.abc import Sequence


def are_told_apart(then: Sequence[str], now: Sequence[str]) -> bool:
    """Whether the columns `now` are those of `then` by name, but for some that were dropped, or were added at the end.

    Both in the table's order. Where columns are missing and others are there, one may have the other's place and values.
    """
    kept = [name for name in then if name in now]
    added = [name for name in now if name not in then]
    if len(kept) < len(then) and added:
        return False
    return [*kept, *added] == list(now)
