"""Four writers who know what they have written."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

import psycopg

from tests.questions.rows import Row

WRITERS: Final = 4
_MOST: Final = 5


class Writers:
    """Each inserts 1, 2, 3, … into both tables, a few rows in a transaction, at times of its choice."""

    def __init__(self, url: str, first: str, second: str, times: Sequence[datetime]) -> None:
        self._url, self._first, self._second, self._times = url, first, second, times
        #: by writer; those of the transaction that is just being committed are among them
        self.rows: list[list[Row]] = [[] for _ in range(WRITERS)]
        self.committed = [0] * WRITERS
        self._over = threading.Event()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """They write inside."""
        threads = [threading.Thread(target=self._write, args=(number,)) for number in range(WRITERS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join()

    def _write(self, number: int) -> None:
        dice, mine = random.Random(number), self.rows[number]
        with psycopg.connect(self._url, autocommit=True) as connection:
            # the table grows slowly: what is counted is what comes and goes
            while not self._over.wait(0.05):
                begin = self.committed[number] + 1
                del mine[begin - 1 :]
                mine += [Row(dice.choice(self._times), number, value) for value in range(begin, begin + dice.randint(1, _MOST))]
                new = mine[begin - 1 :]
                # a partition that is gone takes no rows, and a removal may go first
                try:
                    with connection.transaction():
                        insert(connection, self._first, self._second, new)
                except psycopg.Error:
                    continue
                self.committed[number] += len(new)


def insert(connection: psycopg.Connection[Any], first: str, second: str, rows: Sequence[Row]) -> None:
    """Rows into both tables."""
    connection.execute(f"insert into {first} values {', '.join(row.sql for row in rows)}".encode())
    events = [f"('{row.time.isoformat()}', {row.writer}, {row.value}, 'event')" for row in rows if row.is_event]
    if events:
        connection.execute(f"insert into {second} values {', '.join(events)}".encode())


def may_be(found: int, before: int, after: int) -> bool:
    """Whether a writer's rows can be so many between two looks; a commit may be there before its writer has heard of it."""
    return before <= found <= after + _MOST
