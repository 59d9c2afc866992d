"""What the API needs of the flows; `functions/api_services.py` fills it from the runtime, a test from whatever it likes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from archival_core.flows.asking.archive_requests import ArchiveRequests
from archival_core.flows.asking.intake_control import IntakeControl
from archival_core.flows.asking.once import Once
from archival_core.flows.asking.policies import ArchivalPolicies
from archival_core.flows.asking.removal_decisions import RemovalDecisions
from archival_core.flows.asking.restore_requests import RestoreRequests
from archival_core.flows.insight.audit_trail import AuditTrail
from archival_core.flows.insight.chunk_list import ChunkList
from archival_core.flows.insight.chunk_map import ChunkMap
from archival_core.flows.insight.column_places import ColumnPlaces
from archival_core.flows.insight.event_list import EventList
from archival_core.flows.insight.insights import Insights
from archival_core.flows.insight.readiness import ReadinessCheck
from archival_core.flows.jobs.interventions.bulk_jobs import BulkJobActions
from archival_core.flows.jobs.interventions.bulk_letters import BulkLetters
from archival_core.flows.jobs.interventions.dead_letters import DeadLetters
from archival_core.flows.jobs.interventions.jobs import Jobs
from archival_core.flows.jobs.ownership import Ownership
from archival_core.flows.tables.migrating.outdated import Migration
from archival_core.flows.tables.table_upkeep import TableUpkeep
from archival_core.flows.upkeep.lake.verification import Verification
from archival_core.flows.upkeep.missing_tables.settling import Settling
from archival_core.flows.upkeep.rebuild.mark_rebuild import MarkRebuild
from archival_core.model.insight.money import Prices
from archival_core.query.archives.former import FormerTables
from archival_core.query.queries import Queries
from archival_core.query.results import Results


@dataclass(frozen=True, slots=True)
class Services:
    """The use cases behind the routes."""

    readiness: ReadinessCheck
    once: Once
    archive_requests: ArchiveRequests
    restore_requests: RestoreRequests
    verification: Verification
    policies: ArchivalPolicies
    dead_letters: DeadLetters
    events: EventList
    bulk_letters: BulkLetters
    bulk_jobs: BulkJobActions
    insights: Insights
    chunk_map: ChunkMap
    jobs: Jobs
    chunks: ChunkList
    removal_decisions: RemovalDecisions
    settling: Settling
    intake: IntakeControl
    ownership: Ownership
    mark_rebuild: MarkRebuild
    tables: TableUpkeep
    column_places: ColumnPlaces
    table_migration: Migration
    queries: Queries
    former_tables: FormerTables
    results: Results
    audit: AuditTrail
    prices: Prices
    lake_url: str
    #: where a trace is looked at, with `{trace_id}` in it; `None` where that is not set
    trace_url: str | None
    #: whether the platform signs callers in, and so vouches for the name that comes with a request
    signs_in: bool


#: Gives the services, and raises `SettingsError` for as long as they cannot be wired.
Provider = Callable[[], Services]


async def _current(request: Request) -> Services:
    # a plain function would run in a thread, where there is no loop to belong to
    provider: Provider = request.app.state.services
    return provider()


#: A parameter of this type is filled in by FastAPI.
Current = Annotated[Services, Depends(_current)]
