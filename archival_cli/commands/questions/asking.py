"""What commands that ask for rows share: where the answer comes from, in which form, and what is said beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from archival_cli.command import Session
from archival_cli.commands.questions.direct import Direct
from archival_cli.errors import MISUSED, CommandError
from archival_cli.showing.text import counted

#: Of a file, by its ending: what the service is asked for.
MEDIA: Final = {
    ".json": "application/json",
    ".csv": "text/csv",
    ".arrow": "application/vnd.apache.arrow.stream",
    ".parquet": "application/vnd.apache.parquet",
}


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked besides the SQL."""

    limit: int | None
    as_text: tuple[str, ...]
    #: where the answer comes from, if not from the service
    direct: Direct | None
    #: what is read is wanted, and no rows
    explain: bool = False
    #: the service writes a file, and no answer
    large: bool = False


def media_of(file: Path) -> str:
    """What `file` holds, by its ending; raises `CommandError`."""
    found = MEDIA.get(file.suffix.lower())
    if found is None:
        raise CommandError(f"{file} ends in none of {', '.join(MEDIA)}", MISUSED)
    return found


def fetched(session: Session, query: str, media: str, question: Question) -> tuple[bytes, dict[str, str]]:
    """Body and headers of the answer; raises `CommandError`."""
    if question.direct is not None:
        return question.direct.fetched(query, media, question.limit, question.as_text, explain=question.explain)
    body: dict[str, Any] = {"sql": query, "as_text": list(question.as_text), "id": str(uuid4())}
    if question.limit is not None:
        body["max_rows"] = question.limit
    if question.explain:
        body["explain"] = True
    with calling_off(session, body["id"]):
        answer = session.client.fetch("queries", body=body, accept=media)
    return answer.body, dict(answer.headers)


@contextmanager
def calling_off(session: Session, question: str) -> Iterator[None]:
    """Whoever interrupts what is asked inside calls the question of this id off, or the result of this id."""
    try:
        yield
    except KeyboardInterrupt:
        try:
            session.client.send("DELETE", "queries", question)
        except CommandError:
            session.output.note("not called off: it ends by itself when its time is over")
        else:
            session.output.note("called off")
        raise


def note(session: Session, question: Question, headers: dict[str, str], *more: str) -> None:
    """Beside the answer: what it was made of, whether it is all, and what is to be known of it."""
    figures = json.loads(headers["archival-query-figures"])
    told = [
        *more,
        f"{figures['seconds']:.2f} s",
        f"{figures['archives_read']} of {figures['archives']} archives read ({figures['bytes_read']:,} bytes)",
        f"{figures['live_rows']:,} rows from the database",
    ]
    session.output.note("; ".join(told))
    if cut := headers.get("archival-query-cut"):
        session.output.note(_cut(cut, question, headers.get("archival-query-rows")))
    for one in json.loads(headers.get("archival-query-notes", "[]")):
        session.output.note(f"note: {one['message']}")


def _cut(cut: str, question: Question, rows: str | None) -> str:
    """What has cut the answer off after so many `rows`, and what to do where that is not what was asked for."""
    if cut == "rows" and question.limit is not None and rows in (None, str(question.limit)):
        return f"cut at {counted(question.limit, 'row')} as asked"
    if question.direct is not None:
        advice = "ask for less"
    elif question.large:
        advice = "ask for less, or with --direct"
    else:
        advice = (
            "ask for less, or have a file of all rows: with --large and --file, or, of a whole table or a range of time, from"
            " `archival export`"
        )
    return f"the limit of {cut} has cut the answer off: {advice}"
