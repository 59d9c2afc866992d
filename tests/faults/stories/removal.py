"""Two chunks are archived and removed, the third stays."""

from __future__ import annotations

from tests.faults.stories.story import Story
from tests.faults.truth import SCHEMA, TABLE
from tests.faults.world import World

_PARTITIONS = "select inhrelid::regclass::text as name from pg_inherits where inhparent = %s::regclass order by 1"


class RemovalStory(Story):
    """Events → drain → archive → remove."""

    name = "removal"
    removes = True
    settings = {"REMOVAL_GRACE": "PT0S"}  # noqa: RUF012
    timers = ("drain_events", "commit_tables", "remove_chunks")
    functions = ("drain_events", "archive_chunk", "commit_tables", "remove_chunks")

    def ask(self, world: World) -> None:
        """One event for each chunk."""
        for chunk in self.chunks:
            world.publish(hypertable=f"{SCHEMA}.{TABLE}", chunk=f"{SCHEMA}.{chunk}", remove=True)

    def unsettled(self, world: World) -> list[str]:
        """Every chunk is gone from the database, by one removal."""
        with world.connect() as connection:
            partitions = [row["name"] for row in connection.execute(_PARTITIONS, (f"{SCHEMA}.{TABLE}",))]
        removed = [job["chunk"] for job in world.jobs() if job["status"] == "removed"]
        names = [f"{SCHEMA}.{chunk}" for chunk in self.chunks]
        return [f"{name} is still there" for name in names if name in partitions] + [
            f"{name} is removed {count} times" for name in names if (count := removed.count(name)) != 1
        ]
