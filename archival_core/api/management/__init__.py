"""Management: ask for work, follow it, and decide what happens next."""

from __future__ import annotations

from fastapi import APIRouter

from archival_core.api.management import audit
from archival_core.api.management.chunks import archives, chunks, policies, removal, restores, why
from archival_core.api.management.events import dead_letters, events, intake, many_letters
from archival_core.api.management.jobs import jobs, many_jobs, settling
from archival_core.api.management.lake import migration, queries, results, source, tables


def routers() -> tuple[APIRouter, ...]:
    """Every router of the rooms below."""
    asking = (archives, audit, restores, many_jobs, jobs, settling, chunks, queries, results, why, removal, policies)
    modules = (*asking, many_letters, dead_letters, events, intake, source, tables, migration)
    return tuple(module.router for module in modules)
