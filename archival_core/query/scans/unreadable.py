"""What is said where a file of an archive cannot be read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

from archival_core.errors import PermanentError, TransientError


def unreadable(why: object) -> PermanentError:
    """The error of a file that is gone, or holds something else than Parquet."""
    return PermanentError(
        f"a file of an archive that stands in for rows is missing or damaged: {why}", code="archive-unreadable"
    )


@contextmanager
def lake_errors() -> Iterator[None]:
    """Translate what Arrow raises where it reads the lake."""
    try:
        yield
    except (FileNotFoundError, pa.ArrowInvalid) as error:
        raise unreadable(error) from error
    except OSError as error:
        raise TransientError(f"the lake: {error}", code="lake-unavailable") from error
