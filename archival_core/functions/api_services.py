"""The API's services, filled from the runtime."""

from __future__ import annotations

from archival_core import runtime
from archival_core.api.services import Services


def services() -> Services:
    """Of this process; raises `SettingsError` that names what is missing or wrong."""
    wired = runtime.get()
    return Services(
        readiness=wired.readiness,
        once=wired.once,
        archive_requests=wired.archive_requests,
        restore_requests=wired.restore_requests,
        verification=wired.verification,
        policies=wired.policies,
        dead_letters=wired.dead_letters,
        events=wired.events,
        bulk_letters=wired.bulk_letters,
        bulk_jobs=wired.bulk_jobs,
        insights=wired.insights,
        chunk_map=wired.chunk_map,
        jobs=wired.jobs,
        chunks=wired.chunks,
        removal_decisions=wired.removal_decisions,
        settling=wired.settling,
        intake=wired.intake,
        ownership=wired.ownership,
        mark_rebuild=wired.mark_rebuild,
        tables=wired.table_upkeep,
        column_places=wired.column_places,
        table_migration=wired.table_migration,
        queries=wired.queries,
        former_tables=wired.former_tables,
        results=wired.results,
        audit=wired.audit,
        prices=wired.prices,
        lake_url=wired.settings.lake_url,
        trace_url=wired.settings.trace_url or None,
        signs_in=wired.settings.website_auth_enabled,
    )
