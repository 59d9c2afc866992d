"""`python -m dev.stack`: the service on this machine until Ctrl-C."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from pathlib import Path

import psycopg

from dev.demo import sample_data
from dev.servers.processes import ServerError
from dev.stack.stack import Stack
from dev.stack.state import ROOT, State, published

_SAMPLE_ROWS = 120_000


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m dev.stack", description="the whole service on this machine")
    parser.add_argument("--local", type=Path, default=ROOT / ".local", help="folder of everything the stack keeps")
    arguments = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):  # said for both: a shell's background job ignores SIGINT
        signal.signal(number, signal.default_int_handler)
    try:
        _run(arguments.local.resolve())
    except KeyboardInterrupt:
        print("stopped")
    except ServerError as error:
        sys.exit(str(error))


def _run(local: Path) -> None:
    state = State(local, "run")
    print("starting …", flush=True)
    with Stack(state, os.environ) as stack:
        try:
            if not os.environ.get("SOURCE_DATABASE_URL"):
                _ensure_sample(str(stack.addresses["source_database_url"]))
            stack.host.start()
            with published(local / "stack.json", stack.addresses):
                print(_welcome(local, state, stack), flush=True)
                while True:
                    time.sleep(0.2)
                    if stack.host.keep_up():
                        print("the functions host had died and runs again", flush=True)
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not leave half of it running


def _ensure_sample(url: str) -> None:
    """Something to archive, in an embedded database that has nothing yet."""
    with psycopg.connect(url) as connection:
        row = connection.execute("select to_regclass(%s)", (sample_data.TABLE,)).fetchone()
    if row == (None,):
        sample_data.create(url, _SAMPLE_ROWS)


def _welcome(local: Path, state: State, stack: Stack) -> str:
    lake = stack.lake_folder or stack.addresses["lake_url"]
    example = f"{sample_data.TABLE} --older-than 2026-01-06T00:00:00Z"
    if os.environ.get("SOURCE_DATABASE_URL"):
        example = "SCHEMA.HYPERTABLE --older-than TIME"
    return f"""archival_service is up. Ctrl-C stops it.

  dashboard   {stack.addresses["api_url"]}/dashboard (`make key` prints the function key that it asks for)
  API         {stack.addresses["api_url"]}/health/ready
  addresses   {local / "stack.json"} (with keys and passwords)
  lake        {lake}
  logs        {state.logs}

Ask for archives:
  .venv/bin/python -m archival_cli archive {example} --follow
  .venv/bin/python -m dev.stack.publish {example}   (as an event)
Ask for rows, archived and live:
  .venv/bin/python -m archival_cli sql "SELECT count(*) FROM {example.split()[0]}"
"""


if __name__ == "__main__":
    main()
