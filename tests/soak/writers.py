"""People who write to the table all the time: in transactions with savepoints, and in prepared ones that wait for their commit.

Each writer has rows of its own, so what it committed last is what the row must be.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import uuid4

import psycopg

from tests.faults.truth import COLUMNS, Row, fill
from tests.soak.table import PARENT, WEEKS, bounds, in_week

_NOTE = COLUMNS.index("note")
#: the rows that a transaction leaves behind, by their identity; `None` for one that is gone
Changes = dict[int, Row | None]


@dataclass(slots=True)
class Writer:
    """Writes until it is told to stop. `rows` is what must be somewhere, of the rows that are this writer's."""

    url: str
    rng: random.Random
    rows: dict[int, Row]
    #: identities of new rows: from here on, in steps
    first: int
    step: int
    met: Counter[str] = field(default_factory=Counter)
    #: the week that is mostly written to, for a while
    _hot: int = 0
    _over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Transaction after transaction; one that fails has changed nothing."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            # a removal is waited for, and whoever waits for us waits no longer than that
            connection.execute("set lock_timeout = '15s'")
            while not self._over.wait(self.rng.expovariate(30)):
                try:
                    self._transaction(connection)
                except psycopg.Error as error:
                    # no partition for the row any more, or somebody else was faster
                    self.met[f"refused: {type(error).__name__}"] += 1

    def end(self) -> None:
        """No more of it."""
        self._over.set()

    def _transaction(self, connection: psycopg.Connection) -> None:
        if self.rng.random() < 0.03:
            self._hot = self.rng.randrange(len(WEEKS))
        if self.rng.random() < 0.15:
            self._prepared(connection)
            return
        with connection.transaction():
            changes = self._write(connection)
        self._settle(changes, "commit")

    def _prepared(self, connection: psycopg.Connection) -> None:
        """In two phases, with a while between them in which nobody's session has the transaction."""
        name = str(uuid4())
        connection.execute("begin")
        try:
            changes = self._write(connection)
            connection.execute(f"prepare transaction '{name}'".encode())
        except psycopg.Error:
            connection.execute("rollback")
            raise
        self._over.wait(self.rng.uniform(0, 0.8))
        with psycopg.connect(self.url, autocommit=True) as another:
            if self.rng.random() < 0.7:
                another.execute(f"commit prepared '{name}'".encode())
                self._settle(changes, "commit prepared")
            else:
                another.execute(f"rollback prepared '{name}'".encode())
                self.met["rollback prepared"] += 1

    def _settle(self, changes: Changes, kind: str) -> None:
        self.met[kind] += 1
        for identity, row in changes.items():
            if row is None:
                self.rows.pop(identity, None)
            else:
                self.rows[identity] = row

    def _write(self, connection: psycopg.Connection) -> Changes:
        """Some changes, part of them below savepoints, of which some are rolled back."""
        changes: Changes = {}
        for _ in range(self.rng.choice([1, 1, 2, 4])):
            if self.rng.random() < 0.4:
                try:
                    with connection.transaction():
                        inner = self._change(connection, changes)
                        if self.rng.random() < 0.4:
                            raise psycopg.Rollback
                        changes |= inner
                except psycopg.errors.CheckViolation:
                    self.met["no partition, below a savepoint"] += 1
            else:
                changes |= self._change(connection, changes)
        return changes

    def _change(self, connection: psycopg.Connection, so_far: Changes) -> Changes:
        what: Callable[[psycopg.Connection, Changes], Changes] = self.rng.choices(
            [self._insert, self._update, self._delete], [4, 5, 1]
        )[0]
        return what(connection, so_far)

    def _insert(self, connection: psycopg.Connection, _so_far: Changes) -> Changes:
        rows = []
        for _ in range(self.rng.choice([1, 3])):
            rows.append(in_week(self.rng, self._hot, self.first))
            self.first += self.step
        fill(connection, PARENT, rows)
        return {row[0]: row for row in rows}

    def _update(self, connection: psycopg.Connection, so_far: Changes) -> Changes:
        row = self._some(so_far)
        if row is None:
            return {}
        note = f"changed {self.rng.randrange(10**6)}"
        done = connection.execute(f"update {PARENT} set note = %s where id = %s".encode(), (note, row[0]))
        # a row that has left the database is not changed there
        return {row[0]: (*row[:_NOTE], note, *row[_NOTE + 1 :])} if done.rowcount else {}

    def _delete(self, connection: psycopg.Connection, so_far: Changes) -> Changes:
        row = self._some(so_far)
        if row is None:
            return {}
        done = connection.execute(f"delete from {PARENT} where id = %s".encode(), (row[0],))
        return {row[0]: None} if done.rowcount else {}

    def _some(self, so_far: Changes) -> Row | None:
        """One of the rows as this transaction sees them: mostly of the week that is hot, sometimes of any."""
        identities = list(self.rows)
        for _ in range(len(WEEKS)):
            identity = self.rng.choice(identities) if identities else -1
            row = so_far[identity] if identity in so_far else self.rows.get(identity)
            if row is None or self.rng.random() < 0.05 or bounds(self._hot)[0] <= row[1] < bounds(self._hot)[1]:
                return row
        return None
