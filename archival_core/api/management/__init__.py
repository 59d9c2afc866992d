"""Management: ask for work, follow it, and decide what happens next."""

from __future__ import annotations

from fastapi import APIRouter

from archival_core.api.management import (
    archives,
    audit,
    chunks,
    dead_letters,
    events,
    intake,
    jobs,
    many_jobs,
    many_letters,
    policies,
    queries,
    removal,
    restores,
    source,
    tables,
    why,
)


def routers() -> tuple[APIRouter, ...]:
    """Every router of this folder."""
    asking = (archives, audit, restores, many_jobs, jobs, chunks, queries, why, removal, policies)
    modules = (*asking, many_letters, dead_letters, events, intake, source, tables)
    return tuple(module.router for module in modules)
