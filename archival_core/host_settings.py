"""Settings that the host and libraries read from the same environment as the service, which reads none of them itself.

They are models so that `make docs` writes them into the same lists as `Settings`; nothing makes an instance.
"""

from __future__ import annotations

from pydantic import BaseModel, Field


class HostSettings(BaseModel):
    """Settings that every app has: the timers' schedules (NCRONTAB with seconds, UTC) and how memory is allocated."""

    drain_schedule: str = Field(default="*/15 * * * * *", description="NCRONTAB with seconds, UTC: when events are drained")
    commit_schedule: str = Field(
        default="20 * * * * *", description="when the [tables in the lake](reading.md) follow marks and ledger"
    )
    removal_schedule: str = Field(default="0 */5 * * * *", description="when chunks that are due are removed")
    verify_schedule: str = Field(default="0 */15 * * * *", description="when archives that are due are read again")
    reconcile_schedule: str = Field(
        default="30 */5 * * * *",
        description="when ledger, lake, queue and policies are compared, and what a crash left undone is done",
    )
    arrow_default_memory_pool: str = Field(
        default="system",
        description="Arrow's own: with the next setting it keeps the [worker's memory](performance.md#memory) flat",
    )
    glibc_tunables: str = Field(
        default="glibc.malloc.arena_max=2:glibc.malloc.mmap_threshold=3000000:glibc.malloc.hugetlb=1",
        description="the C library's own: threads share what one frees, large blocks go back to the system at once, and"
        " pages are large where the kernel has them",
    )


class AzureSettings(BaseModel):
    """Settings that the template adds for the host and the Azure libraries; without a default where only a deployment knows the
    value."""

    credential: str = Field(
        default="managedidentity",
        alias="AzureWebJobsStorage__credential",
        description="the host reaches its storage with the identity of the next line",
    )
    client_id: str = Field(alias="AzureWebJobsStorage__clientId", description="client id of the app's identity")
    azure_client_id: str = Field(description="the same id: which identity `DefaultAzureCredential` means")
    azure_token_credentials: str = Field(
        default="ManagedIdentityCredential",
        description="the identity is asked at once, before the credentials of developers' tools",
    )
    python_enable_opentelemetry: str = Field(
        description="`true` unless telemetry is off: the worker sends its own telemetry, and takes over the host's trace"
        " context"
    )
