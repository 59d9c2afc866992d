"""Results that are too large, or too slow, for one answer: the service writes a file, and the file is fetched in pieces."""

from __future__ import annotations

import json
import time
from typing import Any, Final
from uuid import uuid4

from archival_cli.command import Session
from archival_cli.commands.questions.asking import Question, calling_off, fetched
from archival_cli.commands.questions.files import NewFile
from archival_cli.errors import MISUSED, REFUSED, CommandError

_FORMS: Final = {".parquet": "parquet", ".csv": "csv"}
_PAUSES: Final = (0.2, 0.5, 1.0, 2.0)
#: A question is asked so often, where one instance of the service after the other ends while it writes the result.
_TIMES: Final = 3
_LOST: Final = "result-lost"


def form_of(file: NewFile) -> str:
    """The form of a large result, by the file's ending; raises `CommandError`."""
    found = _FORMS.get(file.path.suffix.lower())
    if found is None:
        raise CommandError(f"{file.path}: a large result is {' or '.join(_FORMS)}", MISUSED)
    return found


def fetch(session: Session, query: str, file: NewFile, media: str, question: Question) -> dict[str, str]:
    """Bring the answer to `query` into `file`, as a large result where the question asks for one; returns the headers."""
    if question.large:
        return fetch_large(session, query, file, question)
    body, headers = fetched(session, query, media, question)
    file.write(body)
    return headers


def fetch_large(session: Session, query: str, file: NewFile, question: Question) -> dict[str, str]:
    """Have the result of `query` written, and bring it into `file`; returns headers as those of an answer.

    Whoever interrupts it calls the question off. A result that was lost with an instance of the service is asked for again.
    Raises `CommandError`.
    """
    body = {"sql": query, "form": form_of(file), "as_text": list(question.as_text)}
    for left in reversed(range(_TIMES)):
        asked = str(uuid4())
        with calling_off(session, asked):
            state = session.client.send("POST", "queries", "results", body=body | {"id": asked})
        with calling_off(session, state["id"]):
            state = _waited(session, state)
            if left and state["error_code"] == _LOST:
                session.output.note(f"{state['error']}; it is asked again")
                continue
            if state["status"] != "done":
                raise CommandError(f"{state['error']} ({state['error_code']})", REFUSED, state["error_code"])
            _bring(session, state, file)
        break
    session.output.note(f"it also lies at {state['path']} in the lake until {state['expires_at']}")
    headers = {"archival-query-figures": json.dumps(state["figures"]), "archival-query-notes": json.dumps(state["notes"])}
    return headers | ({"archival-query-cut": state["cut"]} if state["cut"] else {})


def _bring(session: Session, state: dict[str, Any], file: NewFile) -> None:
    while file.bytes < state["bytes"]:
        piece = session.client.content("queries", state["id"], "rows", offset=file.bytes)
        if not piece:
            raise CommandError(f"{state['path']} in the lake ends after {file.bytes:,} bytes", REFUSED)
        file.write(piece)
        session.output.note(f"{file.bytes:,} of {state['bytes']:,} bytes")


def _waited(session: Session, state: dict[str, Any]) -> dict[str, Any]:
    pauses = list(_PAUSES)
    while state["status"] == "running":
        time.sleep(pauses.pop(0) if len(pauses) > 1 else pauses[0])
        state = session.client.get("queries", state["id"])
    return state
