"""Processes that take part: warm workers, and commands that are timed whole."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from dev.servers.postgres import PostgresServer
from dev.stack.state import ROOT

PEERS = ("duckdb", "connectorx", "adbc", "psycopg")


class Worker:
    """A `bench.worker` process: each line sent runs its contestant once."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._command, self._environment = command, environment
        self._child: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._child = subprocess.Popen(
            self._command, env=self._environment, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._child is not None
        with self._child:
            assert self._child.stdin is not None
            self._child.stdin.close()

    def run(self) -> dict[str, float]:
        """Run it once; raises `CalledProcessError` when the worker fails."""
        assert self._child is not None
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.write("run\n")
        self._child.stdin.flush()
        answer = self._child.stdout.readline()
        if not answer:
            raise subprocess.CalledProcessError(self._child.wait(), [word for word in self._command if "://" not in word])
        figures: dict[str, float] = json.loads(answer)
        return figures


@dataclass(frozen=True, slots=True)
class WholeProcess:
    """A command, timed from its start to its end, and the folder that it fills."""

    command: Sequence[str]
    folder: Path | None

    def run(self) -> dict[str, float]:
        """Run it once, in an empty folder."""
        if self.folder:
            for left in self.folder.iterdir():
                if left.suffix != ".yaml":
                    shutil.rmtree(left) if left.is_dir() else left.unlink()
        start = time.perf_counter()
        child = subprocess.Popen(self.command, cwd=self.folder or ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise subprocess.CalledProcessError(child.returncode, self.command[0])
        files = self.folder.rglob("*.parquet") if self.folder else []
        return {
            "wall_s": wall,
            "cpu_s": usage.ru_utime + usage.ru_stime,
            "peak_mb": usage.ru_maxrss * 1024 / 1e6,
            "parquet_mb": sum(file.stat().st_size for file in files) / 1e6,
        }


def psql_drain(server: PostgresServer, table: str) -> list[str]:
    """The limit: the server's binary COPY, thrown away."""
    return [str(server.binaries / "psql"), server.url, "-c", f"copy (select * from {table}) to stdout (format binary)"]


def rivet(peers_python: Path, url: str, table: str, folder: Path) -> list[str]:
    """A full export with rivet's own fast profile."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "rivet.yaml"
    config.touch(mode=0o600)
    config.write_text(
        f"""
source:
  type: postgres
  url: {url}
  tuning:
    profile: fast
exports:
  - name: cpu
    query: select * from {table}
    mode: full
    format: parquet
    compression: zstd
    destination:
      type: local
      path: ./output/
""".lstrip()
    )
    return [str(peers_python.parent / "rivet"), "run", "-c", str(config)]
