"""An answer is asked for once while it is good, and its absence is an answer too."""

from __future__ import annotations

import asyncio

from archival_core.errors import TransientError
from archival_core.flows.insight.cached import Cached


async def test_many_ask_and_one_question_is_put() -> None:
    asked = 0

    async def ask() -> int:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.01)
        return asked

    cached = Cached("it", ask, good_for=60, deadline=5)
    answers = await asyncio.gather(*(cached.get() for _ in range(20)))
    assert {answer.value for answer in answers} == {1}
    assert all(0.01 <= answer.seconds < 1 for answer in answers)


async def test_an_old_answer_is_asked_for_again() -> None:
    values = iter((1, 2))

    async def ask() -> int:
        return next(values)

    cached = Cached("it", ask, good_for=0, deadline=5)
    assert [(await cached.get()).value, (await cached.get()).value] == [1, 2]


async def test_a_question_that_is_put_meanwhile_takes_no_answer_away() -> None:
    slow = asyncio.Event()

    async def ask() -> int:
        await slow.wait()
        return 1

    cached = Cached("it", ask, good_for=0, deadline=5)
    waiting = asyncio.create_task(cached.get())
    await asyncio.sleep(0)
    question = cached._asking
    assert question is not None
    # when the question ends, the first to hear it puts another before the one who waited goes on
    question.add_done_callback(lambda _: setattr(cached, "_asking", asyncio.get_running_loop().create_task(asyncio.sleep(60))))
    slow.set()
    assert (await waiting).value == 1
    again = cached._asking
    assert again is not question and again is not None
    again.cancel()


async def test_who_has_little_time_hears_what_was_true_a_moment_ago() -> None:
    values = iter((1, 2))
    slow = asyncio.Event()

    async def ask() -> int:
        value = next(values)
        if value == 2:
            await slow.wait()
        return value

    cached = Cached("it", ask, good_for=0, deadline=5)
    first = await cached.get(within=1)
    assert first.value == 1
    assert await cached.get(within=1) is first
    slow.set()
    # the question that was put meanwhile has its answer for whoever comes next
    assert (await cached.get()).value == 2


async def test_what_fails_or_takes_too_long_says_nothing_and_is_no_old_answer() -> None:
    behaviours = iter(("good", "fails", "hangs", "good"))

    async def ask() -> str:
        behaviour = next(behaviours)
        if behaviour == "fails":
            raise TransientError("away", code="database")
        if behaviour == "hangs":
            await asyncio.sleep(60)
        return behaviour

    cached = Cached("it", ask, good_for=0, deadline=0.05)
    assert [(await cached.get()).value for _ in range(4)] == ["good", None, None, "good"]
