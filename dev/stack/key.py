"""`python -m dev.stack.key`: the function key of the running local stack, alone on its line."""

from __future__ import annotations

import json
import sys

from dev.stack.state import ROOT


def main() -> None:
    """Print it, or say what is missing."""
    file = ROOT / ".local" / "stack.json"
    if not file.exists():
        sys.exit(f"{file} is not there: start the stack with `make run`")
    print(json.loads(file.read_text())["function_key"])


if __name__ == "__main__":
    main()
