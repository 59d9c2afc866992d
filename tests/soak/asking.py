"""People who ask: for archives, with and without removal, and for what was removed to come back."""

from __future__ import annotations

import json
import random
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
import psycopg
from psycopg.rows import dict_row
from redis import Redis

from tests.faults.truth import SCHEMA
from tests.soak.hosts import Host
from tests.soak.table import PARENT, WEEKS

_REMOVED = "select chunk from archival.job where kind = 'archive' and status = 'removed' order by chunk"


@dataclass(slots=True)
class Asker:
    """Asks until it is told to stop."""

    redis_url: str
    database_url: str
    environment: dict[str, str]
    hosts: list[Host]
    rng: random.Random
    met: Counter[str] = field(default_factory=Counter)
    _over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """A request every now and then, sometimes the same one twice."""
        with Redis.from_url(self.redis_url) as redis:
            while not self._over.wait(self.rng.expovariate(3)):
                if self.rng.random() < 0.6:
                    self._archive(redis)
                else:
                    self._restore()

    def end(self) -> None:
        """No more of it."""
        self._over.set()

    def _archive(self, redis: Redis) -> None:
        chunk, remove = self.rng.choice(WEEKS), self.rng.random() < 0.8
        data = {"hypertable": PARENT, "chunk": f"{SCHEMA}.{chunk}", "remove": remove}
        event = {
            "specversion": "1.0",
            "id": str(uuid4()),
            "source": "soak",
            "type": "archival.chunk.requested",
            "data": data,
        }
        for _ in range(self.rng.choice([1, 1, 2])):
            redis.xadd(self.environment["EVENTS_STREAM"], {"event": json.dumps(event)})
        self.met["archive"] += 1

    def _restore(self) -> None:
        chunks = self._removed()
        if not chunks:
            return
        body = {"hypertable": PARENT, "chunk": self.rng.choice(chunks)}
        headers = {"x-functions-key": self.environment["LOCAL_FUNCTION_KEY"], "Idempotency-Key": str(uuid4())}
        for _ in range(self.rng.choice([1, 2])):
            try:
                answer = httpx.post(f"{self.rng.choice(self.hosts).url}/restores", json=body, headers=headers, timeout=2)
                self.met[f"restore: {answer.status_code}"] += 1
            except httpx.HTTPError as error:
                # the host is down, or paused: whoever asks does not know whether it was heard
                self.met[f"restore: {type(error).__name__}"] += 1

    def _removed(self) -> list[str]:
        with psycopg.connect(self.database_url, row_factory=dict_row) as connection:
            try:
                found: list[dict[str, Any]] = connection.execute(_REMOVED).fetchall()
            except psycopg.errors.UndefinedTable:
                return []
        return [row["chunk"] for row in found]
