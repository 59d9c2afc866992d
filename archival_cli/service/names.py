"""Names as people write them, made into the service's own; a slip of the pen gets a suggestion."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from functools import cached_property
from typing import Any, Final

from archival_cli.errors import MISUSED, REFUSED, CommandError
from archival_cli.service.client import Client
from archival_cli.service.transport import Answer

#: in seconds
_PATIENCE: Final = 2.5
_FEW: Final = 5
_WHOLE: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_DIGITS: Final = re.compile(r"([0-9a-f]-?){4,32}", re.IGNORECASE)


class Names:
    """Asks the service what there is, at most once for each question."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @cached_property
    def hypertables(self) -> list[str]:
        """Every hypertable that the source or the ledger knows."""
        return [found["hypertable"] for found in self._client.get("hypertables")["hypertables"]]

    def hypertable(self, name: str) -> str:
        """The full name of a hypertable that may be given without its schema; raises `CommandError`."""
        # a full name may be right, and what is asked next may need less than the list of all names does
        known = self._in_time() if "." in name else self.hypertables
        if known is None or name in known:
            return name
        found = [one for one in known if _bare(one) == name] or [
            one for one in known if name.lower() in (one.lower(), _bare(one).lower())
        ]
        if len(found) == 1:
            return found[0]
        if found:
            raise CommandError(f"which {name}? There is {_listed(found)}", REFUSED)
        raise CommandError(f"there is no hypertable {name}{_suggested(name, known)}", REFUSED, "unknown-hypertable")

    def chunk(self, hypertable: str, name: str) -> str:
        """The full name of a chunk of `hypertable` that may be given without its schema; raises `CommandError`."""
        known = self.chunks(hypertable)
        full: list[str] = [one["chunk"] for one in known]
        if name in full:
            return name
        found = sorted({one for one in full if _bare(one) == name})
        if len(found) == 1:
            return found[0]
        if found:
            raise CommandError(f"which {name}? There is {_listed(found)}", REFUSED)
        raise CommandError(f"{hypertable} has no chunk {name}{_suggested(name, full)}", REFUSED, "unknown-chunk")

    def job(self, name: str) -> str:
        """The id of a job of which the first digits may be given; raises `CommandError`."""
        if _WHOLE.fullmatch(name):
            return name
        if not _DIGITS.fullmatch(name):
            raise CommandError(f"{name!r} is no job's id; give its first digits, four at least", MISUSED)
        found = self._client.get("jobs", id=name, limit=_FEW)["jobs"]
        if not found:
            raise CommandError(f"there is no job {name}", REFUSED, "unknown-job")
        if len(found) > 1:
            several = ", ".join(f"{one['job_id']} ({one['chunk']}, {one['status']})" for one in found)
            raise CommandError(f"several jobs begin with {name}: {several}", REFUSED)
        return str(found[0]["job_id"])

    def chunks(self, hypertable: str, **filters: Any) -> list[Any]:
        """Every chunk of `hypertable` and every archive whose chunk is gone, by their range, or those that `filters` take."""
        return self._client.all("chunks", "chunks", hypertable=hypertable, **filters)

    def _in_time(self) -> list[str] | None:
        """The same, if the service says it soon."""
        if "hypertables" not in self.__dict__:
            answer = self._client.once("hypertables", seconds=_PATIENCE)
            if not isinstance(answer, Answer) or answer.status != 200:
                return None
            self.hypertables = [one["hypertable"] for one in answer.document["hypertables"]]
        return self.hypertables


def _bare(name: str) -> str:
    """Without the schema; a quoted name may hold dots."""
    return name.rpartition('."')[2].rstrip('"') if name.endswith('"') and '."' in name else name.rpartition(".")[2]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _suggested(name: str, known: Sequence[str]) -> str:
    """What may be meant; a name without a schema is compared without one."""
    by_name = {one if "." in name else _bare(one): one for one in known}
    close = [by_name[one] for one in get_close_matches(name, by_name, n=3)]
    if close:
        return f"; did you mean {' or '.join(close)}?"
    return f"; there is {_listed(known)}" if known else ""
