"""What the demo found out, for people and as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from dev.demo.comparison import Comparison
from dev.demo.jobs import JobRow
from dev.demo.lake_table import QUERY, LakeTable


@dataclass(frozen=True, slots=True)
class Report:
    """The demo's outcome; sizes in bytes, times in seconds."""

    #: each archived chunk, and how its archive compares with the database
    archived: list[tuple[JobRow, Comparison]]
    duplicates: list[JobRow]
    #: why each event of the dead stream is there
    dead: list[str]
    lake: Path
    table: LakeTable
    seconds: float

    @property
    def equal(self) -> bool:
        """Every archive holds exactly its chunk's rows."""
        return all(comparison.equal for _, comparison in self.archived)

    def to_json(self) -> str:
        """One line."""
        return json.dumps(
            {
                "rows": sum(comparison.rows_database for _, comparison in self.archived),
                "equal": self.equal,
                "seconds": round(self.seconds, 2),
                "lake_dir": str(self.lake),
                "dead_letters": len(self.dead),
                "duplicates_skipped": len(self.duplicates),
                "table": {"version": self.table.version, "files": self.table.files, "rows": self.table.rows},
                "chunks": [
                    {
                        "chunk": job.chunk,
                        "rows_database": comparison.rows_database,
                        "rows_parquet": comparison.rows_parquet,
                        "source_bytes": job.source_bytes,
                        "parquet_bytes": job.parquet_bytes,
                        "seconds": round(job.seconds or 0, 3),
                        "equal": comparison.equal,
                    }
                    for job, comparison in self.archived
                ],
            }
        )

    def show(self, console: Console) -> None:
        """The table, and what became of the events that made none of it."""
        console.print(self._table())
        for job in self.duplicates:
            console.print(f"The duplicate event was skipped: {job.reason}", soft_wrap=True)
        for reason in self.dead:
            console.print(f"The malformed event lies in the dead stream: {reason}", soft_wrap=True, highlight=False)
        tables = self.lake / "tables" / "demo.readings"
        found = self.table
        said = f"is at version {found.version}: {found.files} files, {found.rows:,} rows"
        console.print(f"\nThe Delta table {tables} {said}. DuckDB reads it:\n", soft_wrap=True, highlight=False)
        query = QUERY.replace(" t ", f" delta_scan('{tables}') ")
        console.print(f"  {query}\n", soft_wrap=True, highlight=False, markup=False)
        for row in found.answer:
            console.print(f"  {row}", highlight=False, markup=False)

    def _table(self) -> Table:
        table = Table(title="Archived chunks: rows, bytes, seconds", box=box.SIMPLE_HEAD, pad_edge=False)
        table.add_column("chunk", no_wrap=True)
        for title in ("database", "Parquet", "before", "after", "took"):
            table.add_column(title, justify="right", no_wrap=True)
        table.add_column("verdict")
        for job, comparison in self.archived:
            verdict = "[green]equal[/]" if comparison.equal else f"[red]{comparison.different} rows differ[/]"
            table.add_row(
                job.chunk.rpartition(".")[2],
                f"{comparison.rows_database:,}",
                f"{comparison.rows_parquet:,}",
                _megabytes(job.source_bytes),
                _megabytes(job.parquet_bytes),
                f"{job.seconds or 0:.1f} s",
                verdict,
            )
        return table


def _megabytes(size: int | None) -> str:
    return f"{(size or 0) / 1e6:.1f} MB"
