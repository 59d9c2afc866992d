"""`python -m dev.stack.publish HYPERTABLE --older-than TIME | --chunk CHUNK`: ask the running local stack for archives."""

from __future__ import annotations

import argparse
import json
import secrets
import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from redis import Redis

from dev.stack.state import ROOT


def new_traceparent() -> str:
    """Where a trace begins: in whoever asks."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


def request(hypertable: str, *, traceparent: str | None = None, **data: object) -> dict[str, str]:
    """The fields of a stream entry that asks for archives."""
    event = {
        "specversion": "1.0",
        "id": str(uuid4()),
        "source": "local",
        "type": "archival.chunk.requested",
        "time": datetime.now(UTC).isoformat(),
        "traceparent": traceparent or new_traceparent(),
        "data": {"hypertable": hypertable, **data},
    }
    return {"event": json.dumps(event)}


def main() -> None:
    """Read the command line and publish one event."""
    parser = argparse.ArgumentParser(prog="python -m dev.stack.publish", description="ask the local stack for archives")
    parser.add_argument("hypertable", help="schema.table")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--chunk", help="schema.chunk")
    which.add_argument(
        "--older-than", metavar="TIME", help="RFC 3339 with an offset, or an integer: every chunk that ends by then"
    )
    parser.add_argument("--stack", type=Path, default=ROOT / ".local" / "stack.json", help="what `make run` has written")
    arguments = parser.parse_args()
    if not arguments.stack.exists():
        sys.exit(f"{arguments.stack} is not there: start the stack with `make run`")
    data = {"chunk": arguments.chunk} if arguments.chunk else {"older_than": _bound(arguments.older_than)}
    with Redis.from_url(json.loads(arguments.stack.read_text())["redis_url"]) as redis:
        entry = redis.xadd("archival.events", {**request(arguments.hypertable, **data)})
    print(f"published as entry {entry.decode()}")


def _bound(text: str) -> str | int:
    return int(text) if text.lstrip("+-").isdigit() else text


if __name__ == "__main__":
    main()
