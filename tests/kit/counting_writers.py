"""Writers that count: whatever moment a reader sees, it sees of each writer's rows the first so many, and none twice."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import psycopg


@dataclass
class CountingWriters:
    """Threads, each of which inserts 1, 2, 3, … into columns `writer` and `value`, a few rows in each transaction."""

    url: str
    table: str
    #: SQL of moments to write at; some may be in chunks that are archived, and gone
    moments: Sequence[str]
    writers: int = 4
    committed: list[int] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """They write inside."""
        self.committed = [0] * self.writers
        threads = [threading.Thread(target=self._write, args=(number,)) for number in range(self.writers)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join()

    def check(self, found: dict[int, tuple[int, int]], before: Sequence[int], after: Sequence[int]) -> None:
        """`found` has count and sum by writer, and was asked between `before` and `after`, what was committed then."""
        for number in range(self.writers):
            count, total = found.get(number, (0, 0))
            assert total == count * (count + 1) // 2, f"writer {number}: {count} rows with the sum {total}"
            # a commit may be there before its writer has heard of it
            assert before[number] <= count <= after[number] + _ROWS, f"writer {number}"

    def _write(self, number: int) -> None:
        random_ = random.Random(number)
        with psycopg.connect(self.url, autocommit=True) as connection:
            while not self._over.wait(0.01):
                first = self.committed[number] + 1
                rows = range(first, first + random_.randint(1, _ROWS))
                moment = random_.choice(self.moments)
                values = ", ".join(f"({moment}, {number}, {value})" for value in rows)
                # a partition that is gone takes no rows, and a removal may go first
                with suppress(psycopg.Error):
                    connection.execute(f"insert into {self.table} (time, writer, value) values {values}".encode())
                    self.committed[number] = rows[-1]


_ROWS = 5
