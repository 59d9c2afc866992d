"""The diagram of a job's states in docs/architecture.md, from the table of transitions."""

from __future__ import annotations

from typing import Final

from archival_core.model.jobs.job import TRANSITIONS
from dev.stack.state import ROOT

ARCHITECTURE_FILE: Final = ROOT / "docs" / "architecture.md"

_BEGIN: Final = "<!-- states: written by `make docs` -->\n"
_END: Final = "<!-- end of states -->\n"


def architecture_document() -> str:
    """docs/architecture.md with the diagram of today's transitions, the rest of it as it is."""
    before, _, rest = ARCHITECTURE_FILE.read_text().partition(_BEGIN)
    _, _, behind = rest.partition(_END)
    return f"{before}{_BEGIN}{_diagram()}{_END}{behind}"


def _diagram() -> str:
    arrows = [f"    {source} --> {target}" for source, targets in TRANSITIONS.items() for target in sorted(targets)]
    ends = [f"    {source} --> [*]" for source, targets in TRANSITIONS.items() if not targets]
    return "\n".join(["", "```mermaid", "stateDiagram-v2", "    [*] --> queued", *arrows, *ends, "```", "", ""])
