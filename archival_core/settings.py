"""The service's own settings, which nothing else reads from the environment; those of host and libraries: `host_settings`.

One class in one file, longer than others: whoever runs the service looks through all of them in one place.
"""

from __future__ import annotations

import os
from datetime import timedelta
from functools import cache
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from archival_core.errors import SettingsError


class Settings(BaseSettings):
    """Everything that can be set, from environment variables (app settings) of the same name in capitals.

    `make docs` writes the lists of settings from these descriptions: docs/reference.md, README.md,
    `local.settings.sample.json` and the template's defaults. A link in a description is one from docs/.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    source_database_url: str = Field(
        description="URL of the database whose chunks are archived, at PostgreSQL's own port, not at a pooler's. Without a"
        " password a Microsoft Entra token is the password",
        examples=["postgresql://user:password@localhost:5432/tsdb"],
    )
    ledger_database_url: str = Field(
        default="",
        description="URL of the database that holds schema `archival`; empty means the source. A removal and its row of the"
        " ledger are one transaction only where both are in the source",
    )
    redis_url: str = Field(
        description="URL of Redis. `rediss://<object id>@<host>:10000`, without a password, sends a Microsoft Entra token",
        examples=["redis://localhost:6379/0"],
    )
    lake_url: str = Field(
        description="where archives go: an account with a hierarchical namespace, a filesystem, perhaps a prefix",
        examples=["https://<account>.dfs.core.windows.net/<filesystem>"],
    )
    lake_account_key: str | None = Field(
        default=None, description="the lake's key, for local use; without it the app's Microsoft Entra identity is used"
    )
    storage_connection: str | None = Field(
        default=None,
        alias="AzureWebJobsStorage",
        description="connection string of the queues' storage account; with an identity `AzureWebJobsStorage__accountName`"
        " or `AzureWebJobsStorage__queueServiceUri` takes its place",
        examples=["UseDevelopmentStorage=true"],
    )
    storage_account_name: str | None = Field(
        default=None,
        alias="AzureWebJobsStorage__accountName",
        description="name of the queues' storage account, for the app's identity",
    )
    storage_queue_uri: str | None = Field(
        default=None,
        alias="AzureWebJobsStorage__queueServiceUri",
        description="instead of the name: the endpoint of the account's queues",
    )
    events_stream: str = Field(default="archival.events", description="Redis stream of events")
    events_group: str = Field(default="archival-service", description="consumer group that drains the events")
    results_stream: str = Field(default="archival.results", description="Redis stream of results")
    dead_stream: str = Field(default="archival.events.dead", description="Redis stream of events that could not be used")
    archive_queue: str = Field(
        default="archive-chunks", description="storage queue of archives; the host makes `<name>-poison` beside each queue"
    )
    restore_queue: str = Field(default="restore-chunks", description="storage queue of restores")
    part_queue: str = Field(
        default="archive-parts",
        description="storage queue by which the worker of a large chunk calls others to help with its parts",
    )
    removal_queue: str = Field(
        default="remove-chunks", description="storage queue of removals that the timer `remove_chunks` shares out"
    )
    verify_queue: str = Field(
        default="verify-archives", description="storage queue of verifications that the timer `verify_archives` shares out"
    )
    drain_max_events: int = Field(default=10_000, ge=1, description="events that one drain takes at most")
    drain_max_seconds: float = Field(default=45.0, gt=0, description="seconds that one drain goes on at most")
    event_max_deliveries: int = Field(
        default=5,
        ge=1,
        description="an event that was delivered more often is tried alone, and goes to the dead stream when it has failed"
        " as often by itself",
    )
    event_claim_idle: timedelta = Field(
        default=timedelta(minutes=5),
        description="after this time without an acknowledgement another consumer's event is taken over",
    )
    events_keep_for: timedelta = Field(
        default=timedelta(days=7),
        ge=timedelta(0),
        description="how long a drained event stays in its stream, from when the service first saw the entry. What a"
        " consumer group still has to read or to acknowledge [stays](operate.md#streams-and-what-is-kept)",
    )
    events_keep: int = Field(default=100_000, ge=1, description="drained events that stay at most, give or take a hundred")
    results_keep_for: timedelta = Field(
        default=timedelta(days=30),
        ge=timedelta(0),
        description="how long a result stays; where there are consumer groups, at least until all have acknowledged it",
    )
    results_keep: int = Field(default=100_000, ge=1, description="results that stay at most, likewise")
    jobs_keep_for: timedelta = Field(
        default=timedelta(days=90),
        ge=timedelta(days=7),
        description="after this time jobs that failed, were cancelled or skipped [become"
        " counts](operate.md#streams-and-what-is-kept), and entries of `archival.job_event` go. Archives stay",
    )
    job_lease: timedelta = Field(
        default=timedelta(minutes=2), description="how long a worker owns a job without renewing its lease"
    )
    job_time_budget: timedelta = Field(
        default=timedelta(minutes=20),
        description="after this time a run begins no new part, and another run goes on; keep it five minutes below"
        " `functionTimeout` in `host.json`",
    )
    outage_backoff: timedelta = Field(
        default=timedelta(seconds=10),
        gt=timedelta(0),
        le=timedelta(minutes=1),
        description="the longest time between two looks at a [dependency that is away](operate.md#outages). A job that such"
        " a dependency refuses waits up to sixty times as long",
    )
    archive_readers: int = Field(
        default=2, ge=1, le=8, description="parts of a chunk that are read at the same time, each over a connection of its own"
    )
    archive_part_bytes: int = Field(
        default=256 * 1024 * 1024,
        ge=8192,
        description="bytes of PostgreSQL's data in one Parquet file: as much is read again when a run is cut off",
    )
    archive_shared_parts: int = Field(
        default=8,
        ge=2,
        description="a chunk of so many parts is [shared](architecture.md#a-large-chunk-is-shared): instances that help read"
        " parts of it too, each in a snapshot of its own. Compressed chunks are not shared",
    )
    parquet_profile: Literal["fast", "small"] = Field(
        default="fast",
        description="`fast` takes the least time and encodings that every reader knows; `small` makes fewer bytes, by"
        " sorting and newer encodings, see [performance.md](performance.md)",
    )
    removal_policy: Literal["keep", "drop"] = Field(
        default="keep", description="what becomes of archived chunks for which neither their request nor a policy decides"
    )
    removal_grace: timedelta = Field(default=timedelta(days=1), description="the least time between an archive and the removal")
    table_readers: timedelta = Field(
        default=timedelta(days=7),
        ge=timedelta(0),
        description="how long the folder of a superseded archive stays for who reads an older version of its table",
    )
    lake_replication: Literal["auto", "geo", "local"] = Field(
        default="auto",
        description="whether a chunk waits until its archive is in the account's second region: `auto` asks the account for"
        " its kind of redundancy, `geo` waits, `local` does not",
    )
    verify_every: timedelta = Field(
        default=timedelta(days=30), description="how often an archive is read again and compared with its manifest"
    )
    verify_sample: float = Field(
        default=1.0, ge=0, le=1, description="share of the files whose content is read then; lengths are always compared"
    )
    policy_backlog: int = Field(
        default=200, ge=1, description="jobs of policies that are queued or running at a time, all hypertables together"
    )
    query_role: str = Field(
        default="",
        description="the database role that [questions](query.md) read tables as (section 6 of [grants.sql](grants.sql))."
        " Without it `POST /queries` answers `queries-off`",
    )
    query_seconds: float = Field(
        default=60.0, gt=0, le=220, description="seconds after which a question ends; HTTP itself ends after 230"
    )
    query_memory: int = Field(default=512, ge=64, description="MiB that DuckDB may hold for one question")
    query_rows: int = Field(default=100_000, ge=1, description="rows of an answer at most; `cut` says that there were more")
    query_result_seconds: float = Field(
        default=900.0, ge=1, description="seconds after which a question ends whose result is written below `results/`"
    )
    query_result_mib: int = Field(default=4096, ge=1, description="MiB of such a result at most, before it is compressed")
    query_results_kept: timedelta = Field(
        default=timedelta(days=1),
        ge=timedelta(minutes=1),
        # what the account deletes by itself (infra/modules/lake.bicep) has expired by then
        le=timedelta(days=28),
        description="how long results stay below `results/` in the lake",
    )
    queries_at_a_time: int = Field(
        default=2, ge=1, le=16, description="questions that one instance answers at a time; others wait"
    )
    cost_database_gb_month: float = Field(
        default=0.115,
        ge=0,
        description="price of a GB that the database keeps for a month, by which it is told [what archives save](cost.md)",
    )
    cost_lake_gb_month: float = Field(default=0.023, ge=0, description="price of a GB that the lake keeps for a month")
    cost_currency: str = Field(
        default="USD", max_length=12, description="currency of both prices: a word beside the number, nothing is converted"
    )
    trace_url: str = Field(
        default="", description="address where a trace is looked at, with `{trace_id}` in it: the console links to it"
    )
    telemetry_exporter: Literal["azuremonitor", "opencensus", "otlp", "none"] | None = Field(
        default=None,
        description="what sends [telemetry](telemetry.md); empty means `azuremonitor` if there is a connection string",
    )
    applicationinsights_connection_string: str | None = Field(
        default=None, description="where `azuremonitor` and `opencensus` send to"
    )
    applicationinsights_authentication_string: str | None = Field(
        default=None,
        description="`Authorization=AAD` or `Authorization=AAD;ClientId=…`: telemetry is sent with the app's identity",
    )
    otel_traces_sampler: str = Field(default="always_on", description="OpenTelemetry's own: which spans are kept")
    website_auth_enabled: bool = Field(
        default=False,
        description="set by the platform alone, where App Service authentication is on. Only then is the signed-in caller's"
        " name, `X-MS-CLIENT-PRINCIPAL-NAME`, believed and recorded, since elsewhere anybody could write one",
    )

    @field_validator("telemetry_exporter", "applicationinsights_connection_string", mode="before")
    @classmethod
    def _unset(cls, value: object) -> object:
        return value or None

    @field_validator("website_auth_enabled", mode="before")
    @classmethod
    def _said(cls, value: object) -> bool:
        return str(value).lower() in ("true", "1")

    @field_validator("source_database_url", "ledger_database_url")
    @classmethod
    def _postgresql(cls, value: str) -> str:
        if value and urlsplit(value).scheme not in ("postgresql", "postgres"):
            raise ValueError("must be a postgresql:// URL")
        return value

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, value: str) -> str:
        if urlsplit(value).scheme not in ("redis", "rediss"):
            raise ValueError("must be a redis:// or rediss:// URL")
        return value

    @field_validator("lake_url")
    @classmethod
    def _lake(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.netloc or not parts.path.strip("/"):
            raise ValueError("must be https://<account>.dfs.core.windows.net/<filesystem>[/<prefix>]")
        return value.rstrip("/")

    @field_validator("trace_url")
    @classmethod
    def _trace(cls, value: str) -> str:
        if value and (urlsplit(value).scheme not in ("http", "https") or "{trace_id}" not in value):
            raise ValueError("must be an http(s):// address with {trace_id} in it")
        return value

    @property
    def ledger_url(self) -> str:
        """Where the ledger is: its own database, or the source."""
        return self.ledger_database_url or self.source_database_url

    @property
    def exporter(self) -> Literal["azuremonitor", "opencensus", "otlp", "none"]:
        """What sends telemetry: what is said, else Azure Monitor if there is one, else nothing."""
        return self.telemetry_exporter or ("azuremonitor" if self.applicationinsights_connection_string else "none")

    @property
    def queue_service_url(self) -> str | None:
        """The queue endpoint for identity-based access, in either form that the host understands."""
        if self.storage_queue_uri or not self.storage_account_name:
            return self.storage_queue_uri
        return f"https://{self.storage_account_name}.queue.core.windows.net"


@cache
def load() -> Settings:
    """The settings of this process.

    Raises `SettingsError` that names every missing or wrong setting and never repeats a value, since values hold passwords.
    """
    try:
        settings = Settings()  # type: ignore[call-arg]  # the environment fills it
    except ValidationError as error:
        problems = "; ".join(
            f"{_setting_name(problem['loc'])}: "
            + ("is not set" if problem["type"] == "missing" else problem["msg"].removeprefix("Value error, "))
            for problem in error.errors(include_input=False, include_url=False)
        )
        raise SettingsError(f"wrong settings: {problems}") from None
    if not settings.storage_connection and not settings.queue_service_url:
        raise SettingsError("wrong settings: AzureWebJobsStorage: is not set (nor AzureWebJobsStorage__queueServiceUri)")
    if settings.lake_url.startswith("http:") and not settings.lake_account_key:
        raise SettingsError("wrong settings: LAKE_URL: http:// needs LAKE_ACCOUNT_KEY; a token is sent over https:// only")
    if settings.exporter in ("azuremonitor", "opencensus") and not settings.applicationinsights_connection_string:
        raise SettingsError(
            f"wrong settings: APPLICATIONINSIGHTS_CONNECTION_STRING: is not set, and TELEMETRY_EXPORTER is {settings.exporter}"
        )
    return settings


def exporter_alone() -> Settings:
    """What leads to Application Insights, whatever else is missing or wrong: the rest has its defaults, or nothing.

    For telling what is wrong where nobody sees a log.
    """
    names = ("APPLICATIONINSIGHTS_CONNECTION_STRING", "APPLICATIONINSIGHTS_AUTHENTICATION_STRING")
    return Settings.model_construct(**{name.lower(): os.environ.get(name) for name in names})  # type: ignore[arg-type]


def _setting_name(location: tuple[int | str, ...]) -> str:
    name = str(location[0]) if location else "settings"
    return name if name.startswith("AzureWebJobs") else name.upper()
