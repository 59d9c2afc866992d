"""Wires clients into flows, once per process, on first use and inside the running loop.

This is the one place where everything is put together, and the file is as long as that takes: a line to import each part, and
then what each part is given.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Final

from archival_core import settings
from archival_core.clients.queue import QueueClient
from archival_core.connections import Connections
from archival_core.flows.archive.chunk_archiver import ArchiveOptions, ChunkArchiver
from archival_core.flows.archive.finishing import Finishing
from archival_core.flows.archive.lake_schema import LakeSchema
from archival_core.flows.archive.marking import Marking
from archival_core.flows.archive.processor import ArchivalProcessor
from archival_core.flows.archive.publishing import Publishing
from archival_core.flows.archive.retiring import Retiring
from archival_core.flows.archive.shared_reading import SharedReading
from archival_core.flows.archive.sharing_parts import SharingParts
from archival_core.flows.asking.archive_requests import ArchiveRequests
from archival_core.flows.asking.due_chunks import DueChunks
from archival_core.flows.asking.event_drain import DrainLimits, EventDrain
from archival_core.flows.asking.intake_control import IntakeControl
from archival_core.flows.asking.once import Once
from archival_core.flows.asking.policies import ArchivalPolicies
from archival_core.flows.asking.policy_jobs import PolicyJobs
from archival_core.flows.asking.removal_decisions import RemovalDecisions
from archival_core.flows.asking.restore_requests import RestoreRequests
from archival_core.flows.asking.wide_requests import WideRequests
from archival_core.flows.insight.audit_trail import AuditTrail
from archival_core.flows.insight.chunk_list import ChunkList
from archival_core.flows.insight.chunk_map import ChunkMap
from archival_core.flows.insight.column_places import ColumnPlaces
from archival_core.flows.insight.event_list import EventList
from archival_core.flows.insight.insights import Insights, Queue
from archival_core.flows.insight.outlook import Outlook
from archival_core.flows.insight.overdue import OverdueChunks
from archival_core.flows.insight.readiness import ReadinessCheck
from archival_core.flows.insight.snapshots import Snapshots
from archival_core.flows.jobs.announcer import Announcer
from archival_core.flows.jobs.chunk_places import ChunkPlaces
from archival_core.flows.jobs.dependencies import Dependencies
from archival_core.flows.jobs.interventions.bulk_jobs import BulkJobActions
from archival_core.flows.jobs.interventions.bulk_letters import BulkLetters
from archival_core.flows.jobs.interventions.dead_letters import DeadLetters
from archival_core.flows.jobs.interventions.jobs import Jobs
from archival_core.flows.jobs.ownership import Ownership
from archival_core.flows.jobs.queues.poisoned import PoisonedMessages
from archival_core.flows.jobs.queues.sharing import Sharing
from archival_core.flows.jobs.runner import JobRunner
from archival_core.flows.removal.chunk_proof import ChunkProof
from archival_core.flows.removal.chunk_removal import ChunkRemoval
from archival_core.flows.removal.lake_marker import LakeMarker
from archival_core.flows.removal.second_region import SecondRegion
from archival_core.flows.removal.trial import TrialRestore
from archival_core.flows.restore.chunk_restore import ChunkRestorer
from archival_core.flows.restore.processor import RestoreProcessor
from archival_core.flows.tables.committing import TableCommits
from archival_core.flows.tables.gathering import Gathering
from archival_core.flows.tables.log_reading import LogReading
from archival_core.flows.tables.migrating.copied_reading import CopiedReading
from archival_core.flows.tables.migrating.handover import Handover
from archival_core.flows.tables.migrating.lasting import Lasting
from archival_core.flows.tables.migrating.outdated import Migration
from archival_core.flows.tables.migrating.rewriting import Rewriting
from archival_core.flows.tables.standing import Standing
from archival_core.flows.tables.table_upkeep import TableUpkeep
from archival_core.flows.upkeep.lake.adoption import Adoption
from archival_core.flows.upkeep.lake.lake_back import LakeBack
from archival_core.flows.upkeep.lake.verification import Verification, VerificationRules
from archival_core.flows.upkeep.lost_messages import LostMessages
from archival_core.flows.upkeep.marks.follow_marks import FollowMarks
from archival_core.flows.upkeep.missing_tables.former_servers import FormerServers
from archival_core.flows.upkeep.missing_tables.later_archives import LaterArchives
from archival_core.flows.upkeep.missing_tables.rows_elsewhere import RowsElsewhere
from archival_core.flows.upkeep.missing_tables.search import MissingTables
from archival_core.flows.upkeep.missing_tables.settling import Settling
from archival_core.flows.upkeep.missing_tables.verdicts import Verdicts
from archival_core.flows.upkeep.rebuild.ledger_rebuild import LedgerRebuild
from archival_core.flows.upkeep.rebuild.mark_rebuild import MarkRebuild
from archival_core.flows.upkeep.reconcile import Reconciler
from archival_core.flows.upkeep.sweeps.job_folding import JobFolding
from archival_core.flows.upkeep.sweeps.restore_sweep import RestoreSweep
from archival_core.flows.upkeep.sweeps.results_sweep import ResultsSweep
from archival_core.flows.upkeep.sweeps.staging_sweep import StagingSweep
from archival_core.flows.upkeep.sweeps.stream_retention import KeptStream, StreamRetention
from archival_core.lake.arrow_files import arrow_files
from archival_core.lake.tables.log import TableLog
from archival_core.ledger.archives.chunk_records import ChunkRecords
from archival_core.ledger.archives.findings import Findings
from archival_core.ledger.archives.marked_archives import MarkedArchives
from archival_core.ledger.archives.published import Archives
from archival_core.ledger.archives.removals import RemovalRules, Removals
from archival_core.ledger.archives.restores import Restores
from archival_core.ledger.archives.rewrites import Rewrites
from archival_core.ledger.archives.standing import StandingArchives
from archival_core.ledger.asking.audit import Audit
from archival_core.ledger.asking.chunk_requests import ChunkRequests
from archival_core.ledger.asking.event_trials import EventTrials
from archival_core.ledger.asking.intake import Intake
from archival_core.ledger.asking.policies import Policies
from archival_core.ledger.asking.requests import Requests
from archival_core.ledger.insight.insights import InsightReader
from archival_core.ledger.insight.stream_looks import StreamLooks
from archival_core.ledger.jobs.bulk_jobs import BulkJobLedger
from archival_core.ledger.jobs.discards import Discards
from archival_core.ledger.jobs.job_life import Ledger
from archival_core.ledger.jobs.job_list import JobList
from archival_core.ledger.jobs.shared_parts import SharedParts
from archival_core.ledger.owner import LedgerOwner
from archival_core.ledger.tables.generations import LakeGenerations
from archival_core.ledger.tables.lake_columns import LakeColumns
from archival_core.ledger.tables.lake_tables import LakeTables
from archival_core.ledger.upkeep.folding import Folding
from archival_core.ledger.upkeep.left_undone import Upkeep
from archival_core.ledger.upkeep.rounds import Rounds
from archival_core.model.chunks.chunk import Chunk, Relation
from archival_core.model.insight.money import Prices
from archival_core.query.archives.archives import Ledgers
from archival_core.query.archives.former import FormerTables
from archival_core.query.queries import Queries
from archival_core.query.question.limits import Limits
from archival_core.query.results import Results, result_limits
from archival_core.settings import Settings
from archival_core.source import catalog

#: The dependencies that are asked for a write; of the others only whether they answer.
_WRITES: Final = frozenset({"ledger", "redis"})


class Runtime(Connections):
    """Every flow of one process, and its connections."""

    def __init__(self, config: Settings) -> None:
        super().__init__(config)
        self.settings = config
        self._have_in_common()
        self._take_events()
        self._archive()
        self._restore()
        self._remove()
        self._look_after()
        self._intervene()
        self._ask_and_show()

    def _have_in_common(self) -> None:
        """What jobs of all kinds need."""
        self.ledger = Ledger(self._pool)
        self.ownership = Ownership(self._source, self.lake, LedgerOwner(self._pool))
        self.dependencies = Dependencies(self.probes(), self.settings.outage_backoff)
        self._announcer = Announcer(self.ledger, self.messaging)
        self._places = ChunkPlaces(ChunkRecords(self._pool))
        self._marking, self._schema = Marking(self._beside), LakeSchema(LakeColumns(self._pool))
        self._tables, self._table_log = LakeTables(self._pool), TableLog(self.lake)
        self._retiring = Retiring(self.lake, self._tables, self.settings.table_readers)

    def _runner(self, queue: QueueClient) -> JobRunner:
        return JobRunner(self.ledger, self._announcer, self.ownership, self.dependencies, queue, self.settings.job_lease)

    def _take_events(self) -> None:
        config = self.settings
        self.event_drain = EventDrain(
            self.messaging,
            self.ledger,
            self.queue,
            Intake(self._pool),
            EventTrials(self._pool),
            self.dependencies,
            WideRequests(ChunkRequests(self._pool), self.ledger, self.queue),
            self._find_chunks,
            DrainLimits(
                config.drain_max_events, config.drain_max_seconds, config.event_max_deliveries, config.event_claim_idle
            ),
        )

    def _archive(self) -> None:
        """Chunks into the lake, and archives into its tables."""
        config = self.settings
        publishing = Publishing(self.lake, self.ledger, self.ownership)
        options = ArchiveOptions(
            readers=config.archive_readers,
            part_bytes=config.archive_part_bytes,
            shared_parts=config.archive_shared_parts,
            profile=config.parquet_profile,
            time_budget=config.job_time_budget,
        )
        shared = SharedParts(self._pool)
        self.sharing_parts = SharingParts(
            shared,
            SharedReading(
                self._source,
                self._readings,
                self.lake,
                shared,
                self._schema,
                readers=options.readers,
                profile=options.profile,
                lease=config.job_lease,
            ),
            Sharing(self._shared[config.part_queue]),
            self.ownership,
            self.dependencies,
            readers=options.readers,
        )
        self.chunk_archiver = ChunkArchiver(
            self._source,
            self._readings,
            self.lake,
            self.ledger,
            publishing,
            self._marking,
            self._schema,
            self.sharing_parts,
            options,
        )
        self._lake_marker = LakeMarker(self.lake, LakeGenerations(self._pool))
        self._second_region = SecondRegion(self._lake_account, self.lake, config.lake_replication)
        rewrites = Rewrites(self._pool, shares_source=self._shares_source)
        self.table_migration = Migration(self._source, self.ownership, self.ledger, rewrites, self.queue)
        self.rewriting = Rewriting(
            self._source,
            self.lake,
            publishing,
            CopiedReading(self._schema),
            Lasting(self.lake, self._lake_marker, self._second_region),
            Handover(self._source, rewrites, self._retiring),
            options,
        )
        self.archival_processor = ArchivalProcessor(
            self._runner(self.queue),
            self.ledger,
            self.chunk_archiver,
            Finishing(self._beside, self.ledger, self._retiring),
            self.rewriting.rewrite,
        )
        self.poisoned_archives = PoisonedMessages(self._poisoned[0], self.archival_processor.give_up, self.messaging)
        self.table_commits = TableCommits(
            self.ownership,
            self._tables,
            Gathering(self._source, self.lake),
            self._table_log,
            self._table_reader,
            LogReading(self._table_log, self._table_reader),
        )
        self.table_upkeep = TableUpkeep(self.ownership, self._tables, self.table_commits, self._table_log)

    def _restore(self) -> None:
        restores = Restores(self._pool, shares_source=self._shares_source)
        self.restore_requests = RestoreRequests(self._source, self._places, self.ledger, restores, self.restore_queue)
        self.restore_processor = RestoreProcessor(
            self._runner(self.restore_queue),
            self.ledger,
            restores,
            ChunkRestorer(self._source, self.lake),
        )
        self.poisoned_restores = PoisonedMessages(self._poisoned[1], self.restore_processor.give_up, self.messaging)

    def _remove(self) -> None:
        config = self.settings
        rules = RemovalRules(config.removal_policy == "drop", config.removal_grace)
        self._removals = Removals(self._pool, rules, shares_source=self._shares_source)
        self.outlook = Outlook(Policies(self._pool), Intake(self._pool), ChunkRecords(self._pool), rules)
        self._trial = TrialRestore(self._source, self.lake, self._marking)
        proof = ChunkProof(
            self.lake,
            self._removals,
            self._trial,
            self._lake_marker,
            self._second_region,
            Standing(self._tables, self._table_log, self.table_commits),
            self._places,
        )
        self.chunk_removal = ChunkRemoval(
            self._source,
            self.ledger,
            self.ownership,
            self.dependencies,
            self._removals,
            proof,
            self.queue,
            Sharing(self._shared[config.removal_queue]),
            self._announcer,
        )

    def _look_after(self) -> None:
        """What finds out and puts right, beside the way from event to archive."""
        config, pool = self.settings, self._pool
        archives, policies, upkeep, rounds = Archives(pool), Policies(pool), Upkeep(pool), Rounds(pool)
        marked = MarkedArchives(pool, shares_source=self._shares_source)
        self.verification = Verification(
            self.lake,
            Findings(pool),
            self._announcer,
            self.dependencies,
            Sharing(self._shared[config.verify_queue]),
            VerificationRules(config.verify_every, config.verify_sample),
        )
        self.poisoned_parts, self.poisoned_removals, self.poisoned_verifications = (
            PoisonedMessages(self._shared[f"{queue}-poison"], give_up, self.messaging)
            for queue, give_up in (
                (config.part_queue, self.sharing_parts.give_up),
                (config.removal_queue, self.chunk_removal.give_up),
                (config.verify_queue, self.verification.give_up),
            )
        )
        self.mark_rebuild = MarkRebuild(marked)
        streams = (
            KeptStream(config.events_stream, config.events_keep_for, config.events_keep, config.events_group),
            KeptStream(config.results_stream, config.results_keep_for, config.results_keep),
        )
        elsewhere, verdicts = RowsElsewhere(self._source, self._trial), Verdicts(marked, self._retiring)
        former_servers, later_archives = FormerServers(marked, elsewhere, verdicts), LaterArchives(self._source, self._trial)
        self.policy_jobs = PolicyJobs(
            policies,
            DueChunks(policies, self._find_chunks),
            self.ledger,
            self.queue,
            Intake(pool),
            self.dependencies,
            rounds,
            config.policy_backlog,
        )
        self.reconciler = Reconciler(
            self.ownership,
            LakeBack(self._lake_marker, self.verification),
            LostMessages(upkeep, self.ledger, self._queues),
            (
                self.poisoned_archives,
                self.poisoned_restores,
                self.poisoned_parts,
                self.poisoned_removals,
                self.poisoned_verifications,
            ),
            StagingSweep(self.lake, upkeep, self.ledger),
            ResultsSweep(self.lake, self.ledger),
            RestoreSweep(self._source, upkeep),
            Adoption(self.lake, archives, rounds, self._schema, self._source, self._retiring),
            FollowMarks(self._source, self.lake, marked, archives, self._schema, self._retiring),
            MissingTables(
                self._source,
                marked,
                elsewhere,
                later_archives,
                former_servers,
                verdicts,
            ),
            upkeep,
            self._announcer,
            self.policy_jobs,
            StreamRetention(self.messaging, StreamLooks(pool), streams),
            self.table_upkeep,
            JobFolding(self._source, Folding(pool), config.jobs_keep_for, config.events_stream),
        )
        self.settling = Settling(self._source, self.ownership, marked, elsewhere, later_archives, former_servers, verdicts)
        self.ledger_rebuild = LedgerRebuild(self.lake, archives, self._schema, self._source)

    def _intervene(self) -> None:
        """What people ask for and change."""
        pool, policies = self._pool, Policies(self._pool)
        self.archive_requests = ArchiveRequests(self._source, self.ledger, self.queue)
        self.once = Once(Requests(pool))
        self.removal_decisions = RemovalDecisions(self._source, self._places, self.ledger, self.chunk_removal, self._removals)
        self.policies = ArchivalPolicies(policies, DueChunks(policies, self._find_chunks), self._source)
        self.intake = IntakeControl(Intake(pool))
        self.dead_letters = DeadLetters(self.messaging, Discards(pool), self.ledger, self._queues)
        self.bulk_letters = BulkLetters(self.messaging, Discards(pool))
        self.bulk_jobs = BulkJobActions(BulkJobLedger(pool), self.ledger, self._queues)
        self.audit = AuditTrail(Audit(pool))

    def _ask_and_show(self) -> None:
        """What people see, and questions."""
        config, pool = self.settings, self._pool
        jobs, policies, reader = JobList(pool), Policies(pool), InsightReader(pool)
        self.jobs = Jobs(jobs)
        self.events = EventList(self.messaging)
        self.chunks = ChunkList(self._source, self._places, jobs, self.outlook)
        self.column_places = ColumnPlaces(self._source, LakeColumns(pool))
        self.prices = Prices(config.cost_database_gb_month, config.cost_lake_gb_month, config.cost_currency)
        self.readiness = ReadinessCheck(self.probes(), writes=_WRITES)
        self.chunk_map = ChunkMap(reader, self._places, ChunkRecords(pool), policies, self._source)
        self.insights = Insights(
            reader,
            Intake(pool),
            self.messaging,
            {
                kind: Queue(queue, poisoned)
                for (kind, queue), poisoned in zip(self._queues.items(), self._poisoned, strict=True)
            },
            OverdueChunks(policies, DueChunks(policies, self._find_chunks)),
            Snapshots(self._source),
            self.readiness,
        )
        self.queries = Queries(
            self._source,
            self.lake,
            Ledgers(StandingArchives(pool), LakeColumns(pool)),
            partial(arrow_files, config.lake_url, config.lake_account_key),
            role=config.query_role or None,
            limits=Limits(seconds=config.query_seconds, memory_mib=config.query_memory, rows=config.query_rows),
            at_a_time=config.queries_at_a_time,
        )
        self.former_tables = FormerTables(self._source, self.queries.archives)
        self.results = Results(
            self.queries,
            self.lake,
            self.ownership.check,
            limits=result_limits(self.queries.limits, config.query_result_seconds, config.query_result_mib),
            kept=config.query_results_kept,
        )

    @property
    def _shares_source(self) -> bool:
        """Whether the ledger is in the source's database."""
        return self.settings.ledger_url == self.settings.source_database_url

    async def close(self) -> None:
        """Close what answers questions, and every connection."""
        await self.results.close()
        await asyncio.gather(self.queries.close(), super().close(), return_exceptions=True)

    async def _find_chunks(self, hypertable: Relation, older_than: str | int) -> list[Chunk]:
        async with self._source.connect() as connection:
            return await catalog.chunks_ending_by(connection, hypertable, older_than)


_current: tuple[asyncio.AbstractEventLoop, Runtime] | None = None


def get() -> Runtime:
    """The runtime of this process. Call it inside the loop; raises `SettingsError` that names what is missing or wrong."""
    global _current
    loop = asyncio.get_running_loop()
    # the clients belong to the loop they were first used in; a new loop (a restarted worker, a test) needs new ones
    if _current is None or _current[0] is not loop:
        _current = (loop, Runtime(settings.load()))
    return _current[1]
