"""One run: a fresh world, a story, a scenario, recovery, and the verdict."""

from __future__ import annotations

import random
import shutil
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg

from tests.faults import invariant, servers, world
from tests.faults.host import Host, app_timers
from tests.faults.invariant import Verdict
from tests.faults.needs import Needs, needs_of
from tests.faults.scenarios import FAMILIES, WAITING
from tests.faults.servers import Servers
from tests.faults.stage import Stage, Trace
from tests.faults.stories import STORIES, Story
from tests.faults.truth import Truth

#: how many of the runs have a reconcile at their end, though nothing asks for it
_RECONCILED = 0.25
_NONE = Needs()


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a run."""

    family: str
    number: int
    seed: int
    scenario: str
    story: str
    recovered: bool
    #: whether the fault was met at all
    struck: bool
    rows: int
    lost: int
    doubled: int
    seconds: float
    #: empty if all is well
    report: str

    @property
    def good(self) -> bool:
        """Recovered, and the invariant holds."""
        return self.recovered and not self.report

    @property
    def waits_for(self) -> str:
        """What the service lacks for this scenario; empty where it lacks nothing."""
        return WAITING.get(self.scenario, "")


@dataclass(slots=True)
class Runner:
    """Makes runs on one set of servers."""

    servers: Servers
    #: settings of every service, and options of every invocation: for tests of the harness
    settings: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    _prepared: dict[str, Truth] = field(default_factory=dict)
    _traces: dict[str, Trace] = field(default_factory=dict)

    def run(self, family: str, number: int, seed: int, stories: tuple[str, ...] = ()) -> Result:
        """Run `number` of `family`; the same three numbers make the same run."""
        rng = random.Random(f"{seed}/{family}/{number}")
        scenarios = FAMILIES[family][0]
        scenario = scenarios[number % len(scenarios)]
        story = STORIES[rng.choice(stories or stories_of(scenario))]
        return self.play(family, number, seed, story, scenario, rng)

    def play(
        self, family: str, number: int, seed: int, story: Story, scenario: Callable[[Stage], None], rng: random.Random
    ) -> Result:
        """One scenario of one story."""
        started, verdict, recovered, report = time.monotonic(), Verdict(), False, ""
        with self._stage(story, rng, needs_of(scenario)) as stage:
            try:
                scenario(stage)
                stage.recover()
                verdict = invariant.check(stage.world)
                # ledger and lake may disagree until the next reconcile, rows may never be lost
                if (verdict.problems and not verdict.lost) or stage.rng.random() < _RECONCILED:
                    stage.reconcile()
                stage.commit()
                recovered = True
            except Exception:
                report = traceback.format_exc()
                stage.world.servers.heal()
            try:
                verdict = invariant.check(stage.world, committed=recovered)
            except Exception:
                report += traceback.format_exc()
            recovered = recovered and not verdict.problems
            report = "\n".join(filter(None, [report, *verdict.problems]))
            if report:
                log = stage.world.log.read_text(errors="replace") if stage.world.log.exists() else ""
                report = "\n".join([*stage.notes, report, log[-6000:]])
            stage.world.log.unlink(missing_ok=True)
        return Result(
            family,
            number,
            seed,
            name_of(scenario),
            story.name,
            recovered,
            stage.struck,
            verdict.rows,
            verdict.lost,
            verdict.doubled,
            time.monotonic() - started,
            report,
        )

    @contextmanager
    def _stage(self, story: Story, rng: random.Random, needs: Needs = _NONE) -> Iterator[Stage]:
        template, settings = f"template_{story.name}", {**story.settings, **self.settings}
        apart = needs.ledger_apart or bool(needs.ledger_may_be_apart and rng.random() < needs.ledger_may_be_apart)
        with ExitStack() as stack:
            around = self.servers
            if needs.own_source:
                folder = Path(stack.enter_context(TemporaryDirectory(prefix="source-", dir=around.folder)))
                folder.chmod(0o755)
                around = stack.enter_context(servers.with_own_source(around, folder))
                truth = _fill(around.postgres_url, template, story)
            else:
                truth = self._prepare(story)
            ledger_at = self.servers.postgres_url if apart else None
            fresh = stack.enter_context(world.fresh(around, template, truth, settings, ledger_at))
            host = Host(fresh, story.timers, options=dict(self.options))
            stage = Stage(fresh, story, host, rng, lambda: self._trace(story), [])
            stack.callback(host.close)
            yield stage

    def _prepare(self, story: Story) -> Truth:
        """The template of the story's databases, made once."""
        if story.name not in self._prepared and story.after:
            self._continue(story)
        elif story.name not in self._prepared:
            self._prepared[story.name] = _fill(self.servers.postgres_url, f"template_{story.name}", story)
        return self._prepared[story.name]

    def _continue(self, story: Story) -> None:
        """The template is what the earlier story leaves behind, in the database and in the lake."""
        with self._stage(STORIES[story.after], random.Random(0)) as stage:
            stage.host.options.clear()
            stage.story.ask(stage.world)
            stage.recover()
            with self.servers.administrator() as connection:
                connection.execute(f"create database template_{story.name} template run_{stage.world.token}".encode())
            shutil.copytree(stage.world.lake, self.servers.folder / f"template_{story.name}")
            self._prepared[story.name] = stage.world.truth.copy()

    def _trace(self, story: Story) -> Trace:
        """The steps of a run without faults, made once."""
        if story.name not in self._traces:
            with self._stage(story, random.Random(0)) as stage:
                stage.host.options.clear()
                story.ask(stage.world)
                stage.recover()
                for timer in app_timers():
                    stage.host.run(timer)
                steps: dict[str, list[Any]] = {function: [] for function in (*story.functions, *app_timers())}
                for invocation in stage.host.invocations:
                    if invocation.function in steps:
                        steps[invocation.function] += invocation.outcome.steps
                self._traces[story.name] = {name: sorted(set(found)) for name, found in steps.items()}
        return self._traces[story.name]


def _fill(url: str, template: str, story: Story) -> Truth:
    """A new database with the story's data."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"create database {template}".encode())
    with psycopg.connect(urlunsplit(urlsplit(url)._replace(path=f"/{template}")), autocommit=True) as connection:
        return story.prepare(connection)


@contextmanager
def opened() -> Iterator[Runner]:
    """A runner with servers of its own."""
    with TemporaryDirectory(prefix="faults-") as folder:
        Path(folder).chmod(0o755)  # PostgreSQL runs as another user
        with servers.started(Path(folder)) as running:
            yield Runner(running)


def stories_of(scenario: Any) -> list[str]:
    """The stories that a scenario can be played on."""
    only = getattr(getattr(scenario, "func", scenario), "stories", None)
    return sorted(only or ("archive", "removal"))


def name_of(scenario: Any) -> str:
    """Its function, and what it was made with."""
    function = getattr(scenario, "func", scenario)
    arguments = getattr(scenario, "args", ())
    return f"{function.__name__}({', '.join(map(str, arguments))})" if arguments else str(function.__name__)
