"""Settings: the only reader of the environment."""

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
    """Everything that can be set, from environment variables (app settings) of the same name in capitals."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    #: PostgreSQL URL of the database whose chunks are archived
    source_database_url: str
    #: PostgreSQL URL of the ledger; the source database when absent
    ledger_database_url: str = ""
    redis_url: str
    events_stream: str = "archival.events"
    events_group: str = "archival-service"
    results_stream: str = "archival.results"
    dead_stream: str = "archival.events.dead"
    #: https://<account>.dfs.core.windows.net/<filesystem>[/<prefix>]
    lake_url: str
    #: for local use only; without it the app's Microsoft Entra identity is used
    lake_account_key: str | None = None
    #: connection string of the queue's storage account
    storage_connection: str | None = Field(default=None, alias="AzureWebJobsStorage")
    #: instead of the connection string: the queue endpoint, with the app's identity
    storage_queue_uri: str | None = Field(default=None, alias="AzureWebJobsStorage__queueServiceUri")
    storage_account_name: str | None = Field(default=None, alias="AzureWebJobsStorage__accountName")
    archive_queue: str = "archive-chunks"
    restore_queue: str = "restore-chunks"
    #: what the timers of removal and verification share with other instances
    removal_queue: str = "remove-chunks"
    verify_queue: str = "verify-archives"
    #: how many events one drain takes at most, and for how long it goes on
    drain_max_events: int = Field(default=10_000, ge=1)
    drain_max_seconds: float = Field(default=45.0, gt=0)
    #: an event delivered more often than this goes to the dead stream
    event_max_deliveries: int = Field(default=5, ge=1)
    #: how long an event of another consumer may stay unacknowledged before it is taken over
    event_claim_idle: timedelta = timedelta(minutes=5)
    #: an event that is drained, and a result that every group has read, goes after this; by the time that the service saw
    #: the entry
    events_keep_for: timedelta = Field(default=timedelta(days=7), ge=timedelta(0))
    results_keep_for: timedelta = Field(default=timedelta(days=30), ge=timedelta(0))
    #: entries that stay in the stream at most, of those that may go
    events_keep: int = Field(default=100_000, ge=1)
    results_keep: int = Field(default=100_000, ge=1)
    #: jobs that failed, were cancelled or skipped are folded into sums after this; requests are recognised for 7 days
    jobs_keep_for: timedelta = Field(default=timedelta(days=90), ge=timedelta(days=7))
    #: how long a worker owns a job without renewing
    job_lease: timedelta = timedelta(minutes=2)
    #: parts of a chunk that are read at the same time, each over a connection of its own
    archive_readers: int = Field(default=2, ge=1, le=8)
    #: of PostgreSQL's data, in each Parquet file: how much is read again when a run is cut off
    archive_part_bytes: int = Field(default=256 * 1024 * 1024, ge=8192)
    #: `fast`: the least time and encodings that every reader knows; `small`: fewer bytes, by sorting and newer encodings
    parquet_profile: Literal["fast", "small"] = "fast"
    #: after this a run begins no new part and leaves the rest to another one; keep it below the host's functionTimeout
    job_time_budget: timedelta = timedelta(minutes=20)
    #: the longest time between two looks at a dependency that is away; a job that such a dependency refuses waits up to sixty
    #: times as long
    outage_backoff: timedelta = Field(default=timedelta(seconds=10), gt=timedelta(0), le=timedelta(minutes=1))
    removal_policy: Literal["keep", "drop"] = "keep"
    removal_grace: timedelta = timedelta(days=1)
    #: whether chunks wait until their archives are in the account's second region: `auto` asks the account
    lake_replication: Literal["auto", "geo", "local"] = "auto"
    #: an archive is read again and compared with its manifest so often
    verify_every: timedelta = timedelta(days=30)
    #: share of the files whose content is read then, the others' lengths are compared
    verify_sample: float = Field(default=1.0, ge=0, le=1)
    #: how long the folder of a superseded archive stays for who reads an older version of the table
    table_readers: timedelta = Field(default=timedelta(days=7), ge=timedelta(0))
    #: jobs of policies that are queued or running at a time, all hypertables together
    policy_backlog: int = Field(default=200, ge=1)
    #: of a GB that is kept for a month: what archives save is told by these prices
    cost_database_gb_month: float = Field(default=0.115, ge=0)
    cost_lake_gb_month: float = Field(default=0.023, ge=0)
    cost_currency: str = Field(default="USD", max_length=12)
    #: where a trace is looked at; `{trace_id}` stands for its id
    trace_url: str = ""
    #: the role that questions read tables as; without it none are answered
    query_role: str = ""
    #: of one question: seconds, MiB that DuckDB may hold, rows of the answer; HTTP itself ends after 230 seconds
    query_seconds: float = Field(default=60.0, gt=0, le=220)
    query_memory: int = Field(default=512, ge=64)
    query_rows: int = Field(default=100_000, ge=1)
    #: questions that one instance answers at a time
    queries_at_a_time: int = Field(default=2, ge=1, le=16)
    #: what sends telemetry; see `exporter`
    telemetry_exporter: Literal["azuremonitor", "opencensus", "otlp", "none"] | None = None
    applicationinsights_connection_string: str | None = None
    #: `Authorization=AAD[;ClientId=…]`: telemetry is sent with the app's identity, as the host's own is
    applicationinsights_authentication_string: str | None = None
    #: OpenTelemetry's own: which spans are kept
    otel_traces_sampler: str = "always_on"
    #: the platform's own, never set by hand: App Service authentication signs callers in
    website_auth_enabled: bool = False

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
