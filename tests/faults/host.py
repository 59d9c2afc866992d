"""Plays the functions host: timers tick, queue messages are delivered, come again, and are poisoned after five deliveries.

Time passes as fast as the harness wants: a message whose worker was killed is visible again at once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.faults import preload, worker
from tests.faults.worker import PATIENCE_SECONDS, Interruption, Order, Outcome
from tests.faults.world import World

_HIDDEN_SECONDS = 600
_MAX_DELIVERIES = 5


@dataclass(slots=True)
class Plan:
    """What happens to one coming invocation of `function`: to the first that it can happen to."""

    function: str
    interruption: Interruption | None = None
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Invocation:
    """One that has ended."""

    function: str
    outcome: Outcome


@dataclass(slots=True)
class Host:
    """Invokes the app's functions for one world."""

    world: World
    timers: Sequence[str]
    #: for every invocation: a clock, a sabotage
    options: dict[str, Any] = field(default_factory=dict)
    plan: Plan | None = None
    invocations: list[Invocation] = field(default_factory=list)
    #: one process does every invocation, as the platform's do: its connections stay open from one to the next
    stays: bool = False
    #: so many messages that were done cannot be deleted, and come again
    undeletable: int = 0
    _workers: list[worker.Worker] = field(default_factory=list)

    def start(self, function: str, body: str | None = None, **options: Any) -> worker.Worker:
        """Begin an invocation and return its worker."""
        if self.plan is not None and self.plan.function == function:
            options = {"interruption": self.plan.interruption, **self.plan.options, **options}
        options = {**self.options, "stays": self.stays, **options}
        order = Order(function, dict(self.world.environment), self.world.log, body, **options)
        if self.stays and self._workers and self._workers[-1].process.is_alive():
            self._workers[-1].ask(order)
        else:
            self._workers.append(worker.start(order))
        return self._workers[-1]

    def processes(self) -> set[int]:
        """Of all invocations so far."""
        return {worker.process.pid for worker in self._workers}

    def close(self) -> None:
        """End what still runs, or is paused."""
        for left in self._workers:
            if left.process.is_alive():
                left.kill()
            left.process.join()

    def begin(self, function: str, **options: Any) -> Running:
        """Begin an invocation as the host would: a timer, or a queue function with its next message."""
        queue = self.queue_functions().get(function)
        if queue is None:
            return Running(self, function, self.start(function, **options))
        [message] = self.messages(queue, 1)
        return Running(self, function, self.start(function, message.content, **options), queue, message)

    def invoke(self, function: str, body: str | None = None, **options: Any) -> Outcome:
        """One whole invocation."""
        outcome = self.start(function, body, **options).outcome()
        self.invocations.append(Invocation(function, outcome))
        if self.plan is not None and self.plan.function == function and not outcome.succeeded:
            self.plan = None
        return outcome

    def run(self, function: str, at_most: int | None = None) -> bool:
        """A timer once, or a queue function with every message that waits, or so many; whether there was any message."""
        queue = self.queue_functions().get(function)
        if queue is None:
            self.invoke(function)
            return False
        messages = self.messages(queue, at_most)
        for message in messages:
            self.settle(queue, message, self.invoke(function, message.content).succeeded)
        return bool(messages)

    def round(self) -> bool:
        """Every timer once, and every message that waits; whether there was any message."""
        for timer in self.timers:
            self.run(timer)
        # not any(): every queue has its turn
        return sum(self.run(function) for function in self.queue_functions()) > 0

    def queue_functions(self) -> dict[str, str]:
        """Function and queue of each queue trigger of the app, poison queues last."""
        names = {}
        for name, function in preload.FUNCTIONS.items():
            trigger = function.get_trigger()
            assert trigger is not None, name
            binding = trigger.get_dict_repr()
            if binding["type"] == "queueTrigger":
                names[name] = re.sub(r"%(\w+)%", lambda match: self.world.environment[match[1]], binding["queueName"])
        return dict(sorted(names.items(), key=lambda item: item[1].endswith("-poison")))

    def messages(self, queue: str, at_most: int | None = None) -> list[Any]:
        """Take visible messages; they are hidden until `settle`."""
        client = self.world.queue(queue)
        return list(
            client.receive_messages(messages_per_page=at_most or 32, max_messages=at_most, visibility_timeout=_HIDDEN_SECONDS)
        )

    def has_work(self, function: str) -> bool:
        """Whether it is a timer's, or has a message that it can take."""
        queue = self.queue_functions().get(function)
        return queue is None or bool(self.world.queue(queue).peek_messages())

    def hidden(self) -> bool:
        """Whether any queue has messages that are not visible yet."""
        return any(
            self.world.queue(queue).get_queue_properties().approximate_message_count
            for queue in self.queue_functions().values()
        )

    def settle(self, queue: str, message: Any, succeeded: bool) -> None:
        """What the host does with a message after its invocation."""
        client = self.world.queue(queue)
        if succeeded and self.undeletable:
            self.undeletable -= 1
            client.update_message(message, visibility_timeout=0)
        elif succeeded:
            client.delete_message(message)
        elif message.dequeue_count < _MAX_DELIVERIES or queue.endswith("-poison"):
            client.update_message(message, visibility_timeout=0)
        else:
            self.world.queue(f"{queue}-poison").send_message(message.content)
            client.delete_message(message)


def app_timers() -> list[str]:
    """Every timer of the app, whether a story needs it or not."""
    triggers = {name: function.get_trigger() for name, function in preload.FUNCTIONS.items()}
    return sorted(name for name, found in triggers.items() if found and found.get_dict_repr()["type"] == "timerTrigger")


@dataclass(slots=True)
class Running:
    """An invocation that has begun; `end` waits for it and does with its message what the host does."""

    host: Host
    function: str
    worker: worker.Worker
    queue: str = ""
    message: Any = None

    def end(self, seconds: float = PATIENCE_SECONDS) -> Outcome:
        """Wait, but no longer than so many seconds."""
        outcome = self.worker.outcome(seconds)
        self.host.invocations.append(Invocation(self.function, outcome))
        if self.message is not None:
            self.host.settle(self.queue, self.message, outcome.succeeded)
        return outcome
