"""`python -m archival_core.rebuild_ledger [--add]`: rebuild the ledger from the lake. Exits 1 if anything is amiss."""

from __future__ import annotations

import argparse
import asyncio
import sys

from archival_core import runtime, telemetry
from archival_core.errors import ArchivalError
from archival_core.flows.upkeep.rebuild.ledger_rebuild import RebuildReport


def main() -> None:
    """Read the command line, rebuild, and print what came of it."""
    parser = argparse.ArgumentParser(prog="python -m archival_core.rebuild_ledger", description=__doc__)
    telemetry.prepare_records()
    parser.add_argument("--add", action="store_true", help="add to a ledger that has rows; those stay as they are")
    try:
        report = asyncio.run(_run(parser.parse_args().add))
    except ArchivalError as error:
        sys.exit(telemetry.printable(str(error)))
    print(summary(report))
    if report.missing or report.invalid:
        sys.exit(1)


async def _run(add: bool) -> RebuildReport:
    services = runtime.get()
    try:
        await services.ownership.take_over()
        return await services.ledger_rebuild.rebuild(add=add)
    finally:
        await services.close()


def summary(report: RebuildReport) -> str:
    """The report for people: a line for each kind, then each thing that is amiss."""
    lines = [f"{status}: {count}" for status, count in sorted(report.rows.items())] or ["no archive was added"]
    lines += [f"left alone: {report.left_alone}"] if report.left_alone else []
    lines += [f"its archive is MISSING: {path}" for path in report.missing]
    lines += [f"INVALID: {reason}" for reason in report.invalid.values()]
    lines += [f"no manifest yet, reconcile adopts it: {folder}" for folder in report.without_manifest]
    # names of the lake may be anybody's
    return "\n".join(telemetry.printable(line) for line in lines)


if __name__ == "__main__":
    main()
