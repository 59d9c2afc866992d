"""Management: ask for work, follow it, and decide what happens next."""

from __future__ import annotations

from fastapi import APIRouter


def routers() -> tuple[APIRouter, ...]:
    """Every router of this folder."""
    return ()
