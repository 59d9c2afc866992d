"""Archives of before the lake's tables had a schema are written anew once, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from archival_core.errors import LostLeaseError
from archival_core.flows.archive.part_archiver import PartArchiver
from archival_core.flows.archive.publishing import Publishing
from archival_core.flows.archive.retiring import Retiring
from archival_core.flows.tables.migrating import rewriting
from archival_core.flows.tables.migrating.outdated import Way
from archival_core.lake.client import LakehouseClient
from archival_core.ledger.archives.rewrites import Rewrites
from archival_core.ledger.jobs.job_life import Ledger
from archival_core.model.jobs.message import JobMessage
from archival_core.source.restore.proof import copying
from archival_core.source.state.marks import handing_over
from tests.acceptance.migrating import (
    answers,
    ask,
    check_migrated,
    check_table,
    expire_leases,
    marks,
    migrate,
    older,
    texts,
)
from tests.kit.worlds import MINUTE, World, most_telling_apart

pytestmark = pytest.mark.usefixtures("at_once")


class KilledError(BaseException):
    """The process ends here, as far as the service can tell: nothing catches it."""


#: Whatever comes first of a step: who is killed there has done all of the steps before.
STEPS = (
    (copying, "copy"),
    (PartArchiver, "archive"),
    (copying, "check_same"),
    (Publishing, "publish"),
    (LakehouseClient, "publish_directory"),
    (rewriting, "write_manifest"),
    (handing_over, "hand_over"),
    # the source has committed, where the ledger is elsewhere
    (Rewrites, "finish"),
    (Retiring, "retire"),
)


async def kill(world: World, message: JobMessage, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> None:
    async def killed(*_: object, **__: object) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, killed)
        with pytest.raises(BaseException) as raised:
            await world.service.runtime.archival_processor.process(message)
    assert raised.group_contains(KilledError) if isinstance(raised.value, BaseExceptionGroup) else raised.type is KilledError
    expire_leases(world)


@most_telling_apart
@pytest.mark.slow
async def test_killed_at_any_step_and_run_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = await older(world)
    before = await answers(world)
    await ask(world)
    [message] = world.service.messages()
    for owner, name in STEPS:
        await kill(world, message, monkeypatch, owner, name)
        assert len(marks(world)) == 1
        assert await answers(world) == before, name
    await world.service.runtime.archival_processor.process(message)
    await check_table(world, check_migrated(world))
    assert await answers(world) == before
    assert await migrate(world) == []
    await world.restore()
    assert texts(world) == rows


@most_telling_apart
async def test_reconcile_finishes_what_a_crash_left(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await older(world)
    before = await answers(world)
    await ask(world)
    [message] = world.service.messages()
    await kill(world, message, monkeypatch, Rewrites, "finish")
    # a commit that may find the ledger behind the marks: then neither archive enters or leaves
    await world.service.runtime.table_commits.commit_due(MINUTE)
    # somebody believes that marks were lost
    await world.service.runtime.mark_rebuild.owe_all()
    assert await answers(world) == before
    await world.reconcile()
    # nothing has happened in a ledger in the source, and its job goes on
    await world.service.runtime.archival_processor.process(message)
    await check_table(world, check_migrated(world))
    assert await answers(world) == before


@most_telling_apart
async def test_two_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await older(world)
    before = await answers(world)
    planned = await asyncio.gather(*(ask(world) for _ in range(3)))
    assert [job["status"] for job in world.jobs()].count("queued") == 1
    assert {one.way for plan in planned for one in plan} <= {Way.REWRITE, Way.UNDER_WAY}
    message, *_ = world.service.messages()
    process, hand_over = world.service.runtime.archival_processor.process, handing_over.hand_over

    async def overtaken(*given: Any) -> None:
        """While the first worker is about to hand the mark over, its lease passes on."""
        monkeypatch.setattr(handing_over, "hand_over", hand_over)
        expire_leases(world)
        await process(message)
        await hand_over(*given)

    async def paused(*_: object) -> None:
        """A worker that does not renew its lease."""

    # with a ledger elsewhere the first worker has the rows locked by then, and the second would wait for it
    if world.ledger_url is None:
        monkeypatch.setattr(Ledger, "renew_lease", paused)
        monkeypatch.setattr(handing_over, "hand_over", overtaken)
        with pytest.raises(LostLeaseError):
            await process(message)
    else:
        await asyncio.gather(process(message), process(message))
    await check_table(world, check_migrated(world))
    assert await answers(world) == before


@most_telling_apart
async def test_a_restore_that_is_faster_keeps_the_archive(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = await older(world)
    before = await answers(world)
    await ask(world)
    [message] = world.service.messages()
    held = Rewrites.held

    @asynccontextmanager
    async def restored_first(*given: Any) -> AsyncIterator[Any]:
        monkeypatch.setattr(Rewrites, "held", held)
        await world.restore()
        async with held(*given) as ledger:
            yield ledger

    monkeypatch.setattr(Rewrites, "held", restored_first)
    await world.service.runtime.archival_processor.process(message)
    former, new = world.jobs()
    assert (new["status"], new["error"]["code"]) == ("failed", "not-rewritable")
    await world.reconcile()
    # what was published for nothing stands in for no rows, and the archive of before goes on
    assert world.statuses() == ["archived", "superseded"]
    assert marks(world) == [(former["job_id"], "restored", former["manifest_sha256"])]
    assert texts(world) == rows and await answers(world) == before


@most_telling_apart
async def test_a_mark_that_says_that_the_rows_are_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger need not know of the restore: it may be elsewhere, or have been put back."""
    await older(world)
    await ask(world)
    [message] = world.service.messages()
    hand_over = handing_over.hand_over

    async def restored_first(*given: Any) -> None:
        world.service.execute("update archival_marks.stand_in set kind = 'restored'")
        await hand_over(*given)

    monkeypatch.setattr(handing_over, "hand_over", restored_first)
    await world.service.runtime.archival_processor.process(message)
    former, new = world.jobs()
    assert (former["status"], new["status"], new["error"]["code"]) == ("removed", "failed", "not-rewritable")
    assert marks(world) == [(former["job_id"], "restored", former["manifest_sha256"])]


@most_telling_apart
async def test_an_archive_of_before_marks_changes_hands_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = await older(world, before_marks=True)
    before, live = await answers(world), texts(world)
    await ask(world)
    [message] = world.service.messages()
    await kill(world, message, monkeypatch, Rewrites, "finish")
    # somebody believes that marks were lost
    await world.service.runtime.mark_rebuild.owe_all()
    if world.ledger_url:
        # the ledger does not know yet that another archive stands in
        await world.restore()
        assert texts(world) == live
    await world.reconcile()
    await world.service.runtime.archival_processor.process(message)
    check_migrated(world)
    assert await answers(world) == before
    await world.restore()
    assert texts(world) == rows
