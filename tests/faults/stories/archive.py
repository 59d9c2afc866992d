"""Two chunks are archived, the third is left alone."""

from __future__ import annotations

from collections.abc import Sequence

from tests.faults.stories.story import Story
from tests.faults.truth import SCHEMA, TABLE
from tests.faults.world import World


class ArchiveStory(Story):
    """Events → drain → archive."""

    name = "archive"
    timers: Sequence[str] = ("drain_events", "commit_tables")
    functions: Sequence[str] = ("drain_events", "archive_chunk", "commit_tables")

    def ask(self, world: World) -> None:
        """One event for each chunk."""
        for chunk in self.chunks:
            world.publish(hypertable=f"{SCHEMA}.{TABLE}", chunk=f"{SCHEMA}.{chunk}")

    def unsettled(self, world: World) -> list[str]:
        """Every chunk has exactly one archive that counts."""
        found = [job["chunk"] for job in world.jobs() if job["status"] == "archived"]
        return [
            f"{SCHEMA}.{chunk} is archived {n} times" for chunk in self.chunks if (n := found.count(f"{SCHEMA}.{chunk}")) != 1
        ]
