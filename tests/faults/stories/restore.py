"""Two chunks that were archived and removed come back."""

from __future__ import annotations

from tests.faults.stories.story import Story
from tests.faults.truth import SCHEMA, TABLE
from tests.faults.world import World


class RestoreStory(Story):
    """Request → restore. Whoever asks does so again until an answer comes, with the same key."""

    name = "restore"
    after = "removal"
    timers = ("request_restore",)
    functions = ("request_restore", "restore_chunk")

    def ask(self, world: World) -> None:
        """The request is made by `request_restore`, each round."""

    def unsettled(self, world: World) -> list[str]:
        """Each chunk was restored by one job, and its rows are in the table."""
        restored = [job["chunk"] for job in world.jobs() if job["status"] == "restored"]
        with world.connect() as connection:
            [row] = connection.execute(f"select count(*) as rows from {SCHEMA}.{TABLE}".encode()).fetchall()
        wrong = [
            f"{SCHEMA}.{chunk} is restored {n} times"
            for chunk in self.chunks
            if (n := restored.count(f"{SCHEMA}.{chunk}")) != 1
        ]
        return wrong + ([f"the table has {row['rows']} rows"] if row["rows"] != len(world.truth.now) else [])
