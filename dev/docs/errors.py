"""docs/errors.md, from the catalogue of errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from archival_core.error_codes import SECTIONS, ErrorCode
from dev.stack.state import ROOT

ERRORS_FILE: Final = ROOT / "docs" / "errors.md"

_INTRODUCTION: Final = """# Errors

Generated from `archival_core/error_codes.py` by `make docs`.

A code stands in `error.code` of a failed job, in `removal_error.code` of an archive whose chunk is not removed, in `code`
of an answer of the API, at the beginning of a dead letter's reason, and in the log. Programs may test it: a code keeps its
meaning. Where the last column is empty nobody has to do anything: the work is tried again, or another job does it. The
message beside the code names the table, the column or the server that is meant.
"""


def errors_document() -> str:
    """The document as the catalogue makes it now."""
    sections = [_section(title, codes) for title, codes in SECTIONS.items()]
    return "\n".join([_INTRODUCTION, *sections])


def _section(title: str, codes: Mapping[str, ErrorCode]) -> str:
    rows = [f"| `{code}` | {known.status or ''} | {known.meaning} | {known.remedy} |" for code, known in sorted(codes.items())]
    return "\n".join(
        [f"## {title}", "", "| Code | HTTP | What is the case | What to do |", "| --- | --- | --- | --- |", *rows, ""]
    )
