"""SIGKILL at every named step."""

from __future__ import annotations

from tests.faults.host import Plan
from tests.faults.stage import Stage, any_story
from tests.faults.worker import Interruption


@any_story
def once(stage: Stage) -> None:
    """At one step of one invocation."""
    function = stage.rng.choice(list(stage.story.functions))
    stage.host.plan = Plan(function, Interruption(stage.step(function)))
    stage.play()
    for _ in range(2):  # a function that waits for an earlier one has its turn in a later round
        if stage.host.plan is not None:
            stage.host.round()
    stage.struck = any(invocation.outcome.killed for invocation in stage.host.invocations)


@any_story
def again_and_again(stage: Stage) -> None:
    """At one step, and while the next worker puts that right, and once more."""
    stage.story.ask(stage.world)
    killed = 0
    for _ in range(3):
        function = stage.rng.choice(list(stage.story.functions))
        stage.host.plan = Plan(function, Interruption(stage.step(function)))
        stage.world.let_time_pass()
        stage.host.round()
        killed = sum(invocation.outcome.killed for invocation in stage.host.invocations)
    stage.struck = killed > 0


@any_story
def inside_a_request(stage: Stage) -> None:
    """While a request to the lake is on its way, before or after its effect."""
    kind = stage.rng.choice(["delay", "delay_after"])
    number = stage.rng.randrange(60)
    stage.note(f"{kind} at the lake's request {number}")
    function = stage.story.functions[-1]
    stage.approach(function)
    fault = stage.world.fault("*", kind=kind, seconds=1.0, skip=number)
    running = stage.host.begin(function)
    while not fault.hits and running.worker.process.is_alive():
        running.worker.process.join(0.005)
    stage.struck = bool(fault.hits)
    if fault.hits:
        # an effect that comes takes no longer than this; whether it has come is part of the chance
        running.worker.process.join(0.02)
        running.worker.kill()
    running.end()


SCENARIOS = [once, once, again_and_again, once, once, inside_a_request]
