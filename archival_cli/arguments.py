"""What can be written on the command line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

_EPILOG = (
    "exit codes: 0 done; 1 refused, or a job failed; 2 not understood; 3 the service does not answer or does not know the key"
)
_STATUSES = ("queued", "running", "archived", "superseded", "removed", "restored", "failed", "cancelled", "skipped")


class _Version(argparse.Action):
    """`--version`: asked of the installed package only when somebody wants to know."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        try:
            found = version("archival-service")
        except PackageNotFoundError:
            found = "of a checkout, not installed"
        sys.stdout.write(f"archival {found}\n")
        parser.exit()


def parser() -> argparse.ArgumentParser:
    """Every command."""
    # no abbreviations: one that is understood today might mean something else tomorrow
    common = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    common.add_argument("--json", action="store_true", help="one JSON document instead of a table")
    common.add_argument("--url", help="of the API; otherwise ARCHIVAL_API_URL, or the local stack of `make run`")
    common.add_argument("--key", help="a function key; otherwise ARCHIVAL_API_KEY. Others can see the flag, so rather set that")
    main = argparse.ArgumentParser(prog="archival", description="archival_service", epilog=_EPILOG, allow_abbrev=False)
    main.add_argument("--version", action=_Version, help="show the version, and end")
    commands = main.add_subparsers(dest="command", required=True, metavar="command")

    def command(name: str, about: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=about, description=about, parents=[common], allow_abbrev=False)

    _archive(command("archive", "archive chunks"))
    _jobs(command("jobs", "list jobs, newest first"))
    job = command("job", "one job")
    job.add_argument("job_id")
    job.add_argument("--follow", action="store_true", help="until it has ended")
    _many_jobs(command("retry", "queue failed or cancelled jobs again"), ("failed", "cancelled"))
    _many_jobs(command("cancel", "end queued or running jobs"), ("queued", "running"))
    _restore(command("restore", "bring archived rows back"))
    chunks = command("chunks", "chunks of a hypertable and where their rows are")
    chunks.add_argument("hypertable")
    chunks.add_argument("--state", action="append", help="only these")
    _dead_letters(command("dead-letters", "events that could not be used"))
    _policies(command("policies", "from which age on chunks are archived, and removed"))
    command("status", "is everything there, and what is on its way")
    command("pause", "take no events and follow no policies").add_argument("--reason")
    command("resume", "take events and follow policies again")
    source = command("source", "which source the lake belongs to")
    source.add_argument(
        "action", choices=("takeover",), help="make this service's source the owner; end the other service first"
    )
    marks = command("marks", "the marks that the source has of archives")
    marks.add_argument("action", choices=("rebuild",), help="write them again, where they were lost or not dumped")
    return main


def _archive(command: argparse.ArgumentParser) -> None:
    command.add_argument("hypertable")
    command.add_argument("--chunk")
    command.add_argument("--older-than", metavar="TIME", help="every chunk that ends by then")
    command.add_argument("--from", dest="since", metavar="TIME", help="of --to: only chunks that begin no earlier")
    command.add_argument("--to", dest="until", metavar="TIME", help="every chunk that ends by then")
    remove = command.add_mutually_exclusive_group()
    remove.add_argument("--remove", action="store_true", default=None, help="drop the chunks afterwards")
    remove.add_argument("--keep", dest="remove", action="store_false", help="keep them, whatever the policy says")
    command.add_argument("--force", action="store_true", help="again, as a new revision, what is archived already")
    command.add_argument("--dry-run", action="store_true", help="say what would be archived")
    command.add_argument("--follow", action="store_true", help="until all have ended")


def _jobs(command: argparse.ArgumentParser) -> None:
    _job_filter(command, _STATUSES)
    command.add_argument("--limit", type=_positive, default=50)


def _many_jobs(command: argparse.ArgumentParser, statuses: Sequence[str]) -> None:
    command.add_argument("job_id", nargs="*", help="or a filter; `-` reads ids from the standard input, one a line")
    _job_filter(command, statuses)
    _by_filter(command)


def _job_filter(command: argparse.ArgumentParser, statuses: Sequence[str]) -> None:
    command.add_argument("--hypertable")
    command.add_argument("--status", action="append", choices=statuses)
    command.add_argument("--kind", action="append", choices=("archive", "restore"))
    command.add_argument("--code", action="append", help="whose error has one of these codes")
    command.add_argument("--from", dest="since", metavar="TIME", help="requested at or after")
    command.add_argument("--to", dest="until", metavar="TIME", help="requested before")


def _by_filter(command: argparse.ArgumentParser) -> None:
    command.add_argument("--all", action="store_true", help="everything, instead of a filter")
    command.add_argument("--dry-run", action="store_true", help="say how many are meant, by code")
    command.add_argument("--yes", action="store_true", help="do not ask")


def _restore(command: argparse.ArgumentParser) -> None:
    command.add_argument("hypertable")
    command.add_argument("--chunk")
    command.add_argument("--from", dest="since", metavar="TIME", help="only archives that overlap the range")
    command.add_argument("--to", dest="until", metavar="TIME")
    command.add_argument("--all", action="store_true", help="every archive, instead of --chunk, --from or --to")
    command.add_argument("--into", help="a table of its own; without it the rows go back where they were")
    command.add_argument("--recreate", action="store_true", help="make the hypertable again if it is gone")
    command.add_argument("--follow", action="store_true", help="until all have ended")


def _dead_letters(command: argparse.ArgumentParser) -> None:
    command.add_argument("action", nargs="?", default="list", choices=("list", "replay", "discard"))
    command.add_argument("entry_id", nargs="*", help="or a filter; `-` reads ids from the standard input, one a line")
    command.add_argument("--reason", help="of discard")
    command.add_argument("--code", action="append", help="whose reason begins with one of these codes")
    command.add_argument("--text", help="whose reason says this somewhere")
    command.add_argument("--kind", choices=("event", "message"), help="a message is one of a queue that names no job")
    command.add_argument("--from", dest="since", metavar="TIME", help="of replay and discard: buried at or after")
    command.add_argument("--to", dest="until", metavar="TIME", help="of replay and discard: buried before")
    _by_filter(command)


def _policies(command: argparse.ArgumentParser) -> None:
    command.add_argument("action", nargs="?", default="list", choices=("list", "set", "delete", "preview"))
    command.add_argument("hypertable", nargs="?")
    command.add_argument("--archive-after", metavar="AGE", help="of set and preview: ISO 8601, P90D")
    command.add_argument("--remove-after", metavar="AGE", help="of set: ISO 8601, or `never`. What is not given stays as it is")
    command.add_argument("--dropped-by-others", choices=("keep", "forget"), help="of set: archives whose chunk others drop")
    switch = command.add_mutually_exclusive_group()
    switch.add_argument("--enabled", action="store_true", default=None, help="of set: makes jobs, as a new policy does")
    switch.add_argument("--disabled", dest="enabled", action="store_false", help="of set: makes none")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number
