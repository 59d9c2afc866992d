"""spin, gcc and the verifier that they make of the model: one search."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.proof.searches import Search

MODEL: Final = Path(__file__).with_name("removal.pml")
HOW_TO_GET: Final = "make proof needs spin and gcc: apt-get install spin gcc (Debian, Ubuntu), or brew install spin gcc (macOS)"

#: A search of at most so many seconds is a small one.
_SHORT: Final = 180
#: Deeper than any run of the model.
_DEPTH: Final = 20_000
#: What pan says when it has not seen every state.
_PART: Final = re.compile(r"MEMLIM bound|out of memory|max search depth too small|[Ii]nterrupted|truncated")
#: An assertion begins with the name of its sentence.
_BROKEN: Final = re.compile(r"assertion violated \(*(\w+)")
_STATES: Final = re.compile(r"(\d+) states, stored")
#: Lines of a simulation that are not of its story.
_NOISE: Final = re.compile(r"spin: |#|\s*$|\s*\d+:\s+proc|\d+ processes|-+$")


class SpinError(Exception):
    """A search did not run at all; the message is that of spin, gcc or pan."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long one search may take, and how large it may become."""

    seconds: float
    megabytes: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a search found."""

    search: Search
    states: int
    #: the sentence that broke, by its name in the model
    broken: str | None
    #: whether every state was seen, or enough of them to break a sentence
    whole: bool
    seconds: float
    #: what everybody did until the sentence broke, a line each
    story: tuple[str, ...] = ()

    @property
    def wrong(self) -> str | None:
        """Why the outcome is not as it must be; `None` if it is."""
        if self.search.holds and self.broken:
            return f"{self.broken} is broken"
        if not self.whole and not self.search.bounded:
            return "not searched whole"
        if not self.search.holds and not self.broken:
            return "nothing breaks"
        return None


def is_there() -> bool:
    """Whether this machine has what a search needs."""
    return all(shutil.which(program) for program in ("spin", "gcc"))


def run(search: Search, bounds: Bounds) -> Outcome:
    """Run one search in a folder of its own; raises `SpinError`."""
    switches = [f"-D{name}={value}" for name, value in search.definitions.items()]
    with tempfile.TemporaryDirectory(prefix="proof-") as name:
        folder = Path(name)
        shutil.copy(MODEL, folder)
        _call(folder, "spin", "-a", *switches, MODEL.name)
        # 64 bits are kept of each state, which is less memory than the state itself
        options = ["-DSAFETY", "-DHC4", f"-DMEMLIM={bounds.megabytes}"]
        if not search.holds and search.shortest:
            options.append("-DBFS")
        # up to some four million states, gcc would take longer to make pan faster than pan then gains
        effort = "-O0" if bounds.seconds <= _SHORT else "-O2"
        _call(folder, "gcc", effort, "-w", *options, "-o", "pan", "pan.c")
        started = time.monotonic()
        said = _pan(folder, bounds.seconds)
        seconds = time.monotonic() - started
        states, broken = _STATES.search(said), _BROKEN.search(said)
        if states is None:
            raise SpinError(f"{search.label}: pan tells no numbers: {said[-2000:]}")
        return Outcome(
            search,
            states=int(states[1]),
            broken=broken[1] if broken else None,
            whole=broken is not None or not _PART.search(said),
            seconds=seconds,
            story=_story(folder, switches) if broken else (),
        )


def _pan(folder: Path, seconds: float) -> str:
    """What pan says. When the time is over it is interrupted, and says how far it came."""
    command = [str(folder / "pan"), f"-m{_DEPTH}"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            return str(process.communicate(timeout=seconds)[0])
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            return str(process.communicate()[0])


def _story(folder: Path, switches: list[str]) -> tuple[str, ...]:
    """The trail that pan has left, as what the processes of the model print."""
    said = _call(folder, "spin", "-t", "-T", "-B", *switches, MODEL.name)
    return tuple(line for line in said.splitlines() if not _NOISE.match(line))


def _call(folder: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SpinError(f"{' '.join(command[:2])}: {(done.stdout + done.stderr)[-2000:]}")
    return done.stdout
