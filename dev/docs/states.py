"""The diagram of a job's states in docs/architecture.md, from the table of transitions."""

from __future__ import annotations

from typing import Final

from archival_core.model.jobs.job import TRANSITIONS
from dev.docs.marked import with_part
from dev.stack.state import ROOT

ARCHITECTURE_FILE: Final = ROOT / "docs" / "architecture.md"


def architecture_document() -> str:
    """docs/architecture.md with the diagram of today's transitions, the rest of it as it is."""
    return with_part(ARCHITECTURE_FILE, "states", _diagram())


def _diagram() -> str:
    arrows = [f"    {source} --> {target}" for source, targets in TRANSITIONS.items() for target in sorted(targets)]
    ends = [f"    {source} --> [*]" for source, targets in TRANSITIONS.items() if not targets]
    return "\n".join(["", "```mermaid", "stateDiagram-v2", "    [*] --> queued", *arrows, *ends, "```", "", ""])
