"""What ends the command line, each with an exit code of its own."""

from __future__ import annotations

from typing import Final

#: A refusal of the API, or a job that failed.
REFUSED: Final = 1
#: What was written is not understood.
MISUSED: Final = 2
#: The service does not answer, or does not know the key.
UNREACHABLE: Final = 3


class CommandError(Exception):
    """Told to the user in one line."""

    def __init__(self, message: str, exit_code: int, code: str | None = None) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        #: of the service's problem
        self.code = code
