"""Several instances that read one chunk's parts, and what happens before and after each part."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from azure.core.exceptions import ResourceExistsError
from azure.storage.queue import QueueClient, TextBase64DecodePolicy

from archival_core import settings
from archival_core.flows.archive.part_archiver import PartArchiver
from archival_core.ledger.jobs.shared_parts import SharedParts
from archival_core.model.jobs.message import JobMessage
from archival_core.runtime import Runtime

if TYPE_CHECKING:
    from tests.acceptance.conftest import Service

MINUTE = timedelta(minutes=1)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHIVE_PART_BYTES", str(8 * 8192))
    monkeypatch.setenv("ARCHIVE_SHARED_PARTS", "4")


@pytest.fixture
def one_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts are read in their order."""
    monkeypatch.setenv("ARCHIVE_READERS", "1")


@pytest.fixture
async def other(service: Service) -> AsyncIterator[Runtime]:
    """Another instance of the service."""
    instance = Runtime(settings.load())
    yield instance
    await instance.close()


Part = Callable[[PartArchiver, int], Awaitable[None]]


class Readings:
    """Whoever archives a part, and what happens before and after."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        #: number of the part and identifier of the snapshot, by the lake's client of who reads it
        self.seen: list[tuple[object, int, str]] = []
        self.before: Part | None = None
        self._after: list[Callable[[], Any]] = []
        archive = PartArchiver.archive

        async def noted(archiver: PartArchiver, number: int, *given: Any) -> Any:
            self.seen.append((archiver.lake, number, archiver.snapshot_id))
            if self.before is not None:
                await self.before(archiver, number)
            return await archive(archiver, number, *given)

        finish = SharedParts.finish

        async def finished(*given: Any) -> None:
            await finish(*given)
            if self._after:
                await asyncio.to_thread(self._after.pop())

        monkeypatch.setattr(PartArchiver, "archive", noted)
        monkeypatch.setattr(SharedParts, "finish", finished)

    @property
    def snapshots(self) -> int:
        return len({snapshot for _, _, snapshot in self.seen})

    @property
    def numbers(self) -> Counter[int]:
        return Counter(number for _, number, _ in self.seen)

    def of(self, instance: Runtime) -> int:
        return sum(lake is instance.lake for lake, _, _ in self.seen)

    def once(self, happens: Callable[[], Any]) -> None:
        """Let something happen when a first part is finished."""
        self._after = [happens]


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> Readings:
    return Readings(monkeypatch)


def calls(service: Service) -> list[JobMessage]:
    """The messages that call others to help."""
    with QueueClient.from_connection_string(
        service.names["AzureWebJobsStorage"], service.names["PART_QUEUE"], message_decode_policy=TextBase64DecodePolicy()
    ) as queue:
        with suppress(ResourceExistsError):
            queue.create_queue()
        found = []
        for message in queue.receive_messages(messages_per_page=32):
            found.append(JobMessage.from_json(message.content))
            queue.delete_message(message)
        return found


async def helped(service: Service, other: Runtime, *, until: Callable[[], bool]) -> int:
    """The other instance takes every message, as its host would; returns how many."""
    taken = 0
    while not until():
        for message in calls(service):
            await other.sharing_parts.help(message, MINUTE)
            taken += 1
        await asyncio.sleep(0.02)
    return taken
