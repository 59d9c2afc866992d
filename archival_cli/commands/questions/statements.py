"""Where a statement ends, and whether there is one."""

from __future__ import annotations

import re
from typing import Final

#: Texts, names and comments, which a semicolon inside them does not end; what has no end yet goes to the end of all.
_ASIDE: Final = re.compile(
    r"""
    (?P<comment> --[^\n]* | /\*.*?\*/ )
    | (?<!\w)[eE]'(?:[^'\\]|''|\\.)*(?:'|\Z)
    | '[^']*(?:'|\Z)
    | "[^"]*(?:"|\Z)
    | \$(?P<tag>(?:[^\W\d]\w*)?)\$.*?(?:\$(?P=tag)\$|\Z)
    | /\*.*\Z
    """,
    re.DOTALL | re.VERBOSE,
)


def is_whole(sql: str) -> bool:
    """Whether a semicolon ends it; none that stands in a text, a name or a comment does."""
    return _bare(sql).endswith(";")


def is_blank(sql: str) -> bool:
    """Whether it says nothing: comments and semicolons alone."""
    return not _bare(sql).strip("; \t\r\n")


def _bare(sql: str) -> str:
    """Without comments, and with a letter in the place of each text and each quoted name."""
    return _ASIDE.sub(lambda found: " " if found["comment"] else "x", sql).strip()
