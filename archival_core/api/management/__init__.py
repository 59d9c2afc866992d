"""Management: ask for work, follow it, and decide what happens next."""

from __future__ import annotations

from fastapi import APIRouter

from archival_core.api.management import archives, chunks, dead_letters, intake, jobs, policies, restores, source


def routers() -> tuple[APIRouter, ...]:
    """Every router of this folder."""
    modules = (archives, restores, jobs, chunks, policies, dead_letters, intake, source)
    return tuple(module.router for module in modules)
