"""How far an archive has come: what the next attempt needs to go on where the last one ended."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, ValidationError

from archival_core.model.chunks.grounds import Grounds
from archival_core.model.chunks.part_range import PartRange


class Progress(BaseModel):
    """Fixed when the first part begins; finished parts are recorded beside it."""

    model_config = ConfigDict(frozen=True)

    #: what the chunk was like for the first part: the fence compares with it
    grounds: Grounds
    files: tuple[int, ...]
    #: folders of staging in one of which the finished parts lie: each attempt that goes on renames the folder to its own
    staging: tuple[str, ...]
    #: number, name, PostgreSQL type and Arrow type of every column
    columns: tuple[tuple[int, str, str, str], ...]
    #: number and name of each of them in the lake
    lake: tuple[tuple[int, str], ...] = ()
    #: the rows of each part, by its number
    parts: tuple[PartRange, ...]

    @classmethod
    def read(cls, recorded: object) -> Progress | None:
        """What the ledger has recorded; `None` if that is nothing, or in a form of another release.

        A worker of another release may write during a deployment. The chunk is then read from its beginning.
        """
        try:
            return cls.model_validate(recorded)
        except ValidationError:
            return None
