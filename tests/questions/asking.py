"""Asks, and compares each answer with what the writers know."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from archival_core.errors import TransientError
from archival_core.query.queries import Queries
from tests.kit.asking import asked
from tests.questions.filters import Filter, filter_of
from tests.questions.rows import Row
from tests.questions.writers import WRITERS, Writers, may_be

#: Of rows that were there before the writers came.
BASE = -1
#: what an answer may be refused with while tables come and go: whoever asked asks again
_AGAIN = ("gave-way", "moment-passed", "source-locked")


@dataclass
class Tally:
    """What the questions met."""

    asked: int = 0
    again: int = 0
    #: answers that had rows of archives, and those that had rows of the database
    archived: int = 0
    live: int = 0
    pruned: int = 0
    snapshots: int = 0
    #: questions that gave some rows and not all
    partial: int = 0
    seconds: list[float] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)

    def told(self, lasted: float) -> str:
        """In one line, after `lasted` seconds."""
        seconds = sorted(self.seconds)
        return (
            f"{self.asked} questions in {lasted:.0f} s: {len(self.differences)} differences; {self.archived} read archives,"
            f" {self.pruned} pruned some, {self.live} read the database, {self.again} were asked again, {self.snapshots}"
            f" snapshots; half within {seconds[len(seconds) // 2]:.2f} s, all within {seconds[-1]:.2f} s"
        )


class Asking:
    """Makes questions by dice, and looks at the answers."""

    def __init__(self, queries: Queries, first: str, second: str, base: Sequence[Row], writers: Writers, days: int) -> None:
        self._queries, self._first, self._second = queries, first, second
        self._base, self._writers = base, writers
        self._begin: datetime = min(row.time for row in base)
        self._days = days

    async def ask(self, dice: random.Random, tally: Tally) -> None:
        """One question, until it is answered."""
        condition = filter_of(dice, self._begin, self._days)
        is_joined = dice.random() < 0.3
        some = f"{self._first} r" + (f" join {self._second} e using (writer, value)" if is_joined else "")
        counted = "count(*) as n, coalesce(sum(value), 0)::bigint as total"
        sql = f"""select 'all' as part, writer, {counted} from {self._first} group by all
            union all select 'some', r.writer, count(*), coalesce(sum(r.value), 0)::bigint from {some}
            where {condition.sql} group by all"""
        while True:
            before = list(self._writers.committed)
            try:
                answer = await asked(self._queries, sql)
            except TransientError as error:
                if error.code not in _AGAIN:
                    raise
                tally.again += 1
                continue
            after = list(self._writers.committed)
            break
        found = {part: self._of(answer.result.to_pylist(), part) for part in ("all", "some")}
        tally.asked += 1
        tally.archived += answer.figures.archives_read > 0
        tally.pruned += answer.figures.archives_read < answer.figures.archives
        tally.live += answer.figures.live_rows > 0
        tally.snapshots += answer.figures.snapshots
        tally.seconds.append(answer.figures.seconds)
        for writer in range(BASE, WRITERS):
            count, total = found["all"].get(writer, (0, 0))
            rows = self._base if writer == BASE else self._writers.rows[writer][:count]
            expected = (len(rows), sum(row.value for row in rows))
            if (count, total) != expected or (writer != BASE and not may_be(count, before[writer], after[writer])):
                tally.differences.append(f"{sql}: of writer {writer} {(count, total)}, and known are {expected}")
            some_found = found["some"].get(writer, (0, 0))
            meant = self._meant(rows, condition, is_joined=is_joined)
            tally.partial += 0 < meant[0] < expected[0]
            if some_found != meant:
                tally.differences.append(f"{sql}: of writer {writer} {some_found}, and meant are {meant}")

    @staticmethod
    def _of(rows: Sequence[Mapping[str, Any]], part: str) -> dict[int, tuple[int, int]]:
        return {row["writer"]: (row["n"], row["total"]) for row in rows if row["part"] == part}

    @staticmethod
    def _meant(rows: Sequence[Row], condition: Filter, *, is_joined: bool) -> tuple[int, int]:
        chosen = [row.value for row in rows if condition.holds(row) and (row.is_event or not is_joined)]
        return len(chosen), sum(chosen)
