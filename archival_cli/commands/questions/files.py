"""Files that answers go into: looked at before anything is asked, and there only when they are whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from secrets import token_hex
from typing import Any, Final, Literal

import click

from archival_cli.errors import MISUSED, REFUSED, CommandError


class _FilePath(click.Path):
    """The path of a file that is there or can be made; a folder is none, whether it is there or not."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, readable=False, writable=True, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """A `Path`, which would not tell that there was a slash at the end."""
        if isinstance(value, str) and value.endswith(("/", os.sep)):
            self.fail(f"{value!r} is a folder: name a file in it", param, ctx)
        return super().convert(value, param, ctx)


FILE: Final = _FilePath()


class NewFile:
    """A file that is being written."""

    def __init__(self, path: Path, written: FileIO) -> None:
        #: as the user has named it
        self.path = path
        self.bytes = 0
        self._written = written

    def write(self, data: bytes) -> None:
        """Append; raises `CommandError`."""
        left = memoryview(data)
        try:
            while left:
                left = left[self._written.write(left) :]
        except OSError as error:
            raise CommandError(_cannot(self.path, error), REFUSED) from error
        self.bytes += len(data)


@contextmanager
def written(path: Path) -> Iterator[NewFile]:
    """A new file, which takes the place of `path` at the end; after an error or Ctrl-C what was there is there still.

    Raises `CommandError` at once where no file can be written.
    """
    # what a link leads to is replaced, and not the link
    place = path.resolve()
    there = os.path.isfile(place)  # noqa: PTH113  in a folder that may not be looked into, `Path.is_file` raises
    if not there and os.path.exists(place):  # noqa: PTH110  as above
        # a pipe, or a device: nothing is there to be kept
        with _opened(path, place, "wb") as file:
            yield NewFile(path, file)
        return
    beside = place.with_name(f".archival-{token_hex(6)}.part")
    try:
        with _opened(path, beside, "xb") as file:
            if there:
                # before there is anything to read in it; some file systems have no modes
                with suppress(OSError):
                    shutil.copymode(place, beside)
            yield NewFile(path, file)
        try:
            beside.replace(place)
        except OSError as error:
            raise CommandError(_cannot(path, error), REFUSED) from error
    finally:
        # a file that could not be opened is not there, wherever it would have been
        with suppress(OSError):
            beside.unlink()


def _opened(path: Path, place: Path, mode: Literal["wb", "xb"]) -> FileIO:
    try:
        return place.open(mode, buffering=0)
    except FileNotFoundError as error:
        raise CommandError(f"{path}: there is no folder {path.parent}; make it, or name another", MISUSED) from error
    except OSError as error:
        raise CommandError(f"{_cannot(path, error)}; name a file in another folder", MISUSED) from error


def _cannot(path: Path, error: OSError) -> str:
    return f"{path} cannot be written: {error.strerror or error}"
