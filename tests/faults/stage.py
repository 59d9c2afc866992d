"""A stage: one story in one world, with its host; scenarios play on it."""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from tests.faults.host import Host, Running, app_timers
from tests.faults.steps import Step, When
from tests.faults.stories import STORIES, Story
from tests.faults.worker import Action, Interruption
from tests.faults.world import World

#: Rounds of ordinary redelivery in which everything must have come right, without those that only wait for a hidden message.
_ROUNDS = 10
_PATIENCE_SECONDS = 90.0
#: Drains that a scenario begins with, if the first ones wait.
_DRAINS = 5


def any_story[F: Callable[..., None]](scenario: F) -> F:
    """A scenario that every story can have, but for the long one; the others need an event and the archive of its chunk."""
    scenario.stories = ("archive", "removal", "restore")  # type: ignore[attr-defined]
    return scenario


def where_chunks_leave[F: Callable[..., None]](scenario: F) -> F:
    """A scenario for the stories in which rows leave the database: only then they can be lost."""
    scenario.stories = tuple(name for name, story in STORIES.items() if story.removes)  # type: ignore[attr-defined]
    return scenario


#: The steps of each function of a story and of each timer, as a run without faults met them.
Trace = dict[str, Sequence[Step]]


class NotRecoveredError(AssertionError):
    """Redelivery did not put things right."""


@dataclass(slots=True)
class Stage:
    """What a scenario gets."""

    world: World
    story: Story
    host: Host
    rng: random.Random
    trace: Callable[[], Trace]
    #: what the scenario did, for the report of a failure
    notes: list[str]
    #: whether the fault was met; a scenario that knows says so
    struck: bool = True
    #: chunks that are not what was asked for any more: their jobs have to end, whatever becomes of them
    excused: set[str] = field(default_factory=set)

    def play(self) -> None:
        """Ask, and work once through it."""
        self.story.ask(self.world)
        self.host.round()
        for _ in self._unread():
            self.host.round()

    def approach(self, function: str) -> None:
        """Ask, and do what comes before `function`."""
        self.story.ask(self.world)
        for earlier in self.story.functions:
            if earlier == function:
                return
            self.host.run(earlier)
            for _ in self._unread():
                self.host.run(earlier)

    def _unread(self) -> Iterator[None]:
        """For each time that events still wait to be drained, though nothing was to interrupt the drain.

        On a busy machine a new ledger may take longer for its first answer than a drain waits for it.
        """
        for _ in range(_DRAINS):
            if self.host.plan is not None or not self.world.has_unread_events():
                return
            yield

    def timers(self) -> list[str]:
        """The timers of the app that have met a step."""
        return [timer for timer in app_timers() if self.trace().get(timer)]

    def step(self, function: str, like: str = "", when: When | None = None) -> Step:
        """One of its steps, if it has any like that one: every name is as likely as every other, however often it is met."""
        found = [step for step in self.trace()[function] if re.search(like, step.name) and (when is None or step.when == when)]
        found = found or list(self.trace()[function])
        name = self.rng.choice(sorted({step.name for step in found}))
        step = self.rng.choice(sorted({step for step in found if step.name == name}))
        self.note(f"{function} {step}")
        return step

    def begin_until(self, function: str, step: Step, action: Action = "pause") -> Running | None:
        """Begin `function` and wait until it pauses at the step; `None` if it ended without meeting it."""
        running = self.host.begin(function, interruption=Interruption(step, action))
        if running.worker.wait_paused():
            return running
        self.struck = False
        running.end()
        return None

    def give_up_nothing(self) -> None:
        """Neither a job nor an event nor a message was given up: all of them would have worked a while later."""
        world = self.world
        failed = [f"{job['chunk']}: {job['error']}" for job in world.jobs() if job["status"] == "failed"]
        assert not failed, f"jobs have failed that would have worked: {failed}"
        assert not world.dead(), f"events are buried that would have worked: {world.dead()}"
        poison = [queue for queue in self.host.queue_functions().values() if queue.endswith("-poison")]
        messages = {name: world.queue(name).get_queue_properties().approximate_message_count for name in poison}
        assert not any(messages.values()), f"messages are poison that would have worked: {messages}"

    def note(self, text: str) -> None:
        """Remember what was done."""
        self.notes.append(text)

    def archive_again(self, *chunks: str) -> None:
        """A person has chunks archived anew, whatever archives there are, and removed where the story removes."""
        body = json.dumps({"chunks": chunks, "remove": self.story.removes})
        outcome = self.host.invoke("request_archive", body)
        assert outcome.succeeded, f"the request failed: {outcome.error}"

    def _unsettled(self) -> list[str]:
        found = self.story.unsettled(self.world)
        if self.excused:
            found = [said for said in found if said.partition(" ")[0].rpartition(".")[2] not in self.excused]
            live = [job for job in self.world.jobs() if job["status"] in ("queued", "running")]
            found += [f"{job['chunk']} is still {job['status']}" for job in live]
        return found

    def reconcile(self) -> None:
        """The reconcile timer, and what it sends."""
        self.world.let_time_pass()
        outcome = self.host.invoke("reconcile")
        assert outcome.succeeded, f"reconcile failed: {outcome.error}"
        self.recover()

    def commit(self) -> None:
        """The timer of the tables in the lake; what is due is in their logs after that."""
        outcome = self.host.invoke("commit_tables")
        assert outcome.succeeded, f"commit_tables failed: {outcome.error}"

    def recover(self) -> None:
        """The fault is over: the host goes on as always, until all is as it was asked; raises `NotRecoveredError`."""
        self.world.servers.heal()
        self.host.plan = None
        self.go_on()

    def go_on(self) -> None:
        """The host goes on as always, whatever the weather, until all is as it was asked; raises `NotRecoveredError`."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        rounds = 0
        while rounds < _ROUNDS and time.monotonic() < deadline:
            self.world.let_time_pass()
            waiting = self.host.round()
            unsettled = self._unsettled()
            hidden = self.host.hidden()
            # a hidden message is a duplicate then: whoever found a job in other hands has it looked at once more
            if not unsettled and not (waiting and hidden):
                return
            if hidden and not waiting:
                time.sleep(0.25)
            else:
                rounds += 1
        states = [f"{job['chunk']} {job['status']} {job['error']}" for job in self.world.jobs()]
        raise NotRecoveredError(f"{'; '.join(unsettled) or 'messages without an end'}; the ledger: {states}")
